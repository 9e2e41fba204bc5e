//! `cargo xtask fuzz`: feeds random input to everything that reads input from outside, by cargo-fuzz (libFuzzer) on the
//! pinned compiler.
//!
//! `fuzz/corpus/TARGET` holds the inputs that each run begins with. New ones that reach new code go to
//! `target/fuzz/corpus`, and an input that fails to `target/fuzz/failures`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use chores::venv::Venv;
use chores::{paths, process};

use crate::test::Tally;

/// The length of a short run of one target, in seconds.
const SHORT: u64 = 2;

/// The most memory of a target, in MiB.
const MOST_MEMORY: u64 = 1024;

/// The most time that one input may take, in seconds.
const MOST_TIME: u64 = 10;

/// The options of `cargo xtask fuzz`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Run these targets only.
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// How long each target runs.
    #[arg(long, value_name = "N", default_value_t = 60, conflicts_with = "runs")]
    seconds: u64,
    /// How many inputs each target reads, however long that takes.
    #[arg(long, value_name = "N")]
    runs: Option<u64>,
    /// The seed of the random inputs; a run prints its own.
    #[arg(long, value_name = "N")]
    seed: Option<u32>,
    /// Read these inputs once each, and nothing else.
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["seconds", "runs", "seed"])]
    input: Vec<PathBuf>,
}

/// Runs the requested targets; `false` if an input made one of them fail.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let targets = chosen(&options.targets)?;
    let folder = build("release")?;
    let limit = match options.runs {
        Some(runs) => format!("-runs={runs}"),
        None => format!("-max_total_time={}", options.seconds),
    };
    let mut is_good = true;
    for target in &targets {
        println!("== {target}");
        let mut command = if options.input.is_empty() {
            let mut command = fuzzer(&folder, target, &place("corpus", target))?;
            command.args([&limit, "-print_final_stats=1"]);
            command.args(options.seed.map(|seed| format!("-seed={seed}")));
            command
        } else {
            let mut command = Command::new(folder.join(target));
            command.args(&options.input);
            command
        };
        is_good &= process::status(&mut command)?.success();
    }
    Ok(is_good)
}

/// The area of `cargo xtask test`: a few seconds of each target, with the same seed every time.
pub(crate) fn short() -> Result<Tally> {
    let folder = build("debug")?;
    let mut sum = Tally::default();
    for target in all()? {
        // A long run may have found more than this build reads in minutes.
        let found = place("short", &target);
        if found.exists() {
            fs::remove_dir_all(&found)?;
        }
        let mut command = fuzzer(&folder, &target, &found)?;
        command.args([&format!("-max_total_time={SHORT}"), "-seed=1", "-verbosity=0", "-print_final_stats=1"]);
        let (status, output) = process::capture(command)?;
        let runs = output.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
        println!("{target}: {} inputs", runs.unwrap_or("no").trim());
        if !status.success() {
            println!("{output}");
        }
        sum.add(Tally::of(status.success()));
    }
    Ok(sum)
}

/// The names of all targets.
fn all() -> Result<Vec<String>> {
    let folder = paths::root().join("fuzz/fuzz_targets");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
        names.extend(entry?.path().file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}

fn chosen(names: &[String]) -> Result<Vec<String>> {
    let all = all()?;
    if let Some(unknown) = names.iter().find(|name| !all.contains(name)) {
        bail!("there is no fuzz target `{unknown}`; the targets are {}", all.join(", "));
    }
    Ok(if names.is_empty() { all } else { names.to_vec() })
}

/// Builds the targets in a profile, and returns the folder of their programs. Overflows panic in both profiles.
fn build(profile: &str) -> Result<PathBuf> {
    let venv = Venv::from_file("fuzz", &paths::root().join("xtask/requirements/fuzz.txt"))?;
    let target = paths::target().join("fuzz");
    let host = host()?;
    let mut command = Command::new(venv.program("cargo-fuzz"));
    process::clean_python(&mut command);
    command.current_dir(paths::root()).args([
        "fuzz",
        "build",
        "--sanitizer",
        "none",
        "--target",
        &host,
        "--target-dir",
    ]);
    command.arg(&target);
    match profile {
        "debug" => command.arg("--dev"),
        _ => command.args(["--release", "--debug-assertions", "--codegen-units", "16"]),
    };
    // The instrumentation is an unstable option of the compiler; nothing is compiled twice.
    command.env("RUSTC_BOOTSTRAP", "1").env("CARGO_INCREMENTAL", "0");
    process::check(&mut command)?;
    Ok(target.join(host).join(profile))
}

/// The compiler's own target.
fn host() -> Result<String> {
    let about = process::output(Command::new("rustc").current_dir(paths::root()).arg("-vV"))?;
    let host = about.lines().find_map(|line| line.strip_prefix("host: ")).context("`rustc -vV` names no host")?;
    Ok(host.to_owned())
}

/// The folder for what runs of a target leave.
fn place(kind: &str, target: &str) -> PathBuf {
    paths::target().join("fuzz").join(kind).join(target)
}

/// A target's command with its limits and folders; inputs that reach new code go to `found`.
fn fuzzer(folder: &Path, target: &str, found: &Path) -> Result<Command> {
    let failures = place("failures", target);
    fs::create_dir_all(found)?;
    fs::create_dir_all(&failures)?;
    let mut command = Command::new(folder.join(target));
    command.arg(found).arg(paths::root().join("fuzz/corpus").join(target));
    command.arg(format!("-artifact_prefix={}/", failures.display()));
    command.args([format!("-rss_limit_mb={MOST_MEMORY}"), format!("-timeout={MOST_TIME}")]);
    let words = paths::root().join(format!("fuzz/dictionaries/{target}.dict"));
    if words.exists() {
        command.arg(format!("-dict={}", words.display()));
    }
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_inputs_to_begin_with_and_is_built() {
        let manifest = fs::read_to_string(paths::root().join("fuzz/Cargo.toml")).unwrap();
        let targets = all().unwrap();
        assert!(targets.len() >= 10, "{targets:?}");
        for target in targets {
            assert!(manifest.contains(&format!("path = \"fuzz_targets/{target}.rs\"")), "{target}");
            let inputs = fs::read_dir(paths::root().join("fuzz/corpus").join(&target)).unwrap().count();
            assert!(inputs >= 5, "{target} has {inputs} inputs");
        }
    }

    #[test]
    fn an_unknown_target_is_named_with_those_there_are() {
        let error = chosen(&["python".to_owned()]).unwrap_err().to_string();
        assert!(error.starts_with("there is no fuzz target `python`; the targets are config_files, "), "{error}");
    }
}
