//! Writes texts to temporary files, which editors without a plugin show as documents. The files are deleted when the
//! server ends.

use std::io;
use std::path::PathBuf;

use tempfile::TempDir;

/// A name that is valid on every file system.
const LONGEST: usize = 80;

/// The folder, once a text was written.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    folder: Option<TempDir>,
}

impl Pages {
    /// Writes a text, and replaces an older one of the same title.
    pub(crate) fn write(&mut self, title: &str, text: &str) -> io::Result<PathBuf> {
        let folder = match &self.folder {
            Some(folder) => folder,
            None => self.folder.insert(tempfile::Builder::new().prefix("pytest-lens-output-").tempdir()?),
        };
        let plain = |char: char| if char.is_alphanumeric() || "_-.".contains(char) { char } else { '-' };
        let name: String = title.chars().map(plain).take(LONGEST).collect();
        let path = folder.path().join(format!("{name}.txt"));
        std::fs::write(&path, text)?;
        Ok(path)
    }
}
