//! The output of a child process.

use std::fmt;
use std::io;

use futures::FutureExt as _;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{ChildStderr, ChildStdout};

/// The reading end of a child's output.
pub struct OutputPipe {
    reader: BufReader<Box<dyn AsyncRead + Send + Unpin>>,
    is_over: bool,
}

impl fmt::Debug for OutputPipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutputPipe").field("is_over", &self.is_over).finish_non_exhaustive()
    }
}

impl OutputPipe {
    /// A child's stdout.
    ///
    /// # Errors
    ///
    /// Never.
    pub fn of_stdout(stdout: ChildStdout) -> io::Result<Self> {
        Ok(Self::of(Box::new(stdout)))
    }

    /// A child's stderr.
    ///
    /// # Errors
    ///
    /// Never.
    pub fn of_stderr(stderr: ChildStderr) -> io::Result<Self> {
        Ok(Self::of(Box::new(stderr)))
    }

    fn of(pipe: Box<dyn AsyncRead + Send + Unpin>) -> Self {
        OutputPipe { reader: BufReader::with_capacity(16 * 1024, pipe), is_over: false }
    }

    /// Waits until there is output, or the end.
    ///
    /// # Errors
    ///
    /// If the pipe is broken.
    pub async fn readable(&mut self) -> io::Result<()> {
        self.is_over = self.reader.fill_buf().await?.is_empty();
        Ok(())
    }

    /// Reads without waiting. Returns 0 at the end.
    ///
    /// `directly`: looks whether the pipe has output that nobody has waited for yet.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no output.
    pub fn try_read(&mut self, buffer: &mut [u8], directly: bool) -> io::Result<usize> {
        if directly && self.reader.buffer().is_empty() && !self.is_over {
            self.readable().now_or_never().unwrap_or(Err(io::ErrorKind::WouldBlock.into()))?;
        }
        let there = self.reader.buffer();
        if there.is_empty() {
            return if self.is_over { Ok(0) } else { Err(io::ErrorKind::WouldBlock.into()) };
        }
        let length = there.len().min(buffer.len());
        buffer[..length].copy_from_slice(&there[..length]);
        self.reader.consume(length);
        Ok(length)
    }
}
