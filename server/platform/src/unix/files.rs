//! Marks of files: identity, times, permission to execute; holes in files; names.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// Device and inode, which identify a file independent of its name.
#[must_use]
pub fn identity(data: &Metadata) -> (u64, u64) {
    (data.dev(), data.ino())
}

/// The identity of a file, as Python's `os.stat` reports it, comparable with [`identity`].
#[must_use]
pub fn reported_identity(device: u64, inode: u64) -> (u64, u64) {
    (device, inode)
}

/// Returns whether a path leads to an open file.
#[must_use]
pub fn leads_to(path: &Path, file: &File) -> bool {
    let (Ok(held), Ok(named)) = (file.metadata(), fs::metadata(path)) else { return false };
    identity(&held) == identity(&named)
}

/// The last change of the content, in nanoseconds since 1970.
#[must_use]
pub fn modified_ns(data: &Metadata) -> i64 {
    data.mtime() * 1_000_000_000 + data.mtime_nsec()
}

/// The last change of the file's entry, which no program can set, in nanoseconds since 1970.
#[must_use]
pub fn entry_changed_ns(data: &Metadata) -> i64 {
    data.ctime() * 1_000_000_000 + data.ctime_nsec()
}

/// Frees the disk space of a range in the middle of a file.
///
/// # Errors
///
/// If the file system can't, as everywhere but on Linux.
pub fn punch(file: &File, from: u64, length: u64) -> io::Result<()> {
    super::kernel::punch(file, from, length)
}

/// Returns whether this is a program.
#[must_use]
pub fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

/// The name of a file from its bytes, as git prints it.
#[must_use]
pub fn name_of(bytes: &[u8]) -> Cow<'_, OsStr> {
    Cow::Borrowed(OsStr::from_bytes(bytes))
}
