//! `cargo xtask codegen`: writes the types of the other languages, the schema of the settings, and the reference parts of the documents for client
//! authors, from the protocol's Rust definitions, or, with `--check`, checks that they are up to date. Nobody edits
//! them by hand, and they never drift.
#![warn(unreachable_pub)]
#![expect(clippy::print_stdout, reason = "a chore talks to the person at the terminal")]

mod lua;
mod markdown;
mod model;
mod python;
mod schema;
mod typescript;

use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result};
use chores::paths;
use clap::Parser;
use model::Model;

/// Write the types of other languages, and the reference for client authors, from the protocol's Rust definitions.
#[derive(Parser)]
#[command(bin_name = "cargo xtask codegen")]
struct Options {
    /// Write nothing; fail if a file is not up to date.
    #[arg(long)]
    check: bool,
}

/// A file that is generated as a whole: its path below the repository's root, and its generator.
type Target = (&'static str, fn(&Model) -> String);

const TARGETS: [Target; 3] = [
    ("python/pytest_lens/messages.py", python::write),
    ("editors/neovim/lua/pytest_lens/types.lua", lua::write),
    ("editors/vscode/src/protocol.ts", typescript::write),
];

fn main() -> ExitCode {
    chores::end(run(&Options::parse()))
}

/// Writes or checks every generated file; `false` if a check found a difference.
fn run(options: &Options) -> Result<bool> {
    let mut stale = 0;
    for (path, wanted) in files()? {
        let file = paths::root().join(path);
        if fs::read_to_string(&file).is_ok_and(|present| present == wanted) {
            continue;
        }
        stale += 1;
        if options.check {
            println!("{path} is not what the Rust definitions say: run `cargo xtask codegen`");
        } else {
            fs::write(&file, wanted).with_context(|| format!("{path} can't be written"))?;
            println!("{path} written");
        }
    }
    Ok(!options.check || stale == 0)
}

/// Every generated file, below the repository's root, and its content.
fn files() -> Result<Vec<(&'static str, String)>> {
    let (model, requests) = (Model::read()?, Model::of_requests()?);
    let mut files: Vec<_> = TARGETS.iter().map(|(path, write)| (*path, write(&model))).collect();
    files.push(("editors/vscode/schemas/pytest-lens.schema.json", schema::write()));
    for (path, parts) in markdown::DOCUMENTS {
        let text = fs::read_to_string(paths::root().join(path)).with_context(|| format!("cannot read {path}"))?;
        let text = markdown::filled(&text, parts, &model, &requests).with_context(|| format!("in {path}"))?;
        files.push((path, text));
    }
    Ok(files)
}
