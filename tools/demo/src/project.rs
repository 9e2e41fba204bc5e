//! The project that the demo plays on: a copy of the sample, or one of the user's.

use super::show::Line;
use anyhow::{Context, Result, bail};
use chores::venv::Venv;
use chores::{paths, process};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The packages of the sample's environment.
const REQUIREMENTS: &str = "iniconfig==2.3.1\npackaging==26.3\npluggy==1.7.0\npygments==2.21.0\npytest==9.2.0\n";

/// A project to play on.
pub(crate) struct Project {
    /// Its root.
    pub root: PathBuf,
    /// The interpreter, the same for the server and for cold runs.
    pub python: PathBuf,
    /// The test file to open, relative to the root, if known beforehand.
    pub file: Option<String>,
    /// Environment variables for the tests.
    variables: Vec<(String, String)>,
    is_sample: bool,
}

/// A change of one file; dropping it restores the old text.
pub(crate) struct Edit {
    /// The file.
    pub path: PathBuf,
    /// Its new text.
    pub text: String,
    /// The change in words.
    pub what: String,
    before: Option<String>,
}

impl Project {
    /// A fresh copy of the sample under `target/demo`, with an environment of its own.
    pub(crate) fn sample() -> Result<Self> {
        let venv = Venv::ensure("demo", REQUIREMENTS)?;
        let home = paths::target().join("demo");
        if home.exists() {
            fs::remove_dir_all(&home)?;
        }
        let (root, state) = (home.join("cafe"), home.join("state"));
        fs::create_dir_all(&state)?;
        let mut copy = Command::new("cp");
        copy.arg("-R").arg(paths::root().join("tests/projects/sample")).arg(&root);
        process::output(&mut copy)?;
        // A repository of its own: as a part of ours it would be one ignored folder, and its code would not count.
        process::output(Command::new("git").arg("init").arg("--quiet").arg(&root))?;
        Ok(Self {
            root,
            python: venv.python(),
            file: Some("tests/test_prices.py".to_owned()),
            variables: vec![("CAFE_STATE".to_owned(), state.display().to_string())],
            is_sample: true,
        })
    }

    /// A project of the user's, where it lies.
    pub(crate) fn of_user(path: &Path, file: Option<String>, python: Option<PathBuf>) -> Result<Self> {
        let root = path.canonicalize().with_context(|| format!("there is no folder {}", path.display()))?;
        if !root.is_dir() {
            bail!("{} is no folder", root.display());
        }
        let environments = [".venv", "venv"].map(|name| root.join(name));
        let active = std::env::var_os("VIRTUAL_ENV").map(PathBuf::from);
        let found = environments.into_iter().chain(active).map(|dir| dir.join("bin/python"));
        // Made absolute, but never resolved: the path of an environment's interpreter decides its prefix.
        let python = python
            .map(std::path::absolute)
            .transpose()?
            .or_else(|| found.into_iter().find(|python| python.exists()))
            .unwrap_or_else(|| PathBuf::from("python3"));
        Ok(Self { root, python, file, variables: Vec::new(), is_sample: false })
    }

    /// The editor's settings for it.
    pub(crate) fn settings(&self) -> Value {
        let variables: serde_json::Map<String, Value> =
            self.variables.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        json!({"pythonPath": self.python, "env": variables})
    }

    /// The line to put the cursor on: the sample's failing test, otherwise the first test with a lens.
    pub(crate) fn cursor(&self, lines: &[Line]) -> usize {
        let tests = |line: &Line| !line.lenses.is_empty() && line.code.contains("def ");
        let wanted = |line: &Line| self.is_sample && line.code.contains("def test_discount");
        lines.iter().position(wanted).or_else(|| lines.iter().position(tests)).unwrap_or(0)
    }

    /// The file whose tests may be flaky: the sample's own, otherwise the one that is open.
    pub(crate) fn doubtful(&self, file: &str) -> String {
        if self.is_sample { "tests/test_kitchen.py".to_owned() } else { file.to_owned() }
    }

    /// The time that a cold `python -m pytest` of these tests takes; the better of two, so that no file is read first
    /// here.
    pub(crate) fn cold(&self, ids: &[String]) -> Result<Duration> {
        let mut best = Duration::MAX;
        for _ in 0..2 {
            let mut command = Command::new(&self.python);
            process::clean_python(&mut command);
            command.current_dir(&self.root).args(["-m", "pytest", "-q", "-p", "no:cacheprovider"]);
            command.args(ids).envs(self.variables.iter().cloned());
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let start = Instant::now();
            command.status().with_context(|| format!("cannot run {}", self.python.display()))?;
            best = best.min(start.elapsed());
        }
        Ok(best)
    }

    /// The edit to make: the sample's bug is fixed, in another file than the test; elsewhere the test file gets a
    /// comment.
    pub(crate) fn edit(&self, file: &str) -> Result<Edit> {
        if self.is_sample {
            let path = self.root.join("cafe/prices.py");
            let text = fs::read_to_string(&path)?;
            let what = "cafe/prices.py: `cents * percent // 10` becomes `cents * percent // 100`";
            let text = text.replace("percent // 10\n", "percent // 100\n");
            return Ok(Edit { path, text, what: what.to_owned(), before: None });
        }
        let path = self.root.join(file);
        let before = fs::read_to_string(&path)?;
        let text = format!("{before}\n# A comment, to be taken away again.\n");
        let what = format!("{file}: a comment at the end");
        Ok(Edit { path, text, what, before: Some(before) })
    }
}

impl Edit {
    /// The text to restore, in a user's project; from here on the caller does it.
    pub(crate) fn take_before(&mut self) -> Option<String> {
        self.before.take()
    }
}

impl Drop for Edit {
    fn drop(&mut self) {
        if let Some(before) = self.before.take() {
            fs::write(&self.path, before).ok();
        }
    }
}
