//! The sections that plugins and conftests add to pytest's summary, such as pytest-cov's tables: for a run over several
//! projects, each project's below its name.

use super::text::line;
use crate::results::report::Report;
use crate::style::{Paint, Style};

/// The sections as pytest's session wrote them, with headings as wide as the screen.
pub(super) fn sections(text: &mut String, report: &Report, style: Style) {
    let summaries = report.end.as_ref().map(|end| &*end.summaries).unwrap_or_default();
    let are_named = summaries.len() > 1 || summaries.iter().any(|summary| !summary.project.is_empty());
    for summary in summaries {
        if are_named {
            line(text, &style.paint(Paint::Bold, &style.rule('=', name_of(&summary.project, report))));
        }
        for written in summary.text.lines() {
            let widened = heading(written).map(|(fill, title)| style.rule(fill, title));
            let shown = widened.as_deref().unwrap_or(written);
            line(text, &if shown.starts_with("FAIL ") { style.paint(Paint::Red, shown) } else { shown.to_owned() });
        }
    }
}

/// Whether a plugin has written this sentence into its section.
pub(super) fn contain(report: &Report, sentence: &str) -> bool {
    report.end.iter().flat_map(|end| &end.summaries).any(|summary| summary.text.contains(sentence))
}

fn name_of<'r>(project: &'r str, report: &'r Report) -> &'r str {
    let root = || report.root().file_name().and_then(|name| name.to_str()).unwrap_or(".");
    if project.is_empty() { root() } else { project }
}

/// The separator and the title of a heading; the session writes into 80 columns.
fn heading(line: &str) -> Option<(char, &str)> {
    let fill = line.chars().next().filter(|first| "=-_".contains(*first))?;
    let title = line.trim_matches(fill).strip_prefix(' ')?.strip_suffix(' ')?;
    ((79..=80).contains(&console::measure_text_width(line)) && !title.trim().is_empty()).then_some((fill, title))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heading_is_told_from_a_line_of_a_table() {
        let rule = Style::PLAIN.rule('=', "tests coverage");
        assert_eq!(heading(&rule), Some(('=', "tests coverage")));
        assert_eq!(heading(&"-".repeat(80)), None);
        assert_eq!(heading("-- Docs: https://docs.pytest.org --"), None);
        assert_eq!(heading("TOTAL   9   1   89%"), None);
    }
}
