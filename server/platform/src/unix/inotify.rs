//! Linux's reports of opened and changed files, by inotify.

use std::ffi::OsStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

use crate::opens::Report;

const WATCHED: WatchFlags = WatchFlags::OPEN
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::CREATE)
    .union(WatchFlags::MOVE)
    .union(WatchFlags::ONLYDIR);

const WATCHED_FILE: WatchFlags =
    WatchFlags::OPEN.union(WatchFlags::MODIFY).union(WatchFlags::MOVE_SELF).union(WatchFlags::DELETE_SELF);

const NEW: ReadFlags = ReadFlags::CREATE.union(ReadFlags::MOVED_TO);

/// A watcher.
#[derive(Debug)]
pub struct Kernel(OwnedFd);

impl Kernel {
    /// Starts to watch.
    ///
    /// # Errors
    ///
    /// If the kernel refuses, for instance because this user has too many watchers.
    pub fn new() -> io::Result<Self> {
        Ok(Kernel(inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?))
    }

    /// Watches the entries of a folder. Returns its number; none if it has gone, or is not ours to read.
    ///
    /// # Errors
    ///
    /// If the kernel refuses, for instance because this user has too many watches.
    pub fn watch_folder(&self, path: &Path) -> io::Result<Option<i32>> {
        self.watch(path, WATCHED)
    }

    /// Watches a file. Returns its number, as [`Kernel::watch_folder`] does.
    ///
    /// # Errors
    ///
    /// If the kernel refuses.
    pub fn watch_file(&self, path: &Path) -> io::Result<Option<i32>> {
        self.watch(path, WATCHED_FILE)
    }

    fn watch(&self, path: &Path, what: WatchFlags) -> io::Result<Option<i32>> {
        match inotify::add_watch(&self.0, path, what) {
            Ok(number) => Ok(Some(number)),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Ends a watch.
    pub fn unwatch(&self, number: i32) {
        let _ = inotify::remove_watch(&self.0, number);
    }

    /// The pending reports; none if there are no more.
    #[must_use]
    pub fn reports(&self) -> Vec<Report> {
        let mut buffer = [MaybeUninit::uninit(); 16 * 1024];
        let mut reader = Reader::new(&self.0, &mut buffer);
        let mut reports = Vec::new();
        while let Ok(event) = reader.next() {
            let what = event.events();
            reports.push(Report {
                watch: event.wd(),
                name: event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()).to_owned()),
                is_lost: what.contains(ReadFlags::QUEUE_OVERFLOW),
                is_unwatched: what.contains(ReadFlags::IGNORED),
                is_gone: what.intersects(ReadFlags::MOVE_SELF | ReadFlags::DELETE_SELF),
                is_folder: what.contains(ReadFlags::ISDIR),
                is_new: what.intersects(NEW),
                is_moved_away: what.contains(ReadFlags::MOVED_FROM),
                is_opened: what.contains(ReadFlags::OPEN),
                is_changed: what.intersects(ReadFlags::MODIFY | NEW),
            });
        }
        reports
    }
}
