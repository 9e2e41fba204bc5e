//! Logs: on standard error, and only where `PYTEST_LENS_LOG` signals for them (`debug`, `pytest_lens_engine=trace`, ...).

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::failure::Failure;

/// The variable that signals for logs, in the syntax of tracing's filters.
const VARIABLE: &str = "PYTEST_LENS_LOG";

/// Starts logging, where it is asked for.
pub(crate) fn start() -> Result<(), Failure> {
    let Some(filter) = std::env::var_os(VARIABLE).filter(|filter| !filter.is_empty()) else { return Ok(()) };
    let filter = filter.to_string_lossy();
    let filter = EnvFilter::try_new(&filter).map_err(|error| {
        Failure::usage(format!("{VARIABLE}=`{filter}`: {error}; say `debug`, or `pytest_lens_engine=trace`"))
    })?;
    // A second start in one process (Python's module) leaves the first one's logging as it is.
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let _ = log.with_ansi(std::io::stderr().is_terminal()).try_init();
    Ok(())
}
