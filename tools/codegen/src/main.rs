//! `cargo xtask codegen`: writes the types of the other languages from the protocol's Rust definitions, or, with
//! `--check`, tells whether what is there is what would be written. So they are never kept by hand, and never drift.
#![expect(clippy::print_stdout, reason = "a chore talks to the person at the terminal")]

mod lua;
mod model;
mod python;
mod typescript;

use std::fs;

use anyhow::{Context, Result};
use clap::Parser;
use model::Model;
use std::process::ExitCode;

use chores::paths;

/// Write the types of other languages from the protocol's Rust definitions.
#[derive(Parser)]
#[command(bin_name = "cargo xtask codegen")]
struct Options {
    /// Write nothing; fail where a file is not what would be written.
    #[arg(long)]
    pub check: bool,
}

/// A generated file: where it lies below the repository's root, and what makes it.
type Target = (&'static str, fn(&Model) -> String);

const TARGETS: [Target; 3] = [
    ("python/pytest_lens/messages.py", python::write),
    ("editors/neovim/lua/pytest_lens/types.lua", lua::write),
    ("editors/vscode/src/protocol.ts", typescript::write),
];

fn main() -> ExitCode {
    chores::end(run(&Options::parse()))
}

/// Writes or checks every generated file; `false` where a check found a difference.
fn run(options: &Options) -> Result<bool> {
    let stale = if options.check { stale()? } else { written()? };
    for path in &stale {
        let what =
            if options.check { "is not what the Rust definitions say: run `cargo xtask codegen`" } else { "written" };
        println!("{path} {what}");
    }
    Ok(!options.check || stale.is_empty())
}

/// The files that differ from what would be written.
fn stale() -> Result<Vec<&'static str>> {
    let model = Model::read()?;
    let differs = |(path, write): &Target| fs::read_to_string(paths::root().join(path)).ok() != Some(write(&model));
    Ok(TARGETS.iter().filter(|target| differs(target)).map(|(path, _)| *path).collect())
}

fn written() -> Result<Vec<&'static str>> {
    let model = Model::read()?;
    for (path, write) in TARGETS {
        let file = paths::root().join(path);
        fs::write(&file, write(&model)).with_context(|| format!("{path} can't be written"))?;
    }
    Ok(TARGETS.iter().map(|(path, _)| *path).collect())
}
