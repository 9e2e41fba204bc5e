//! Synchronizes the server with the client: documents, folders and settings.

pub(crate) mod document_sync;
pub(crate) mod folders;
pub(crate) mod settings;
