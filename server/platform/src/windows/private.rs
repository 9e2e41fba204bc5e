//! Folders and files that only this user can read or change: those in the user's own folders, by the permissions that
//! they inherit. Temporary folders and those for settings and caches are there.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// Creates a folder.
///
/// # Errors
///
/// If it can't be created, or exists.
pub fn create_folder(path: &Path) -> io::Result<()> {
    fs::create_dir(path)
}

/// Creates a folder, with the missing folders above it.
///
/// # Errors
///
/// If it can't be created.
pub fn create_folders(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

/// Options with which a new file gets the permissions of its folder.
#[must_use]
pub fn file_options() -> OpenOptions {
    File::options()
}

/// Always: metadata does not name the user.
#[must_use]
pub fn is_own(_data: &Metadata) -> bool {
    true
}

/// Always: metadata has no permissions.
#[must_use]
pub fn is_private(_data: &Metadata) -> bool {
    true
}

/// Does nothing: folders inherit their permissions.
///
/// # Errors
///
/// Never.
pub fn restrict_folder(_path: &Path, _data: &Metadata) -> io::Result<()> {
    Ok(())
}

/// Does nothing: files inherit their permissions.
///
/// # Errors
///
/// Never.
pub fn restrict_file(_file: &File) -> io::Result<()> {
    Ok(())
}

/// Does nothing: a pipe is made for its owner alone.
///
/// # Errors
///
/// Never.
pub fn restrict_socket(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Checks that this is a folder; only creating a file shows whether that is possible.
///
/// # Errors
///
/// If it is not.
pub fn check_usable(folder: &Path) -> io::Result<()> {
    if fs::metadata(folder)?.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) }
}

/// A short name of this user. The folders that it names are the user's own anyway.
#[must_use]
pub fn user() -> String {
    "user".into()
}

/// The system's own folder for temporary files.
#[must_use]
pub fn temp_dir() -> PathBuf {
    std::env::temp_dir()
}
