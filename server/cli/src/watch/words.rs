//! The lines that `--watch` prints between runs.

use std::collections::BTreeSet;

use super::machine::{Asked, Filters, Screen};
use crate::style::{Paint, Style};
use crate::terminal::text::{count_of, thousands};

/// More changed files than this are counted.
const NAMED: usize = 3;

const HELP: [(&str, &str); 7] = [
    ("a", "run all tests, without filters"),
    ("Enter", "repeat the last run"),
    ("f", "run the tests that failed last"),
    ("p", "filter by a part of the file's path"),
    ("t", "filter by test name, as -k does"),
    ("h", "show this help"),
    ("q", "quit"),
];

/// The text for a screen; a prompt's has no line end.
pub(super) fn screen(screen: &Screen, filters: &Filters, has_keys: bool, style: Style) -> String {
    match screen {
        Screen::Ready => format!("{}\n", ready(filters, has_keys, style)),
        Screen::Help => {
            let line = |(key, text): &(&str, &str)| {
                format!("  {}{}{text}\n", style.paint(Paint::Bold, key), " ".repeat(7 - key.len()))
            };
            HELP.iter().map(line).collect::<String>() + &format!("{}\n", ready(filters, has_keys, style))
        }
        Screen::Prompt(asked, text) => {
            let (label, present) = match asked {
                Asked::Path => ("Path contains", &filters.path),
                Asked::Name => ("-k expression", &filters.name),
            };
            let none = if present.is_empty() { "" } else { "empty: no filter, " };
            // The cursor goes back to the start of the line, and the rest of the line is cleared.
            format!("\r\x1b[K{} (Enter: run, {none}Esc: cancel): {text}", style.paint(Paint::Bold, label))
        }
        Screen::PromptDone => "\n".to_owned(),
        Screen::Invalid(reason) => format!("pytest-lens: {reason}\n"),
        Screen::Written(path) => {
            format!("{path} changes in each run that it starts, so it starts no more; press Enter to run its tests\n")
        }
    }
}

fn ready(filters: &Filters, has_keys: bool, style: Style) -> String {
    let mut by = Vec::new();
    if !filters.path.is_empty() {
        by.push(format!("path: {}", filters.path));
    }
    if !filters.name.is_empty() {
        by.push(format!("-k: {}", filters.name));
    }
    let by = if by.is_empty() { String::new() } else { format!(" ({})", by.join(", ")) };
    let keys = if has_keys { "press h for help, q to quit" } else { "press Ctrl-C to quit" };
    format!("{}{by}; {keys}", style.paint(Paint::Bold, "Watching for changes"))
}

/// `pkg/low.py changed`, `a.py and b.py changed`, `300 files changed`.
pub(super) fn changed(paths: &BTreeSet<String>) -> String {
    let names: Vec<&str> = paths.iter().map(String::as_str).collect();
    let them = match names.as_slice() {
        [] => return "files changed".to_owned(),
        [one] => (*one).to_owned(),
        [first @ .., last] if names.len() <= NAMED => format!("{} and {last}", first.join(", ")),
        _ => format!("{} files", thousands(names.len())),
    };
    format!("{them} changed")
}

/// The line on changes that affect no such test.
pub(super) fn no_test(paths: &BTreeSet<String>, test: &str) -> String {
    let them = if paths.len() == 1 { "it" } else { "them" };
    format!("{}: no {test} depends on {them}", changed(paths))
}

/// The line before a run after changes. `files`: number of test files; `None` for all.
pub(super) fn heading(paths: &BTreeSet<String>, files: Option<usize>, style: Style) -> String {
    let files = files.map_or_else(|| "all tests".to_owned(), |files| count_of(files, "test file"));
    format!("{}\n", style.paint(Paint::Bold, &format!("{}: {files}", changed(paths))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_named_or_counted() {
        let said = |names: &[&str]| changed(&names.iter().map(|&name| name.to_owned()).collect());
        assert_eq!(said(&["a.py"]), "a.py changed");
        assert_eq!(said(&["a.py", "b.py", "c.py"]), "a.py, b.py and c.py changed");
        assert_eq!(said(&["a", "b", "c", "d"]), "4 files changed");
    }

    #[test]
    fn a_prompt_says_how_to_remove_the_filter_that_there_is() {
        let filters = Filters { path: "api".into(), name: String::new() };
        let prompt = |asked| screen(&Screen::Prompt(asked, "x".into()), &filters, true, Style::PLAIN);
        let path = "\r\x1b[KPath contains (Enter: run, empty: no filter, Esc: cancel): x";
        assert_eq!(prompt(Asked::Path), path);
        assert_eq!(prompt(Asked::Name), "\r\x1b[K-k expression (Enter: run, Esc: cancel): x");
    }

    #[test]
    fn the_filters_are_shown() {
        let filters = Filters { path: "api".into(), name: "not slow".into() };
        insta::assert_snapshot!(screen(&Screen::Help, &filters, true, Style::PLAIN), @"
          a      run all tests, without filters
          Enter  repeat the last run
          f      run the tests that failed last
          p      filter by a part of the file's path
          t      filter by test name, as -k does
          h      show this help
          q      quit
        Watching for changes (path: api, -k: not slow); press h for help, q to quit
        ");
        let ready = screen(&Screen::Ready, &Filters::default(), false, Style::PLAIN);
        assert_eq!(ready, "Watching for changes; press Ctrl-C to quit\n");
    }
}
