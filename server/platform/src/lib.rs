//! The differences between operating systems: processes, sockets, private files, marks of files, signals, memory. No other
//! crate asks for the system that it is compiled for.
//!
//! `unix/` serves Linux and macOS, with `linux.rs` and `macos.rs` for what only one of them has; `windows/` has the same
//! modules with the same functions. The limits of a system stand at the functions that have them.
#![warn(unreachable_pub)]

#[cfg(not(target_os = "linux"))]
mod process_list;
#[cfg(unix)]
mod unix;
#[cfg(not(target_os = "linux"))]
mod unwatched;
#[cfg(windows)]
mod windows;

pub mod memory;
pub mod opens;

#[cfg(unix)]
pub use unix::{clock, files, keyboard, private, processes, python, signals, sockets, stdio, workers};
#[cfg(windows)]
pub use windows::{clock, files, keyboard, private, processes, python, signals, sockets, stdio, workers};

/// Whether a warm interpreter may be forked: Windows can't fork, and on macOS a process that has used the system's
/// frameworks can't be forked safely.
pub const HAS_SAFE_FORK: bool = cfg!(target_os = "linux");

/// The name of the system.
pub const SYSTEM: &str = if cfg!(windows) {
    "Windows"
} else if cfg!(target_os = "macos") {
    "macOS"
} else {
    "Linux"
};
