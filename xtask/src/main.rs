//! `cargo xtask CHORE`: the project's own chores, in Rust, so that a fresh clone needs nothing else to run them.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a chore talks to the person at the terminal")]

mod bench;
mod build;
mod codegen;
mod demo;
mod dist;
mod fidelity;
mod lsp;
mod paths;
mod process;
mod test;
mod tidy;
mod ui;
mod venv;
mod vscode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// The chores of the project.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Run every check of the project, or only the areas named.
    Test(test::Options),
    /// Measure the promised figures, each beside what it is compared with.
    Bench(bench::Options),
    /// Play an editor session against the sample project, or one of your own.
    Demo(demo::Options),
    /// Compare pytest-lens with plain pytest on real projects, test by test.
    Fidelity(fidelity::Options),
    /// Package what is given to users.
    Dist(dist::Options),
    /// Write the types of other languages from the protocol's Rust definitions.
    Codegen(codegen::Options),
    /// Check the habits of the source tree: opening docs, file length, left-over notes.
    Tidy,
}

fn main() -> ExitCode {
    match run(Arguments::parse().chore) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs one chore; `false` means that it did its work and found something wrong.
fn run(chore: Chore) -> Result<bool> {
    match chore {
        Chore::Test(options) => test::run(&options),
        Chore::Bench(options) => bench::run(&options),
        Chore::Demo(options) => demo::run(&options),
        Chore::Fidelity(options) => fidelity::run(&options),
        Chore::Dist(options) => dist::run(&options),
        Chore::Codegen(options) => codegen::run(&options),
        Chore::Tidy => tidy::run(),
    }
}
