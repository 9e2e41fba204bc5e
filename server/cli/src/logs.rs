//! Logs, on standard error, if `PYTEST_LENS_LOG` asks for them (`debug`, `pytest_lens_engine=trace`, ...).

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::failure::Failure;

/// The environment variable that asks for logs, in the syntax of tracing's filters.
const VARIABLE: &str = "PYTEST_LENS_LOG";

/// Starts logging if the environment variable asks for it.
pub(crate) fn start() -> Result<(), Failure> {
    let Some(filter) = std::env::var_os(VARIABLE).filter(|filter| !filter.is_empty()) else { return Ok(()) };
    let filter = filter.to_string_lossy();
    let filter = EnvFilter::try_new(&filter).map_err(|error| {
        Failure::usage(format!(
            "{VARIABLE}=`{filter}`: {error}; set it to `debug` or `pytest_lens_engine=trace`, for example"
        ))
    })?;
    // Python's module may start twice in one process; the first start wins.
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let _ = log.with_ansi(std::io::stderr().is_terminal()).try_init();
    Ok(())
}
