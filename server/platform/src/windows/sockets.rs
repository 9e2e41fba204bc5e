//! Connections between processes of one user.
//!
//! Workers connect by TCP on the loopback interface, because Python has no Unix sockets here and can't wait for both
//! directions of a named pipe; they prove themselves by the engine's token. The daemon listens on a named pipe that only
//! its user can open. The file at the daemon's path holds the pipe's name: it is random, so that nobody can take it in
//! advance.

use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, TcpListener as StdListener};
use std::path::Path;

use interprocess::local_socket::tokio::prelude::*;
pub use interprocess::local_socket::tokio::{Listener, Stream};
use interprocess::local_socket::{GenericNamespaced, ListenerOptions, Name};
use interprocess::os::windows::local_socket::ListenerOptionsExt;
use interprocess::os::windows::security_descriptor::SecurityDescriptor;
pub use tokio::net::{TcpListener as WorkerListener, TcpStream as WorkerStream};

/// Paths have no limit of their own.
pub const LONGEST_PATH: usize = usize::MAX;

/// The first words of a daemon's file.
const FILE_START: &str = "pytest-lens daemon on pipe ";

/// Full access for the pipe's owner and the system, none for others.
const OWNER_ONLY: &widestring::U16CStr = widestring::u16cstr!("D:P(A;;GA;;;OW)(A;;GA;;;SY)");

/// Listens for workers. Returns the address that they need.
///
/// # Errors
///
/// If no port is free.
pub fn listen_for_workers(_folder: &Path) -> io::Result<(WorkerListener, String)> {
    let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?.to_string();
    Ok((WorkerListener::from_std(listener)?, address))
}

/// Waits for the next worker.
///
/// # Errors
///
/// If the listener is broken.
pub async fn accept_worker(listener: &WorkerListener) -> io::Result<WorkerStream> {
    let stream = listener.accept().await?.0;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Listens on a pipe, and writes its name to the file at a path.
///
/// # Errors
///
/// If the pipe or the file can't be made.
pub fn listen(path: &Path) -> io::Result<Listener> {
    let mut random = [0_u8; 16];
    getrandom::fill(&mut random)?;
    let name: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let name = format!("pytest-lens-{name}");
    let descriptor = SecurityDescriptor::deserialize(OWNER_ONLY)?;
    let listener = ListenerOptions::new().name(pipe(&name)?).security_descriptor(descriptor).create_tokio()?;
    fs::write(path, format!("{FILE_START}{name}"))?;
    Ok(listener)
}

fn pipe(name: &str) -> io::Result<Name<'_>> {
    name.to_ns_name::<GenericNamespaced>()
}

/// Waits for the next connection.
///
/// # Errors
///
/// If it is lost.
pub async fn accept(listener: &Listener) -> io::Result<Stream> {
    listener.accept().await
}

/// Connects to the process that listens at a path.
///
/// # Errors
///
/// `NotFound` and `ConnectionRefused` if nobody listens.
pub async fn connect(path: &Path) -> io::Result<Stream> {
    let text = fs::read_to_string(path)?;
    let name = text.strip_prefix(FILE_START).ok_or(ErrorKind::ConnectionRefused)?;
    Stream::connect(pipe(name)?).await
}

/// Returns whether the entry of a path is the file of a daemon.
#[must_use]
pub fn is_socket(path: &Path, data: &Metadata) -> bool {
    data.is_file() && fs::read_to_string(path).is_ok_and(|text| text.starts_with(FILE_START))
}

/// Checks that the other side is a process of this user: others can't open the pipe.
///
/// # Errors
///
/// Never.
pub fn check_own(_stream: &Stream) -> Result<(), String> {
    Ok(())
}

/// Always, for a stream whose end was read: pipes have no halves.
#[must_use]
pub fn is_hung_up(_stream: &Stream) -> bool {
    true
}
