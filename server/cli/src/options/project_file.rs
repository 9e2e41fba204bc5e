//! The settings in the project's own files, for what a command decides by itself. The engine reads them, too.

use std::io::Write;
use std::path::Path;

use pytest_lens_analysis::FileSettings;

/// Files that pytest prefers to a `pyproject.toml`, which it need not read then.
const PREFERRED: [&str; 4] = ["pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini"];

/// Reads the settings in a root's files, and prints what is wrong with them, a sentence each, to standard error.
pub(crate) fn read(root: &Path) -> FileSettings {
    let settings = FileSettings::checked(root);
    print(settings.problems.iter().map(ToString::to_string));
    settings
}

/// As [`read`], for a command that starts pytest with these arguments: see [`mistakes_in`].
pub(crate) fn read_before_pytest(root: &Path, arguments: &[String]) -> FileSettings {
    let settings = FileSettings::checked(root);
    print(mistakes_in(&settings, root, arguments));
    settings
}

/// The mistakes in the settings of a root's files, a sentence each: see [`mistakes_in`]. Reads files, and blocks.
pub(crate) fn mistakes(root: &Path) -> Vec<String> {
    mistakes_in(&FileSettings::checked(root), root, &[]).collect()
}

/// The mistakes, except that a `pyproject.toml` is no TOML if pytest with these arguments reads it: it does not start
/// then, and says why.
fn mistakes_in(settings: &FileSettings, root: &Path, arguments: &[String]) -> impl Iterator<Item = String> {
    let is_named = arguments.iter().any(|word| word.starts_with("-c") || word.starts_with("--config-file"));
    let is_read = !is_named && PREFERRED.iter().all(|name| !root.join(name).exists());
    let is_of_pytest =
        move |problem: &String| is_read && problem.starts_with("pyproject.toml") && problem.contains("invalid TOML");
    settings.problems.iter().map(ToString::to_string).filter(move |problem| !is_of_pytest(problem))
}

fn print(problems: impl Iterator<Item = String>) {
    let mut stderr = std::io::stderr();
    for problem in problems {
        // If standard error is closed, nobody reads it.
        let _ = writeln!(stderr, "pytest-lens: {problem}");
    }
}
