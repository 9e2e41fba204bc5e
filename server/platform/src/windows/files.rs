//! Marks of files: identity, times, permission to execute; holes in files; names.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io;
use std::os::windows::fs::MetadataExt;
use std::path::Path;

use same_file::Handle;

/// No identity: only an open file has one here. Times and sizes have to tell files apart.
#[must_use]
pub fn identity(_data: &Metadata) -> (u64, u64) {
    (0, 0)
}

/// The identity of a file, as Python's `os.stat` reports it, comparable with [`identity`].
#[must_use]
pub fn reported_identity(_device: u64, _inode: u64) -> (u64, u64) {
    (0, 0)
}

/// Returns whether a path leads to an open file.
#[must_use]
pub fn leads_to(path: &Path, file: &File) -> bool {
    let held = file.try_clone().and_then(Handle::from_file);
    matches!((held, Handle::from_path(path)), (Ok(held), Ok(named)) if held == named)
}

/// The last change of the content, in nanoseconds since 1970.
#[must_use]
pub fn modified_ns(data: &Metadata) -> i64 {
    ns(data.last_write_time())
}

/// The time of creation, in nanoseconds since 1970, as in Python's `st_ctime_ns`: metadata has no time of the last
/// change of the file's entry.
#[must_use]
pub fn entry_changed_ns(data: &Metadata) -> i64 {
    ns(data.creation_time())
}

/// From Windows' 100 ns since 1601.
fn ns(time: u64) -> i64 {
    const FROM_1601_TO_1970: i128 = 116_444_736_000_000_000;
    i64::try_from((i128::from(time) - FROM_1601_TO_1970) * 100).unwrap_or_default()
}

/// Never: the whole file stays.
///
/// # Errors
///
/// Always.
pub fn punch(_file: &File, _from: u64, _length: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Returns whether this is a program.
#[must_use]
pub fn is_executable(path: &Path) -> bool {
    let is_program = |end: &OsStr| ["exe", "bat", "cmd", "com"].iter().any(|known| end.eq_ignore_ascii_case(known));
    path.extension().is_some_and(is_program) && path.is_file()
}

/// The name of a file from its bytes, as git prints it: UTF-8.
#[must_use]
pub fn name_of(bytes: &[u8]) -> Cow<'_, OsStr> {
    Cow::Owned(OsString::from(String::from_utf8_lossy(bytes).into_owned()))
}
