//! Windows.

pub mod clock;
pub mod files;
pub mod keyboard;
pub mod private;
pub mod processes;
pub mod python;
pub mod signals;
pub mod sockets;
pub mod stdio;
pub mod workers;
