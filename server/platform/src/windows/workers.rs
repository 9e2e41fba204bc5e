//! A worker's connection.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::sockets::WorkerStream;

/// The reading side.
#[derive(Debug)]
pub struct WorkerReader(OwnedReadHalf);

/// The writing side. The other side reads the end of the stream when this is dropped.
#[derive(Debug)]
pub struct WorkerWriter(OwnedWriteHalf);

/// Both sides of a connection.
///
/// # Errors
///
/// Never.
pub fn split_worker(stream: WorkerStream) -> io::Result<(WorkerReader, WorkerWriter)> {
    let (read, write) = stream.into_split();
    Ok((WorkerReader(read), WorkerWriter(write)))
}

impl WorkerReader {
    /// Reads what there is; waits if there is nothing. Returns 0 at the end of the stream.
    ///
    /// # Errors
    ///
    /// If the connection is broken.
    pub async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).await
    }

    /// Does nothing: a completion port can't look away.
    pub fn rest(&mut self) {}
}

impl WorkerWriter {
    /// Writes all bytes.
    ///
    /// # Errors
    ///
    /// If the connection is broken.
    pub async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes).await
    }
}
