//! The suites to compare on, read from `tests/fidelity/suites.toml`.

use anyhow::{Context, Result, bail};
use chores::paths;
use serde::Deserialize;
use std::fs;

/// One real project's tests, with everything pinned.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Suite {
    /// The name on the command line, and of its folder under `target/fidelity`.
    pub name: String,
    /// The special property of the suite.
    #[serde(default)]
    pub note: String,
    /// The source distribution, as `NAME==VERSION`.
    pub source: Option<String>,
    /// The source distribution's hash.
    pub sha256: Option<String>,
    /// Instead of a source distribution: the paths to copy from site-packages, and their targets.
    #[serde(default)]
    pub copy: Vec<(String, String)>,
    /// Files, folders and node ids to run; empty leaves it to the project's configuration.
    #[serde(default)]
    pub args: Vec<String>,
    /// Whether it runs in `cargo xtask test`.
    #[serde(default)]
    pub small: bool,
    /// The packages of its environment, every version pinned.
    pub requirements: Vec<String>,
}

#[derive(Deserialize)]
struct File {
    suite: Vec<Suite>,
}

/// Every suite, in the file's order.
pub(crate) fn load() -> Result<Vec<Suite>> {
    let path = paths::root().join("tests/fidelity/suites.toml");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&text).with_context(|| format!("in {}", path.display()))
}

fn parse(text: &str) -> Result<Vec<Suite>> {
    let file: File = toml::from_str(text)?;
    for suite in &file.suite {
        match (&suite.source, &suite.sha256, suite.copy.is_empty()) {
            (Some(_), Some(_), true) | (None, None, false) => {}
            _ => bail!("suite {}: give either `source` with `sha256`, or `copy`", suite.name),
        }
    }
    Ok(file.suite)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suites_are_well_formed() {
        let suites = load().unwrap();
        assert!(suites.iter().filter(|suite| suite.small).count() >= 2);
    }

    #[test]
    fn a_suite_without_a_source_is_refused() {
        let error = parse("[[suite]]\nname = \"x\"\nrequirements = []\n").unwrap_err();
        assert_eq!(error.to_string(), "suite x: give either `source` with `sha256`, or `copy`");
    }
}
