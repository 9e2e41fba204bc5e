//! Texts of files: open documents, the disk, lines and encodings.

pub(crate) mod disk;
pub(crate) mod document;
pub(crate) mod encoding;
pub(crate) mod line_map;
pub(crate) mod text;
