//! Texts of files: open documents, what the disk holds, and positions in them.

pub(crate) mod disk;
pub(crate) mod document;
pub(crate) mod encoding;
pub(crate) mod line_map;
pub(crate) mod text;
