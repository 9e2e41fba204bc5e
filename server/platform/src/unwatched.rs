//! A stand-in for the kernel's reports on systems without them. Sessions are not shared there, so nobody needs them.

use std::io;
use std::path::Path;

use crate::opens::Report;

/// A watcher; there is none on this system.
#[derive(Debug)]
pub enum Kernel {}

impl Kernel {
    /// Starts to watch.
    ///
    /// # Errors
    ///
    /// Always: the system has no such reports.
    pub fn new() -> io::Result<Self> {
        Err(io::Error::new(io::ErrorKind::Unsupported, format!("{} reports no openings", crate::SYSTEM)))
    }

    /// Watches the entries of a folder.
    ///
    /// # Errors
    ///
    /// None.
    pub fn watch_folder(&self, _path: &Path) -> io::Result<Option<i32>> {
        match *self {}
    }

    /// Watches a file.
    ///
    /// # Errors
    ///
    /// None.
    pub fn watch_file(&self, _path: &Path) -> io::Result<Option<i32>> {
        match *self {}
    }

    /// Ends a watch.
    pub fn unwatch(&self, _number: i32) {
        match *self {}
    }

    /// The pending reports.
    #[must_use]
    pub fn reports(&self) -> Vec<Report> {
        match *self {}
    }
}
