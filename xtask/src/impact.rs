//! `cargo xtask impact`: whether `run --affected` misses a test that a change breaks, by the mutation bench in
//! `tests/impact`. Without arguments, its short form over a small package.

use std::ffi::OsString;
use std::fs;
use std::process::Command;

use anyhow::Context;
use chores::venv::Venv;
use chores::{build, paths, process};

use crate::test::pythons;

/// The Pythons that can record what a test depends on, by their minor versions.
pub(crate) const PYTHONS: [u32; 2] = [13, 12];

/// The short form: a package that lies next to the bench.
const SHORT: [&str; 6] = ["--suite", "tests/impact/sample", "--sources", "shop", "--count", "100"];

pub(crate) fn run(arguments: &[OsString]) -> anyhow::Result<bool> {
    let root = paths::root();
    let (python, interpreter) = PYTHONS
        .into_iter()
        .find_map(|python| Some((python, pythons::find(python)?)))
        .context("the mutation bench needs Python 3.12 or 3.13: install one, for example with pyenv")?;
    let newest = pythons::pytests(python).last().context("no pytest for this Python")?;
    let list = root.join(format!("xtask/requirements/pytest-{newest}.txt"));
    let requirements = fs::read_to_string(&list).with_context(|| format!("cannot read {}", list.display()))?;
    let venv = Venv::ensure_of(&interpreter, &format!("python-3.{python}-pytest-{newest}"), &requirements)?;
    let mut command = Command::new(venv.python());
    command.current_dir(&root).arg("tests/impact/bench.py");
    command.arg("--python").arg(venv.python()).arg("--binary").arg(build::binary("debug")?);
    if arguments.is_empty() {
        command.args(SHORT);
    } else {
        command.args(arguments);
    }
    Ok(process::status(&mut command)?.success())
}
