//! The output of a child process.

use std::io;
use std::os::fd::OwnedFd;

use tokio::net::unix::pipe;
use tokio::process::{ChildStderr, ChildStdout};

/// The reading end of a child's output.
#[derive(Debug)]
pub struct OutputPipe(pipe::Receiver);

impl OutputPipe {
    /// A child's stdout.
    ///
    /// # Errors
    ///
    /// If the runtime can't watch it.
    pub fn of_stdout(stdout: ChildStdout) -> io::Result<Self> {
        Self::of(stdout.into_owned_fd()?)
    }

    /// A child's stderr.
    ///
    /// # Errors
    ///
    /// If the runtime can't watch it.
    pub fn of_stderr(stderr: ChildStderr) -> io::Result<Self> {
        Self::of(stderr.into_owned_fd()?)
    }

    fn of(descriptor: OwnedFd) -> io::Result<Self> {
        pipe::Receiver::from_owned_fd(descriptor).map(OutputPipe)
    }

    /// Waits until there is output, or the end.
    ///
    /// # Errors
    ///
    /// If the pipe is broken.
    pub async fn readable(&mut self) -> io::Result<()> {
        self.0.readable().await
    }

    /// Reads without waiting. Returns 0 at the end.
    ///
    /// `directly`: reads the pipe itself, which may hold output that the runtime has not noticed yet.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no output.
    pub fn try_read(&mut self, buffer: &mut [u8], directly: bool) -> io::Result<usize> {
        if directly { Ok(rustix::io::read(&self.0, buffer)?) } else { self.0.try_read(buffer) }
    }
}
