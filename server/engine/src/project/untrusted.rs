//! The folders that the user of an editor does not trust. They are files in the user's state folder, because an editor with
//! an engine of its own and a daemon must agree.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use pytest_lens_history::Location;
use pytest_lens_platform::private;

/// The folder, or the one around it, that the user does not trust.
pub(crate) fn around<'a>(state_dir: &Path, root: &'a Path) -> Option<&'a Path> {
    root.ancestors().find(|folder| mark(state_dir, folder).exists())
}

/// The file that says that a folder is not trusted.
pub(crate) fn mark(state_dir: &Path, folder: &Path) -> PathBuf {
    let name = Location::of(state_dir, folder).file;
    state_dir.join("untrusted").join(name.file_stem().unwrap_or_default())
}

/// Stores whether the user trusts a folder.
///
/// # Errors
///
/// If the mark can't be written or removed.
pub(crate) fn store(state_dir: &Path, folder: &Path, trusted: bool) -> io::Result<()> {
    let mark = mark(state_dir, folder);
    if trusted {
        return match fs::remove_file(mark) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
    }
    if let Some(folder) = mark.parent() {
        private::create_folders(folder)?;
    }
    fs::write(mark, "")
}
