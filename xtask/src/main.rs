//! `cargo xtask CHORE`: the project's own chores, in Rust, so that a fresh clone needs nothing else to run them.
#![warn(unreachable_pub)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a chore talks to the person at the terminal")]

mod coverage;
mod dist;
mod doc_paths;
mod faults;
mod floors;
mod fuzz;
mod impact;
mod lua_imports;
mod mutants;
mod plain_words;
mod python_imports;
mod release;
mod simulate;
mod systems;
mod targets;
mod test;
mod tidy;
mod versions;
mod vscode;
mod wheel;

use chores::{build, paths, process};
use clap::{Parser, Subcommand};
use std::ffi::{OsStr, OsString};
use std::process::{Command, ExitCode};

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
    /// Measure the promised figures, each next to its reference.
    #[command(disable_help_flag = true)]
    Bench(Passed),
    /// Play an editor session against the sample project, or one of your own.
    #[command(disable_help_flag = true)]
    Demo(Passed),
    /// Compare pytest-lens with plain pytest on real projects, test by test.
    #[command(disable_help_flag = true)]
    Fidelity(Passed),
    /// Change code, and check that each test that breaks is among those that `run --affected` selects.
    #[command(disable_help_flag = true)]
    Impact(Passed),
    /// Kill and stop the engine's processes at random moments: `faults [ROUNDS] [--seed N]`.
    #[command(disable_help_flag = true)]
    Faults(Passed),
    /// Use the engine at random for a long time, and print what it takes of the machine: `soak [MINUTES] [--seed N]`.
    #[command(disable_help_flag = true)]
    Soak(Passed),
    /// Change a project in every way, and check that no outcome is stale: `staleness [STEPS] [--seed N] [--busy]`.
    #[command(disable_help_flag = true)]
    Staleness(Passed),
    /// Play runs with faults on a simulated clock: `simulate [STEPS] [--seed N]`.
    Simulate(simulate::Options),
    /// Feed random input to everything that reads input from outside.
    Fuzz(fuzz::Options),
    /// Print the lines of protocol, plan and history that their tests execute.
    Coverage,
    /// Change protocol, plan and history, one place at a time, and check that a test fails.
    #[command(disable_help_flag = true)]
    Mutants(Passed),
    /// Build the packages for users.
    Dist(dist::Options),
    /// Compile the program for other systems, as far as this machine has what that needs.
    CheckTargets(targets::Options),
    /// Write the types of other languages from the protocol's Rust definitions.
    #[command(disable_help_flag = true)]
    Codegen(Passed),
    /// Check the habits of the source tree: opening docs, file length, left-over notes, floors, plain words.
    Tidy,
}

/// The arguments of a chore with a crate of its own, unread: `cargo xtask CHORE --help` lists them.
#[derive(clap::Args)]
struct Passed {
    #[arg(value_name = "ARGUMENTS", trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

fn main() -> ExitCode {
    chores::end(run(Arguments::parse().chore))
}

/// Runs one chore; `false` means that it did its work and found something wrong.
fn run(chore: Chore) -> anyhow::Result<bool> {
    match chore {
        Chore::Test(options) => test::run(&options),
        Chore::Bench(passed) => bench(&passed),
        Chore::Demo(passed) => passed.to("demo"),
        Chore::Fidelity(passed) => passed.to("fidelity"),
        Chore::Impact(passed) => impact::run(&passed.arguments),
        Chore::Faults(passed) => faults::run("faults.py", &passed.arguments),
        Chore::Soak(passed) => faults::run("soak.py", &passed.arguments),
        Chore::Staleness(passed) => faults::run("staleness.py", &passed.arguments),
        Chore::Simulate(options) => simulate::run(&options),
        Chore::Fuzz(options) => fuzz::run(&options),
        Chore::Coverage => coverage::run(),
        Chore::Mutants(passed) => mutants::run(&passed.arguments),
        Chore::Dist(options) => dist::run(&options),
        Chore::CheckTargets(options) => targets::run(&options),
        Chore::Codegen(passed) => passed.to("codegen"),
        Chore::Tidy => tidy::run(),
    }
}

impl Passed {
    fn to(&self, name: &str) -> anyhow::Result<bool> {
        Ok(process::status(&mut tool(name, &self.arguments)?)?.success())
    }
}

/// The bench is a client itself, and shares the processors with what it measures: a debug build of it takes more of them
/// than the server. The short form measures nothing.
fn bench(passed: &Passed) -> anyhow::Result<bool> {
    if passed.arguments.iter().any(|argument| argument == "--short") {
        return passed.to("bench");
    }
    process::check(build::cargo().args(["build", "--quiet", "--release", "--package", "bench"]))?;
    let mut command = Command::new(paths::program("bench", "release"));
    Ok(process::status(command.args(&passed.arguments))?.success())
}

/// The chore of a crate below `tools/`, built first where it is not. They are crates of their own so that the checks
/// need not wait for what only these need to compile. It has the caller's folder and environment.
fn tool(name: &str, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> anyhow::Result<Command> {
    let mut build = build::cargo();
    // With the features of the whole workspace: what it shares with the tests is compiled once.
    build.args(["build", "--quiet", "--workspace", "--bin", name]);
    process::check(&mut build)?;
    let mut command = Command::new(paths::program(name, "debug"));
    command.args(arguments);
    Ok(command)
}
