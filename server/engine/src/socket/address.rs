//! The address of a daemon: a socket that only this user can reach, and a lock that only one daemon can hold.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use pytest_lens_platform::sockets::{self, LONGEST_PATH, Listener, Stream};
use pytest_lens_platform::{files, private};
use tokio::time::Instant;

use crate::timing::{HANDOVER_INTERVAL, HANDOVER_LIMIT};

/// The reason why no daemon can listen at an address.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// Another daemon listens there.
    #[error("a daemon listens on {0} already: use it with `--connect {0}`, or give another path with --socket")]
    Taken(PathBuf),
    /// The path is too long for a Unix socket.
    #[error(
        "the path {path} has {length} bytes, and that of a Unix socket can have {LONGEST_PATH}: give a shorter one with --socket"
    )]
    TooLong {
        /// The path.
        path: PathBuf,
        /// Its length in bytes.
        length: usize,
    },
    /// The path is taken by something that is not a socket.
    #[error("{0} exists and is no socket: remove it, or give another path with --socket")]
    NoSocket(PathBuf),
    /// The default folder belongs to another user.
    #[error("{0} is not a folder of this user: remove it, or give a socket elsewhere with --socket")]
    NotOwn(PathBuf),
    /// The system refused.
    #[error("no socket can be made at {path} ({error}): give one in a folder that can be written with --socket")]
    Io {
        /// The path that can't be made, read or locked.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
}

/// The default socket of a user's daemon: `pytest-lens/daemon.sock` in `$XDG_RUNTIME_DIR`, or in a private temporary
/// folder if that variable is not set or the path is too long. Creates the socket's folder, which only this user can
/// enter.
///
/// # Errors
///
/// If the folder can't be made, or belongs to another user.
pub fn default_socket() -> Result<PathBuf, AddressError> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    let socket = runtime.filter(|path| path.is_dir()).map(|path| path.join("pytest-lens/daemon.sock"));
    if let Some(socket) = socket.filter(|path| path.as_os_str().len() <= LONGEST_PATH) {
        own_folder(socket.parent().unwrap_or(&socket))?;
        return Ok(socket);
    }
    let folder =
        crate::processes::temp_dirs::own().map_err(|error| AddressError::Io { path: std::env::temp_dir(), error })?;
    Ok(folder.join("daemon.sock"))
}

/// Creates a folder that only this user can enter.
fn own_folder(folder: &Path) -> Result<(), AddressError> {
    let failed = |error| AddressError::Io { path: folder.to_owned(), error };
    private::create_folders(folder).map_err(failed)?;
    let data = fs::symlink_metadata(folder).map_err(failed)?;
    if !data.is_dir() || !private::is_own(&data) {
        return Err(AddressError::NotOwn(folder.to_owned()));
    }
    if private::is_private(&data) { Ok(()) } else { private::restrict_folder(folder, &data).map_err(failed) }
}

/// A bound socket. It is removed when this is dropped, and another daemon may then use the address.
#[derive(Debug)]
pub struct Address {
    path: PathBuf,
    listener: Option<Listener>,
    /// Device and inode of the socket. A file that replaced it is not removed.
    made: (u64, u64),
    /// Held until this is dropped.
    _lock: Lock,
}

impl Address {
    /// Binds the socket. Creates missing folders for this user alone, and replaces a socket on which nobody listens.
    ///
    /// # Errors
    ///
    /// If another daemon listens there, or the socket can't be made.
    pub async fn take(path: &Path) -> Result<Self, AddressError> {
        let failed = |error| AddressError::Io { path: path.to_owned(), error };
        let path = std::path::absolute(path).map_err(failed)?;
        let length = path.as_os_str().len();
        if length > LONGEST_PATH {
            return Err(AddressError::TooLong { path, length });
        }
        let failed = |error| AddressError::Io { path: path.clone(), error };
        if let Some(folder) = path.parent() {
            private::create_folders(folder).map_err(failed)?;
        }
        let lock = Lock::take(&path).await?;
        clear(&path).await?;
        let listener = sockets::listen(&path).map_err(failed)?;
        private::restrict_socket(&path).map_err(failed)?;
        let data = fs::symlink_metadata(&path).map_err(failed)?;
        Ok(Address { listener: Some(listener), made: files::identity(&data), _lock: lock, path })
    }

    /// The path of the socket.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for the next connection.
    pub(super) async fn accept(&self) -> io::Result<Stream> {
        match &self.listener {
            Some(listener) => sockets::accept(listener).await,
            None => std::future::pending().await,
        }
    }

    /// Accepts no more connections; the address remains taken.
    pub(super) fn close(&mut self) {
        if self.listener.take().is_some()
            && let Ok(data) = fs::symlink_metadata(&self.path)
            && files::identity(&data) == self.made
        {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Drop for Address {
    fn drop(&mut self) {
        self.close();
    }
}

/// Removes a socket on which nobody listens.
async fn clear(path: &Path) -> Result<(), AddressError> {
    match fs::symlink_metadata(path) {
        Ok(data) if !sockets::is_socket(path, &data) => Err(AddressError::NoSocket(path.to_owned())),
        Ok(_) if is_served(path).await => Err(AddressError::Taken(path.to_owned())),
        Ok(_) => fs::remove_file(path).map_err(|error| AddressError::Io { path: path.to_owned(), error }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(AddressError::Io { path: path.to_owned(), error }),
    }
}

/// Returns whether a daemon listens: only a refused connection or a missing file means no.
async fn is_served(path: &Path) -> bool {
    match sockets::connect(path).await {
        Ok(_) => true,
        Err(error) => !matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound),
    }
}

/// A locked file next to the socket. The socket alone is not enough: two daemons that find it stale at the same time
/// would both replace it.
#[derive(Debug)]
struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    async fn take(socket: &Path) -> Result<Self, AddressError> {
        let mut path = socket.as_os_str().to_owned();
        path.push(".lock");
        let path = PathBuf::from(path);
        let failed = |error| AddressError::Io { path: path.clone(), error };
        let deadline = Instant::now() + HANDOVER_LIMIT;
        loop {
            let mut options = private::file_options();
            let file = options.create(true).truncate(false).write(true).open(&path).map_err(failed)?;
            match file.try_lock() {
                Ok(()) if files::leads_to(&path, &file) => return Ok(Lock { path, _file: file }),
                // The last holder removed the file after it was opened here and before it was locked.
                Ok(()) => continue,
                Err(TryLockError::Error(error)) => return Err(failed(error)),
                Err(TryLockError::WouldBlock) => {}
            }
            if is_served(socket).await || Instant::now() > deadline {
                return Err(AddressError::Taken(socket.to_owned()));
            }
            tokio::time::sleep(HANDOVER_INTERVAL).await;
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The file is removed while it is still locked, so another daemon that has opened it sees that it no longer has
        // this name.
        let _ = fs::remove_file(&self.path);
    }
}
