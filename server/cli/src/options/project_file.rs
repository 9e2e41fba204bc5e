//! The settings in the project's own files, for what a command decides by itself. The engine reads them, too.

use std::io::Write;
use std::path::Path;

use pytest_lens_analysis::FileSettings;

/// Reads the settings in a root's files, and prints what is wrong with them, a sentence each, to standard error.
pub(crate) fn read(root: &Path) -> FileSettings {
    let settings = FileSettings::checked(root);
    let mut stderr = std::io::stderr();
    for problem in &settings.problems {
        // If standard error is closed, nobody reads it.
        let _ = writeln!(stderr, "pytest-lens: {problem}");
    }
    settings
}
