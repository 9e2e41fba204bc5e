//! `cargo xtask mutants`: changes the code of the crates that decide and record, one place at a time, by cargo-mutants,
//! and checks that a test of the same crate fails. `.cargo/mutants.toml` has the rules.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use chores::{build, paths, process, ui};

/// The crates, without the prefix of their names.
pub(crate) const CRATES: [&str; 3] = ["protocol", "plan", "history"];

/// cargo-mutants; a crate.
const MUTANTS: (&str, &str) = ("cargo-mutants", "27.1.0");

/// The least share of mutants that tests notice, in percent.
const LEAST: f64 = 95.0;

/// Numbers of mutants, of one crate.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    caught: usize,
    missed: usize,
}

impl Found {
    /// The share of noticed mutants, in percent.
    fn share(&self) -> f64 {
        let all = self.caught + self.missed;
        if all == 0 { 100.0 } else { self.caught as f64 * 100.0 / all as f64 }
    }
}

/// Tests the mutants of each crate; `false` if the tests of one notice less than the promised share. `arguments` are
/// those of cargo-mutants, for example `--file server/plan/src/shard.rs`.
pub(crate) fn run(arguments: &[OsString]) -> Result<bool> {
    let program = build::tool(MUTANTS.0, MUTANTS.1)?;
    let (mut rows, mut is_good) = (Vec::new(), true);
    for name in CRATES {
        let folder = paths::target().join("mutants").join(name);
        fs::create_dir_all(&folder)?;
        let mut command = Command::new(&program);
        process::clean_python(&mut command);
        command.current_dir(paths::root()).args(["mutants", "--package", &format!("pytest-lens-{name}"), "--output"]);
        command.arg(&folder).args(arguments);
        // Its status says that some were missed, which the share below judges.
        process::status(&mut command)?;
        let found = results(&folder.join("mutants.out"))?;
        is_good &= found.share() >= LEAST;
        rows.push(vec![
            name.to_owned(),
            found.caught.to_string(),
            found.missed.to_string(),
            format!("{:.1} %", found.share()),
        ]);
    }
    print!("{}", ui::table(&["crate", "caught", "missed", "share"], &rows));
    Ok(is_good)
}

/// The results in cargo-mutants' folder. A mutant that makes the tests hang is caught; one that does not compile counts
/// as none.
fn results(folder: &Path) -> Result<Found> {
    let count = |name: &str| -> Result<usize> {
        let path = folder.join(name);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(text.lines().count())
    };
    Ok(Found { caught: count("caught.txt")? + count("timeout.txt")?, missed: count("missed.txt")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_of_those_that_can_be_noticed() {
        assert_eq!(Found { caught: 19, missed: 1 }.share(), 95.0);
        assert_eq!(Found { caught: 0, missed: 0 }.share(), 100.0);
    }
}
