//! `pytest-lens daemon`: the engine behind a Unix socket.

use std::io::Write;
use std::sync::Arc;

use pytest_lens_engine::{Address, AddressError, Engine, default_socket, serve};
use pytest_lens_platform::signals;

use crate::failure::{Failure, exit};
use crate::options::arguments;

/// Serves until the system or a client asks it to end, or until no client has come for the idle time. Prints on
/// standard error where it listens, as soon as it accepts clients.
pub(crate) async fn daemon(engine: Arc<Engine>, options: arguments::Daemon) -> Result<i32, Failure> {
    let mut signals = signals::listen()?;
    let socket = options.socket.map_or_else(default_socket, Ok).map_err(refused)?;
    let address = Address::take(&socket).await.map_err(refused)?;
    // If standard error is closed, nobody reads it.
    let _ = writeln!(std::io::stderr(), "pytest-lens: listening on {}", address.path().display());
    let asked = async move {
        signals.recv().await;
    };
    let idle = options.idle_timeout.filter(|limit| !limit.is_zero());
    serve(&engine, address, idle, asked).await;
    Ok(exit::OK)
}

fn refused(error: AddressError) -> Failure {
    Failure::usage(error.to_string())
}
