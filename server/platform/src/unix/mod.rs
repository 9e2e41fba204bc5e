//! Linux and macOS.

pub mod clock;
pub mod files;
#[cfg(target_os = "linux")]
pub(crate) mod inotify;
pub mod keyboard;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod macos;
pub mod private;
pub mod processes;
pub mod python;
pub mod signals;
pub mod sockets;
pub mod stdio;
pub mod workers;

#[cfg(target_os = "linux")]
use linux as kernel;
#[cfg(not(target_os = "linux"))]
use macos as kernel;
