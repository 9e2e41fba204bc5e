//! The command line of pytest-lens: reads arguments, signals an engine, prints for people and for scripts.
//!
//! It knows the engine only by its sessions, and has no opinion on tests: outcomes, counts and texts are the engine's.
#![warn(unreachable_pub)]

mod commands;
mod engine;
mod failure;
mod logs;
mod options;
mod paths;
mod results;
mod run;
mod signals;
mod style;
mod suggest;
mod terminal;
#[cfg(test)]
mod testing;
mod timing;

use std::ffi::OsString;
use std::io::Write;

use failure::{Failure, exit};

/// Runs the command that the arguments (the program's name first) ask for, and returns the exit status. The caller is
/// to exit with it at once: a thread may still be waiting for input.
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
            // Where standard error is gone, there is nobody left to tell.
            let _ = writeln!(std::io::stderr(), "pytest-lens: {sentence}");
            status
        }
        Err(Failure::Pipe) => exit::INTERRUPTED,
    }
}
