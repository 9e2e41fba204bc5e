//! Reports of the kernel on files that any process opens or changes. Linux has them; elsewhere nothing can be watched.

use std::ffi::OsString;

#[cfg(target_os = "linux")]
pub use crate::unix::inotify::Kernel;
#[cfg(not(target_os = "linux"))]
pub use crate::unwatched::Kernel;

/// A report.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    /// The number of the watched folder or file.
    pub watch: i32,
    /// The name in the folder.
    pub name: Option<OsString>,
    /// The kernel has dropped reports.
    pub is_lost: bool,
    /// The kernel does not watch it any more.
    pub is_unwatched: bool,
    /// The watched file itself was moved or deleted.
    pub is_gone: bool,
    /// The entry is a folder.
    pub is_folder: bool,
    /// The entry is new under this name.
    pub is_new: bool,
    /// The entry was moved away.
    pub is_moved_away: bool,
    /// The file was opened.
    pub is_opened: bool,
    /// The file is new or has other content.
    pub is_changed: bool,
}
