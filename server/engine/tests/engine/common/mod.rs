//! The start of every test here: an interpreter with pytest, a project in a folder of its own, an engine over it.

mod lab;
mod process_tree;
mod project;
mod ran;
mod suites;
mod worker_cache;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) use lab::{Bench, Lab, Order, refused};
pub(crate) use process_tree::{alive, gone};
pub(crate) use project::{Project, WAITING};
pub(crate) use ran::{Log, Ran};
pub(crate) use suites::{Built, Told, plain, read_suite, suite};

/// No single answer or event takes this long, even on a busy machine: a test that waits longer has found a bug.
pub(crate) const DEADLINE: Duration = Duration::from_secs(40);

/// Waits for `what`, with the deadline.
pub(crate) async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("{what}: nothing within {DEADLINE:?}"))
}

/// Looks again and again until `look` finds something, with the deadline.
pub(crate) async fn seen<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let looking = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(10));
        loop {
            ticks.tick().await;
            if let Some(found) = look() {
                return found;
            }
        }
    };
    in_time(what, looking).await
}

/// An interpreter with pytest 9 in which functions can be recorded, if there is one.
pub(crate) fn recording_python() -> Option<PathBuf> {
    let named = std::env::var_os("PYTEST_LENS_TEST_RECORDING_PYTHON").map(PathBuf::from);
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/venvs/python-3.12-pytest-9.2/bin/python");
    let found = named.or_else(|| usual.exists().then_some(usual));
    if found.is_none() {
        eprintln!("left out: there is no Python 3.12, name one in PYTEST_LENS_TEST_RECORDING_PYTHON");
    }
    found
}

/// An interpreter with pytest 9.
pub(crate) fn python() -> PathBuf {
    if let Some(path) = std::env::var_os("PYTEST_LENS_TEST_PYTHON") {
        return PathBuf::from(path);
    }
    // The symlink itself must not be resolved: where it lies makes it the environment's interpreter.
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let path = workspace.join("target/venvs/python/bin/python");
    assert!(
        path.exists(),
        "there is no interpreter with pytest to test with: run `cargo xtask test rust`, which makes it, or name one in \
         PYTEST_LENS_TEST_PYTHON"
    );
    path
}
