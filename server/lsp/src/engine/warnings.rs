//! Formats the Python warnings of a run, to show them below its output.

use std::fmt::Write;
use std::path::Path;

use pytest_lens_protocol::{RunEnd, Warning};

use crate::paths::{path_of, relative};

/// The warnings of a run, one line each, with their tests or files; empty if there were none.
pub(crate) fn summary(run: &RunEnd, root: &Path) -> Option<String> {
    if run.warnings.is_empty() {
        return None;
    }
    let mut text = format!("\n{}:\n", counted(run)?);
    for warning in &run.warnings {
        let _ = writeln!(text, "  {}{}: {}", place(warning, root), warning.category, warning.message.trim());
        let times = if warning.count == 1 { String::new() } else { format!("{} times", warning.count) };
        let files = warning.files.iter().map(|file| file.path.as_str());
        let mut tests: Vec<&str> =
            if warning.files.is_empty() { warning.ids.iter().map(String::as_str).collect() } else { files.collect() };
        tests.dedup();
        let tests = if tests.is_empty() { String::new() } else { format!("in {}", tests.join(", ")) };
        let said: Vec<String> = [times, tests].into_iter().filter(|part| !part.is_empty()).collect();
        if !said.is_empty() {
            let _ = writeln!(text, "    {}", said.join(", "));
        }
    }
    Some(text)
}

/// `3 warnings`; empty if there were none.
pub(crate) fn counted(run: &RunEnd) -> Option<String> {
    match run.warnings.iter().map(|warning| warning.count).sum::<usize>() {
        0 => None,
        1 => Some("1 warning".into()),
        several => Some(format!("{several} warnings")),
    }
}

fn place(warning: &Warning, root: &Path) -> String {
    let Some(location) = &warning.location else { return String::new() };
    let Some(path) = path_of(&location.uri) else { return String::new() };
    let name = relative(&path, root).unwrap_or_else(|| path.display().to_string());
    format!("{name}:{}: ", location.range.start.line + 1)
}
