//! Sockets between processes of one user: Unix sockets.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
pub use tokio::net::{UnixListener as Listener, UnixStream as Stream};
pub use tokio::net::{UnixListener as WorkerListener, UnixStream as WorkerStream};

/// The longest path of a socket, in bytes.
pub const LONGEST_PATH: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// Listens for workers. Returns the address that they need.
///
/// # Errors
///
/// If there can be no socket in the folder.
pub fn listen_for_workers(folder: &Path) -> io::Result<(WorkerListener, String)> {
    let path = folder.join("engine.sock");
    Ok((Listener::bind(&path)?, path.to_string_lossy().into()))
}

/// Waits for the next worker.
///
/// # Errors
///
/// If the listener is broken.
pub async fn accept_worker(listener: &WorkerListener) -> io::Result<WorkerStream> {
    Ok(listener.accept().await?.0)
}

/// Listens at a path.
///
/// # Errors
///
/// If there is something already, or can be no socket.
pub fn listen(path: &Path) -> io::Result<Listener> {
    Listener::bind(path)
}

/// Waits for the next connection.
///
/// # Errors
///
/// If it is lost.
pub async fn accept(listener: &Listener) -> io::Result<Stream> {
    Ok(listener.accept().await?.0)
}

/// Connects to the process that listens at a path.
///
/// # Errors
///
/// `NotFound` and `ConnectionRefused` if nobody listens.
pub async fn connect(path: &Path) -> io::Result<Stream> {
    Stream::connect(path).await
}

/// Returns whether the entry of a path is a socket.
#[must_use]
pub fn is_socket(_path: &Path, data: &Metadata) -> bool {
    data.file_type().is_socket()
}

/// Checks that the other side is a process of this user.
///
/// # Errors
///
/// A sentence about the other side.
pub fn check_own(stream: &Stream) -> Result<(), String> {
    let own = rustix::process::geteuid().as_raw();
    match stream.peer_cred() {
        Ok(peer) if peer.uid() == own => Ok(()),
        Ok(peer) => Err(format!("it belongs to user {} (process {:?})", peer.uid(), peer.pid())),
        Err(error) => Err(format!("its user is unknown: {error}")),
    }
}

/// Returns whether the other side has closed the whole connection, and not only its own half.
#[must_use]
pub fn is_hung_up(stream: &Stream) -> bool {
    let mut polled = [PollFd::new(stream, PollFlags::empty())];
    let ended = PollFlags::HUP | PollFlags::ERR;
    poll(&mut polled, Some(&Timespec::default())).is_ok_and(|_| polled[0].revents().intersects(ended))
}
