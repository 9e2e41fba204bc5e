//! `cargo xtask coverage`: the lines of the crates that decide and record, as far as their own tests execute them.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use chores::venv::Venv;
use chores::{build, paths, process, ui};

use crate::mutants::CRATES;

/// The least share of lines, in percent.
const LEAST: f64 = 95.0;

/// Runs the tests of each crate and prints its share; `false` if one has less than the promised share.
pub(crate) fn run() -> Result<bool> {
    let venv = Venv::from_file("coverage", &paths::root().join("xtask/requirements/coverage.txt"))?;
    let llvm = venv.site_packages()?.join("llvm/bin");
    let tool = || {
        let mut command = Command::new(venv.program("cargo-llvm-cov"));
        process::clean_python(&mut command);
        command.current_dir(paths::root()).arg("llvm-cov").env("CARGO", build::cargo_program());
        command.env("LLVM_COV", llvm.join("llvm-cov")).env("LLVM_PROFDATA", llvm.join("llvm-profdata"));
        // These tools can't read compressed names.
        command.env("RUSTFLAGS", "-C llvm-args=-enable-name-compression=false");
        command.env("CARGO_LLVM_COV_TARGET_DIR", paths::target().join("coverage"));
        command
    };
    let (mut rows, mut is_good) = (Vec::new(), true);
    for name in CRATES {
        let package = format!("pytest-lens-{name}");
        let mut report = tool();
        report.args(["--package", &package, "--lib", "--tests", "--summary-only"]);
        // Other crates that these tests execute are not what they are about.
        report.args(["--ignore-filename-regex", &format!("/server/({})/|/tests/", others(name)?.join("|"))]);
        let text = process::output(&mut report)?;
        println!("{text}");
        let share = lines(&text).with_context(|| format!("cargo-llvm-cov printed no total for {package}"))?;
        is_good &= share >= LEAST;
        rows.push(vec![name.to_owned(), format!("{share:.2} %")]);
    }
    print!("{}", ui::table(&["crate", "lines"], &rows));
    Ok(is_good)
}

/// The folders of all crates but one.
fn others(name: &str) -> Result<Vec<String>> {
    let folder = paths::root().join("server");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
        names.extend(entry?.file_name().into_string().ok().filter(|other| other != name));
    }
    Ok(names)
}

/// The share of lines in the last row of a summary, in percent: the third share, after those of regions and functions.
fn lines(summary: &str) -> Option<f64> {
    let total = summary.lines().find(|line| line.starts_with("TOTAL"))?;
    total.split_whitespace().filter_map(|word| word.strip_suffix('%')).nth(2)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_lines_is_read() {
        let summary = "Filename  Regions  Missed  Cover\na.rs 1 0 100.00% 1 0 100.00% 2 1 50.00% 0 0 -\n\
                       TOTAL 10 1 90.00% 4 0 100.00% 40 1 97.50% 0 0 -\n";
        assert_eq!(lines(summary), Some(97.5));
        assert_eq!(lines("nothing"), None);
    }
}
