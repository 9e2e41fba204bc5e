//! The project's own interpreter, for a command that needs to know something of its pytest before the engine starts.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pytest_lens_analysis::FileSettings;

use crate::failure::Failure;

/// The interpreter in which the tests of a root run. Blocks; it may be called from anywhere.
///
/// # Errors
/// A sentence that says what is missing.
pub(crate) fn python(root: &Path) -> Result<PathBuf, Failure> {
    let find = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(pytest_lens_engine::find_python(root)).map_err(Failure::usage)
    };
    // A thread that belongs to a runtime can't wait for another one.
    std::thread::scope(|scope| scope.spawn(find).join()).unwrap_or_else(|cause| std::panic::resume_unwind(cause))
}

/// Reads the words of a command line as pytest does, then ends without a session. The identity of a word, which argparse
/// keeps, distinguishes it from an equal one.
const SPLITS: &str = r#"
import os, sys
import pytest

class Word(str):
    pass

words = [Word(word) for word in sys.argv[1:]]

class Split:
    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config):
        named = config.option.file_or_dir
        places = [str(at) for at, word in enumerate(words) if any(word is name for name in named)]
        print("\nplaces of tests:", *places, flush=True)
        os._exit(0)

pytest.main(list(words), plugins=[Split()])
"#;

/// The line with the answer of [`SPLITS`].
const ANSWER: &str = "places of tests:";

/// The places of the words that name tests, for pytest in the folder `here`: its parser knows the options of plugins and
/// of the project once it has loaded them. `None` if it refuses the words, or does not start.
pub(crate) fn places_of_tests(here: &Path, words: &[OsString]) -> Option<HashSet<usize>> {
    let file = FileSettings::of_root(here).given.complete();
    let mut pytest = Command::new(python(here).ok()?);
    pytest.args(["-c", SPLITS]).args(&file.arguments).args(words).envs(&file.env);
    // It leaves nothing in the project.
    pytest.env("PYTHONDONTWRITEBYTECODE", "1").current_dir(here).stdin(Stdio::null()).stderr(Stdio::null());
    let answer = String::from_utf8_lossy(&pytest.output().ok()?.stdout).into_owned();
    let places = answer.lines().rev().find_map(|line| line.strip_prefix(ANSWER))?;
    let places = places.split_whitespace().filter_map(|place| place.parse::<usize>().ok());
    Some(places.filter_map(|place| place.checked_sub(file.arguments.len())).collect())
}
