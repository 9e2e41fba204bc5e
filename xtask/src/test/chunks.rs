//! Runs a folder of pytest tests in a few processes at a time: most of these tests wait for one process after the other,
//! and leave a core idle.

use super::side_by_side::side_by_side;
use super::{Tally, areas};
use anyhow::{Context, Result, bail};
use chores::process;
use chores::venv::Venv;
use std::cmp::Reverse;
use std::fs;
use std::path::{Path, PathBuf};

/// How many processes run in all. Files differ in the time of a test, so that with no more processes than run at a time
/// the last would run alone for long.
const CHUNKS: usize = 12;

/// Runs the tests below `tests`, a folder in `dir`; each file runs as a whole in one process. The output of a process comes
/// when it has ended.
pub(super) fn pytest(venv: &Venv, dir: &Path, tests: &str) -> Result<Tally> {
    let mut files = Vec::new();
    find(&dir.join(tests), &mut files)?;
    let mut commands = Vec::new();
    for chunk in split(files) {
        let names: Vec<&str> = chunk.iter().filter_map(|path| path.strip_prefix(dir).ok()?.to_str()).collect();
        if names.len() != chunk.len() {
            bail!("a test file below {} has a name that is not UTF-8", dir.display());
        }
        commands.push(areas::pytest_command(venv, dir, &names)?);
    }
    if commands.is_empty() {
        bail!("there is no test file below {}", dir.join(tests).display());
    }
    let ended = side_by_side(commands, |command| {
        let (status, output) = process::capture(command)?;
        println!("{output}");
        Ok(Tally::from_pytest(&process::plain(&output)).honest(status.success()))
    })?;
    let mut sum = Tally::default();
    for tally in ended {
        sum.add(tally);
    }
    Ok(sum)
}

/// Collects the test files below a folder with the number of their tests.
fn find(folder: &Path, files: &mut Vec<(usize, PathBuf)>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if path.is_dir() {
            find(&path, files)?;
        } else if name.starts_with("test_") && name.ends_with(".py") {
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            files.push((text.lines().filter(|line| line.trim_start().contains("def test_")).count(), path));
        }
    }
    Ok(())
}

/// At most [`CHUNKS`] lists of about as many tests, those with most tests first, each in the order of the names.
fn split(mut files: Vec<(usize, PathBuf)>) -> Vec<Vec<PathBuf>> {
    files.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let mut chunks = vec![(0, Vec::new()); CHUNKS.min(files.len())];
    for (tests, path) in files {
        if let Some((sum, chunk)) = chunks.iter_mut().min_by_key(|(sum, _)| *sum) {
            *sum += tests;
            chunk.push(path);
        }
    }
    chunks.sort_by_key(|(sum, _)| Reverse(*sum));
    chunks
        .into_iter()
        .map(|(_, mut chunk)| {
            chunk.sort();
            chunk
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_is_in_one_chunk_and_the_chunks_weigh_about_the_same() {
        let files = (1..=30).map(|tests| (tests, PathBuf::from(format!("test_{tests}.py"))));
        let chunks = split(files.collect());
        assert_eq!(chunks.len(), CHUNKS);
        let mut all: Vec<_> = chunks.iter().flatten().cloned().collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 30);
        let weight = |chunk: &Vec<PathBuf>| -> usize {
            chunk
                .iter()
                .filter_map(|path| path.to_str()?.strip_prefix("test_")?.strip_suffix(".py")?.parse::<usize>().ok())
                .sum()
        };
        let weights: Vec<_> = chunks.iter().map(weight).collect();
        assert!(weights.is_sorted_by(|a, b| a >= b) && weights[0] - weights[CHUNKS - 1] <= 10, "{weights:?}");
    }

    #[test]
    fn fewer_files_than_chunks_have_one_each() {
        assert_eq!(split(vec![(5, PathBuf::from("a"))]), [vec![PathBuf::from("a")]]);
        assert!(split(Vec::new()).is_empty());
    }
}
