//! Folders and files that only this user can read or change.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use rustix::process::getuid;

/// Creates a folder for this user alone.
///
/// # Errors
///
/// If it can't be created, or exists.
pub fn create_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

/// Creates a folder for this user alone, with the missing folders above it. One that exists is left as it is.
///
/// # Errors
///
/// If it can't be created.
pub fn create_folders(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Options with which a new file is this user's alone.
#[must_use]
pub fn file_options() -> OpenOptions {
    let mut options = File::options();
    options.mode(0o600);
    options
}

/// Returns whether a file or folder belongs to this user.
#[must_use]
pub fn is_own(data: &Metadata) -> bool {
    data.uid() == getuid().as_raw()
}

/// Returns whether others have no permissions for a file or folder.
#[must_use]
pub fn is_private(data: &Metadata) -> bool {
    data.mode() & 0o077 == 0
}

/// Takes the permissions for a folder from others, and gives all to this user. `data`: of the folder.
///
/// # Errors
///
/// If it belongs to another user.
pub fn restrict_folder(path: &Path, data: &Metadata) -> io::Result<()> {
    if data.mode() & 0o777 == 0o700 {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(0o700))
}

/// Takes the permissions for an open file from others.
///
/// # Errors
///
/// If it belongs to another user.
pub fn restrict_file(file: &File) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(0o600))
}

/// Takes the permissions for a socket from others.
///
/// # Errors
///
/// If it belongs to another user.
pub fn restrict_socket(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(0o600))
}

/// Checks that files can be created in a folder.
///
/// # Errors
///
/// If they can't.
pub fn check_usable(folder: &Path) -> io::Result<()> {
    Ok(access(folder, Access::WRITE_OK | Access::EXEC_OK)?)
}

/// A short name of this user, which no other user has.
#[must_use]
pub fn user() -> String {
    getuid().as_raw().to_string()
}

/// The system's own folder for temporary files, whose path is short.
#[must_use]
pub fn temp_dir() -> PathBuf {
    PathBuf::from("/tmp")
}
