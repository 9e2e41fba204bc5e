//! Single keys from the terminal: not on Windows yet.

use std::io;

/// Input from the terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromTerminal {
    /// Pressed keys, as the terminal encodes them.
    Bytes(Vec<u8>),
    /// The process has the terminal again.
    Resumed,
    /// The terminal is gone.
    Closed,
}

/// The terminal of standard input.
pub struct Keyboard;

impl Keyboard {
    /// There are no keys.
    ///
    /// # Errors
    /// None.
    pub fn open() -> io::Result<Option<Self>> {
        Ok(None)
    }

    /// Waits for the next key.
    pub async fn next(&mut self) -> FromTerminal {
        std::future::pending().await
    }
}
