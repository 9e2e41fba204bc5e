//! Runs a folder of pytest tests in two processes at a time: most of these tests wait for one process after the other,
//! and leave a core idle.

use super::{Tally, areas};
use anyhow::{Context, Result, anyhow, bail};
use chores::process;
use chores::venv::Venv;
use std::fs;
use std::path::{Path, PathBuf};

/// Runs the tests below `tests`, a folder in `dir`; each file runs as a whole in one of two processes.
///
/// The output of the first comes while it runs, that of the second after it.
pub(super) fn pytest(venv: &Venv, dir: &Path, tests: &str) -> Result<Tally> {
    let mut files = Vec::new();
    find(&dir.join(tests), &mut files)?;
    let halves = split(files);
    if halves.iter().any(Vec::is_empty) {
        return areas::pytest(venv, dir, &[tests]);
    }
    let command = |half: &[PathBuf]| -> Result<_> {
        let names: Vec<&str> = half.iter().filter_map(|path| path.strip_prefix(dir).ok()?.to_str()).collect();
        if names.len() != half.len() {
            bail!("a test file below {} has a name that is not UTF-8", dir.display());
        }
        areas::pytest_command(venv, dir, &names)
    };
    let (first, second) = (command(&halves[0])?, command(&halves[1])?);
    let (live, kept) = std::thread::scope(|scope| {
        let kept = scope.spawn(|| process::capture(second));
        (process::tee(first), kept.join().map_err(|_| anyhow!("a thread of the checks panicked")))
    });
    let (status, output) = live?;
    let mut sum = Tally::from_pytest(&output).honest(status.success());
    let (status, output) = kept??;
    println!("{output}");
    sum.add(Tally::from_pytest(&process::plain(&output)).honest(status.success()));
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

/// Two lists of about as many tests, each in the order of the names.
fn split(mut files: Vec<(usize, PathBuf)>) -> [Vec<PathBuf>; 2] {
    files.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let mut halves = [(0, Vec::new()), (0, Vec::new())];
    for (tests, path) in files {
        let lighter = usize::from(halves[1].0 < halves[0].0);
        halves[lighter].0 += tests;
        halves[lighter].1.push(path);
    }
    halves.map(|(_, mut files)| {
        files.sort();
        files
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_is_in_one_half_and_the_halves_weigh_about_the_same() {
        let file = |tests, name: &str| (tests, PathBuf::from(name));
        let halves = split(vec![file(5, "a"), file(9, "b"), file(3, "c"), file(1, "d")]);
        assert_eq!(halves, [vec![PathBuf::from("b")], ["a", "c", "d"].map(PathBuf::from).to_vec()]);
        assert_eq!(split(vec![file(5, "a")]), [vec![PathBuf::from("a")], vec![]]);
    }
}
