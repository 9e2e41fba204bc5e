//! The heading of a run in pytest's layout: interpreter, pytest, rootdir, plugins and the number of tests.

use std::path::Path;

use pytest_lens_protocol::Response;

use crate::results::report::Report;
use crate::style::{Paint, Style};

/// How much of the heading a run prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Only the lines of hooks on the collected tests, as with `-q`.
    Collected,
    /// Nothing about the interpreter and the project, as with `--no-header`.
    Short,
    Full,
}

/// The heading of a run that has begun. `status`: of its context, for a full one, which is left out without.
pub(super) fn header(extent: Extent, status: Option<&Response>, report: &Report, level: i16, style: Style) -> String {
    let status = status.filter(|_| extent == Extent::Full);
    let about = status.map(|status| about_project(status, report)).unwrap_or_default();
    let mut lines = report.on_collected.clone();
    if extent == Extent::Short || extent == Extent::Full && !about.is_empty() {
        let begin = style.paint(Paint::Bold, &style.rule('=', "test session starts"));
        // On pipes, pytest's line on its progress stays.
        let begun = if level > 0 && !style.is_terminal { "collecting ... " } else { "" };
        let collected = style.paint(Paint::Bold, &format!("{begun}{}", collected(report)));
        lines.splice(0..0, std::iter::once(begin).chain(about).chain([collected]));
        lines.push(String::new());
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// The lines on the interpreter, the project and its plugins.
fn about_project(status: &Response, report: &Report) -> Vec<String> {
    let Response::ContextStatus { repo_path, python_version, pytest_version, plugins, config_file, .. } = status else {
        return Vec::new();
    };
    let mut lines = vec![format!(
        "platform {} -- Python {python_version}, pytest-{pytest_version}, pytest-lens-{}",
        std::env::consts::OS,
        env!("CARGO_PKG_VERSION")
    )];
    if report.header.is_empty() {
        lines.push(format!("rootdir: {repo_path}"));
        if let Some(file) = config_file {
            let shown = Path::new(file).strip_prefix(repo_path).unwrap_or(Path::new(file));
            lines.push(format!("configfile: {}", shown.display()));
        }
        if !plugins.is_empty() {
            let short = |plugin: &String| plugin.strip_prefix("pytest-").unwrap_or(plugin).replacen(' ', "-", 1);
            lines.push(format!("plugins: {}", plugins.iter().map(short).collect::<Vec<_>>().join(", ")));
        }
    }
    lines.extend(report.header.iter().cloned());
    lines
}

/// The line on further tests that join a run over several projects. `shown`: the number that was printed last.
pub(super) fn collected_more(report: &Report, shown: usize, style: Style) -> Option<String> {
    let all = collected_by_now(report);
    let more = all.checked_sub(shown).filter(|more| *more > 0)?;
    let items = if more == 1 { "item" } else { "items" };
    Some(style.paint(Paint::Bold, &format!("collected {more} more {items} ({all} in all)")))
}

/// Number of tests that pytest has collected.
pub(super) fn collected_by_now(report: &Report) -> usize {
    report.total + report.deselected
}

/// pytest's line on the tests that it has collected.
fn collected(report: &Report) -> String {
    let (selected, deselected) = (report.total, report.deselected);
    let all = collected_by_now(report) + report.dropped;
    let items = if all == 1 { "item" } else { "items" };
    let mut text = format!("collected {all} {items}");
    let errors = report.errors.len();
    let parts = [(errors, if errors == 1 { "error" } else { "errors" }), (deselected, "deselected")];
    let parts = parts.into_iter().chain([(report.skipped_files.len(), "skipped")]);
    for (count, what) in parts.filter(|(count, _)| *count > 0) {
        text.push_str(&format!(" / {count} {what}"));
    }
    if deselected > 0 {
        text.push_str(&format!(" / {} selected", selected + report.dropped));
    }
    text
}
