//! Shared code of the project's chores: paths, starting programs, printing, pinned environments, the built binary. It
//! compiles in a moment, and so does every chore that needs nothing else.
#![warn(unreachable_pub)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a chore talks to the person at the terminal")]

pub mod build;
pub mod paths;
pub mod process;
pub mod ui;
pub mod venv;

use std::process::ExitCode;

/// The end of a chore's `main`: `false` means that it did its work and found something wrong.
pub fn end(outcome: anyhow::Result<bool>) -> ExitCode {
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
