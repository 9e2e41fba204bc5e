//! A worker's connection, whose reader may rest: a sender that has nobody to wake goes on at once.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use tokio::io::AsyncReadExt;

use super::sockets::WorkerStream;

/// The reading side.
#[derive(Debug)]
pub struct WorkerReader {
    stream: UnixStream,
    /// The same, registered with the runtime: every write of the other side wakes it.
    watched: Option<WorkerStream>,
}

/// The writing side. The other side reads the end of the stream when this is dropped.
#[derive(Debug)]
pub struct WorkerWriter(UnixStream);

/// Both sides of a connection.
///
/// # Errors
///
/// If the process has too many descriptors.
pub fn split_worker(stream: WorkerStream) -> io::Result<(WorkerReader, WorkerWriter)> {
    let stream = stream.into_std()?;
    let writer = WorkerWriter(stream.try_clone()?);
    Ok((WorkerReader { stream, watched: None }, writer))
}

impl WorkerReader {
    /// Reads what there is; waits if there is nothing. Returns 0 at the end of the stream.
    ///
    /// # Errors
    ///
    /// If the connection is broken.
    pub async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let watched = match self.watched.take() {
            Some(watched) => watched,
            None => match self.stream.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    WorkerStream::from_std(self.stream.try_clone()?)?
                }
                other => return other,
            },
        };
        self.watched.insert(watched).read(buffer).await
    }

    /// Until the next read, nothing that comes in wakes this process.
    pub fn rest(&mut self) {
        self.watched = None;
    }
}

impl WorkerWriter {
    /// Writes all bytes.
    ///
    /// # Errors
    ///
    /// If the connection is broken.
    pub async fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.0.write(bytes) {
                Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Registered only for as long as it is full: what comes in would wake the runtime by this as well.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    WorkerStream::from_std(self.0.try_clone()?)?.writable().await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Drop for WorkerWriter {
    fn drop(&mut self) {
        let _ = self.0.shutdown(Shutdown::Write);
    }
}
