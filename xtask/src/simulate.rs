//! `cargo xtask simulate`: plays scenarios of the engine's simulation (`server/engine/src/simulation`), one for each seed.

use std::fs;

use anyhow::Result;
use chores::{build, process};

/// The options of `cargo xtask simulate`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// End after so many steps (events that were delivered to the engine); 1 plays one scenario.
    #[arg(value_name = "STEPS", default_value_t = 10_000_000)]
    steps: u64,
    /// The seed of the first scenario; the next one has the next seed.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// End after so many seconds.
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u64,
}

/// Plays scenarios; `false` if one of them broke a rule, which is printed with its seed.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let mut command = build::cargo();
    command.args(["test", "--quiet", "--package", "pytest-lens-engine", "--lib", "--"]);
    command.args(["simulation::long", "--exact", "--ignored", "--nocapture"]);
    command.env("SIMULATED_STEPS", options.steps.to_string());
    command.env("SIMULATED_SEED", options.seed.to_string());
    command.env("SIMULATED_SECONDS", options.seconds.to_string());
    // The files of histories: in memory, where there is such a folder.
    if fs::metadata("/dev/shm").is_ok_and(|folder| folder.is_dir()) && std::env::var_os("TMPDIR").is_none() {
        command.env("TMPDIR", "/dev/shm");
    }
    Ok(process::status(&mut command)?.success())
}
