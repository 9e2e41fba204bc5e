//! The command line of pytest-lens: parses arguments, sends requests to an engine, prints for people and for scripts.
//!
//! It reaches the engine by sessions only, and judges no test: outcomes and counts are the engine's.
#![warn(unreachable_pub)]

mod commands;
mod engine;
mod failure;
mod git;
mod logs;
mod mcp;
mod options;
mod paths;
mod results;
mod run;
mod style;
mod suggest;
mod terminal;
#[cfg(test)]
mod testing;
mod timing;
mod watch;

use std::ffi::OsString;
use std::io::Write;

use failure::{Failure, exit};

/// Runs the command line (the program's name comes first), and returns the exit status. The caller must exit at once,
/// because a thread may still wait for input.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> i32 {
    let result = options::parse::parse(arguments).and_then(|command| {
        logs::start()?;
        commands::dispatch(command)
    });
    let mut out = std::io::stdout();
    match result {
        Ok(status) => status,
        Err(Failure::Help(text)) => out.write_all(text.as_bytes()).map_or(exit::INTERNAL, |()| exit::OK),
        Err(Failure::Message { sentence, status }) => {
            let sentence = sentence.trim_end();
            // If standard error is closed, nobody reads it.
            let _ = writeln!(std::io::stderr(), "pytest-lens: {sentence}");
            status
        }
        Err(Failure::Pipe) => exit::INTERRUPTED,
    }
}
