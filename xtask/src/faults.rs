//! `cargo xtask faults`, `soak` and `staleness`: the engine's processes are killed and stopped at random moments, the
//! engine is used at random for a long time, and a project changes in all ways, by the programs in `tests/faults`.

use std::ffi::OsString;

use chores::venv::Venv;
use chores::{build, paths, process};

use crate::test::Tally;

/// Each, short enough for the checks, and the same each time: the long forms look for new failures. Their last seeds are in
/// docs/reliability.md.
const SHORT: [(&str, &[&str]); 3] = [
    ("faults.py", &["12", "--seed", "1"]),
    ("soak.py", &["0.3", "--seed", "1"]),
    ("staleness.py", &["25", "--seed", "1"]),
];

/// Runs one of the programs with these arguments.
pub(crate) fn run(program: &str, arguments: &[OsString]) -> anyhow::Result<bool> {
    let root = paths::root();
    let venv = Venv::from_file("e2e", &root.join("tests/requirements.txt"))?;
    let mut command = venv.python_command();
    command.current_dir(&root).arg(root.join("tests/faults").join(program)).args(arguments);
    command.env("PYTEST_LENS_BIN", build::binary("debug")?);
    Ok(process::status(&mut command)?.success())
}

/// The short forms.
pub(crate) fn short() -> anyhow::Result<Tally> {
    let mut sum = Tally::default();
    for (program, arguments) in SHORT {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        sum.add(Tally::of(run(program, &arguments)?));
    }
    Ok(sum)
}
