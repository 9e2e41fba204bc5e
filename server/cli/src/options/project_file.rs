//! The settings in the project's own files, for what a command decides by itself. The engine reads them, too.

use std::io::Write;
use std::path::Path;

use pytest_lens_analysis::FileSettings;

/// Files that pytest prefers to a `pyproject.toml`, which it need not read then.
const PREFERRED: [&str; 4] = ["pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini"];

/// Reads the settings in a root's files, and prints what is wrong with them, a sentence each, to standard error.
pub(crate) fn read(root: &Path) -> FileSettings {
    read_except(root, |_| false)
}

/// As [`read`], for a command that starts pytest with these arguments: that a `pyproject.toml` is no TOML is left to
/// pytest, which does not start then.
pub(crate) fn read_before_pytest(root: &Path, arguments: &[String]) -> FileSettings {
    let is_named = arguments.iter().any(|word| word.starts_with("-c") || word.starts_with("--config-file"));
    let is_read = !is_named && PREFERRED.iter().all(|name| !root.join(name).exists());
    read_except(root, |problem| is_read && problem.starts_with("pyproject.toml") && problem.contains("invalid TOML"))
}

fn read_except(root: &Path, is_left_out: impl Fn(&str) -> bool) -> FileSettings {
    let settings = FileSettings::checked(root);
    let mut stderr = std::io::stderr();
    let problems = settings.problems.iter().map(ToString::to_string);
    for problem in problems.filter(|problem| !is_left_out(problem)) {
        // If standard error is closed, nobody reads it.
        let _ = writeln!(stderr, "pytest-lens: {problem}");
    }
    settings
}
