//! Failures as the history keeps them, and their places in files that may have changed since.

use std::path::{Path, PathBuf};

use pytest_lens_analysis::{FileAnalysis, Span};
use pytest_lens_history::{FailedAt, Failure};
use pytest_lens_protocol::{Location, NodeId, Range, TestOutcome};
use url::Url;

use crate::model::item::uri_of;
use crate::model::node::Node;

/// The part of a failed outcome that the history keeps.
pub(crate) fn kept(outcome: &TestOutcome, node: &Node, root: &Path) -> Failure {
    let place = outcome.location.as_ref().and_then(|location| {
        let path = path_of(location)?;
        let line = i64::from(location.range.start.line) + 1;
        let (file, line) = match node.line {
            Some(def) if path == root.join(&*node.file) => (None, line - i64::from(def)),
            _ => (Some(path.strip_prefix(root).ok()?.to_str()?.into()), line),
        };
        let frame = outcome.frames.iter().rev().find(|frame| frame.location == *location);
        let text = frame.and_then(|frame| frame.text.as_deref()).map(FailedAt::kept);
        Some(FailedAt { file, line: i32::try_from(line).ok()?, text })
    });
    Failure::new(outcome.message.as_deref().unwrap_or_default(), place)
}

fn path_of(location: &Location) -> Option<PathBuf> {
    Url::parse(&location.uri).ok()?.to_file_path().ok()
}

/// A file's current text.
pub(crate) struct Source<'a> {
    pub text: &'a str,
    pub analysis: &'a FileAnalysis,
}

/// The file that a failure of a test is in, relative to the root.
pub(crate) fn file_of<'a>(id: &'a str, place: &'a FailedAt) -> &'a str {
    place.file.as_deref().unwrap_or_else(|| NodeId::new(id).file())
}

/// Finds the current line: the one with the same text, within the test if it was there. `None` if there is no such
/// line.
pub(crate) fn place(id: &str, place: &FailedAt, source: &Source<'_>, root: &Path) -> Option<Location> {
    let (told, within) = match &place.file {
        Some(_) => (i64::from(place.line) - 1, None),
        None => {
            let (def_line, span) = definition(id, source.analysis)?;
            (i64::from(def_line) - 1 + i64::from(place.line), Some(span))
        }
    };
    let is_inside =
        |line: i64| within.is_none_or(|span| (i64::from(span.start.line)..=i64::from(span.end.line)).contains(&line));
    let is_it = |text: &str| place.text.as_deref().is_none_or(|then| *FailedAt::kept(text) == *then);
    let lines = (0_i64..).zip(source.text.lines());
    let found = lines.filter(|(line, text)| is_inside(*line) && is_it(text)).map(|(line, _)| line);
    let line = found.min_by_key(|line| (line - told).abs())?;
    let uri = uri_of(&root.join(file_of(id, place)));
    Some(Location { uri, range: Range::of_line(u32::try_from(line + 1).ok()?) })
}

/// The `def` line of a test, and the lines of its definition.
fn definition(id: &str, analysis: &FileAnalysis) -> Option<(u32, Span)> {
    let suffix = NodeId::new(id).names()?;
    let of = |suffix: &str| analysis.nodes.iter().rev().find(|node| node.id_suffix() == suffix);
    let node = of(suffix).or_else(|| of(suffix.split_once('[')?.0));
    let known = node.map(|node| (node.def_line, node.full_span));
    known.or_else(|| {
        // A test that only pytest recognizes.
        let name = suffix.split('[').next()?.replace("::", ".");
        let def = analysis.defs.iter().rev().find(|def| def.qualname == name)?;
        Some((def.def_line, def.full_span))
    })
}

#[cfg(test)]
mod tests {
    use pytest_lens_analysis::{PytestSettings, analyze};

    use super::*;
    use crate::model::node::NodeMaker;

    const THEN: &str = "def test_a():\n    one = 1\n    assert one == 2\n\ndef test_b():\n    assert one == 2\n";

    fn line(id: &str, at: &FailedAt, text: &str) -> Option<u32> {
        let analysis = analyze(text, &PytestSettings::default());
        let source = Source { text, analysis: &analysis };
        place(id, at, &source, Path::new("/repo")).map(|found| found.range.start.line)
    }

    fn at(file: Option<&str>, line: i32, text: &str) -> FailedAt {
        FailedAt { file: file.map(Into::into), line, text: Some(text.into()) }
    }

    #[test]
    fn v8_a_remembered_failure_is_found_in_a_file_that_changed() {
        let failed = at(None, 2, "assert one == 2");
        let of = |text: &str| line("t.py::test_a[1-x]", &failed, text);
        assert_eq!(of(THEN), Some(2));
        assert_eq!(of(&format!("import os\n\n\n{THEN}")), Some(5));
        assert_eq!(of(&THEN.replace("    one = 1\n", "    one = 1\n    two = 2\n")), Some(3), "the test has grown");
        assert_eq!(of(&THEN.replacen("one == 2", "one == 1", 1)), None, "the same line in another test is not it");
        assert_eq!(of("def test_b():\n    assert one == 2\n"), None);
        let elsewhere = at(Some("conftest.py"), 2, "raise OSError");
        assert_eq!(line("t.py::test_a", &elsewhere, "raise OSError\n\n\nraise OSError\n"), Some(0));
        assert_eq!(line("t.py::test_a", &elsewhere, "pass\n"), None);
    }

    #[test]
    fn v8_what_is_kept_counts_from_the_test() {
        let wire = serde_json::json!({ "id": "pkg/t.py::test_a", "path": "/repo/pkg/t.py", "name": "test_a", "kind": "function" });
        let node = NodeMaker::default().make(serde_json::from_value(wire).unwrap()).located(None);
        let node = Node { line: Some(10), ..std::sync::Arc::unwrap_or_clone(node) };
        let outcome = |path: &str, line: u32| TestOutcome {
            message: Some("assert 1 == 2".into()),
            location: Some(Location { uri: uri_of(Path::new(path)), range: Range::of_line(line) }),
            ..TestOutcome::default()
        };
        let kept = |path: &str, line: u32| kept(&outcome(path, line), &node, Path::new("/repo")).place;
        let place = |file: Option<&str>, line: i32| Some(FailedAt { file: file.map(Into::into), line, text: None });
        assert_eq!(kept("/repo/pkg/t.py", 12), place(None, 2));
        assert_eq!(kept("/repo/pkg/conftest.py", 12), place(Some("pkg/conftest.py"), 12));
        assert_eq!(kept("/usr/lib/python3/json.py", 12), None);
    }
}
