//! Checks that the four files that name the version name the same one.

use anyhow::{Context, Result};
use chores::paths;
use std::fs;

/// A file, and the form in which a line of it gives the version.
type VersionSource = (&'static str, fn(&str) -> Option<&str>);

const SOURCES: [VersionSource; 4] = [
    ("Cargo.toml", |line| line.strip_prefix("version = \"")?.strip_suffix('"')),
    ("CHANGELOG.md", newest),
    ("editors/vscode/package.json", |line| line.trim().strip_prefix("\"version\": \"")?.strip_suffix("\",")),
    ("editors/vscode/CHANGELOG.md", newest),
];

/// A changelog's heading of a version: `## 1.2.3 - 2026-01-02`.
fn newest(line: &str) -> Option<&str> {
    let word = line.strip_prefix("## ")?.split(' ').next()?;
    word.starts_with(|first: char| first.is_ascii_digit()).then_some(word)
}

/// The complaints about them.
pub(crate) fn complaints() -> Result<Vec<String>> {
    let mut found = Vec::new();
    for (path, read) in SOURCES {
        let text = fs::read_to_string(paths::root().join(path)).with_context(|| format!("cannot read {path}"))?;
        found.push((path, text.lines().find_map(read).unwrap_or("none").to_owned()));
    }
    Ok(disagreements(&found))
}

/// The files that name another version than the first.
fn disagreements(found: &[(&str, String)]) -> Vec<String> {
    let Some(((first, wanted), rest)) = found.split_first() else { return Vec::new() };
    let differs = rest.iter().filter(|(_, version)| version != wanted);
    differs.map(|(path, version)| format!("{path}: says version {version}, but {first} says {wanted}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_is_read() {
        let lines = ["version = \"1.2.3\"", "## 1.2.3 - 2026-01-02", "  \"version\": \"1.2.3\",", "## 1.2.3"];
        for ((_, read), line) in SOURCES.iter().zip(lines) {
            assert_eq!(read(line), Some("1.2.3"), "{line}");
            assert_eq!(read("## Unreleased"), None);
        }
    }

    #[test]
    fn the_odd_one_out_is_named() {
        let found = [("a", "1.0.0".to_owned()), ("b", "1.0.0".to_owned()), ("c", "0.9.0".to_owned())];
        assert_eq!(disagreements(&found), ["c: says version 0.9.0, but a says 1.0.0"]);
    }
}
