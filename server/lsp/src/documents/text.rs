//! One version of a file's text: of an open document, or of the disk. Computes its tests and the maps to other versions
//! on demand, and caches them.

use std::collections::HashMap;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use pytest_lens_analysis::{DefLine, Outline, PytestSettings, Span, StaticNode};
use ropey::Rope;

use crate::documents::encoding::{content, narrow};
use crate::documents::line_map::{LineMap, Spot, between};

/// The number of older texts whose line maps are cached.
const MAPS: usize = 8;

/// The rules for reading tests in a file, from pytest's configuration; outside of every folder none are read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reader {
    /// The file, and its role by pytest's configuration.
    pub(crate) file: Option<(PathBuf, Arc<PytestSettings>)>,
    /// pytest has collected tests in it.
    pub(crate) is_known: bool,
}

impl Reader {
    fn read(&self, text: &str) -> Outline {
        let Some((path, settings)) = &self.file else { return Outline::default() };
        let is_package = |folder: &Path| folder.join("__init__.py").is_file();
        let mut role = settings.role_of(path, text, &is_package);
        role.tests |= self.is_known;
        pytest_lens_analysis::outline(text, settings, &role)
    }
}

#[derive(Debug, Default)]
struct Parsed {
    outline: Outline,
    by_id: HashMap<String, usize>,
    by_name: HashMap<String, Vec<usize>>,
}

/// One text.
#[derive(Debug, Default)]
pub(crate) struct Text {
    rope: Rope,
    reader: Reader,
    parsed: OnceLock<Parsed>,
    maps: Mutex<Vec<(Arc<Text>, Arc<LineMap>)>>,
}

impl Deref for Text {
    type Target = Rope;

    fn deref(&self) -> &Rope {
        &self.rope
    }
}

impl Text {
    /// Creates a text whose tests are read by these rules.
    pub(crate) fn new(rope: Rope, reader: Reader) -> Self {
        Text { rope, reader, ..Text::default() }
    }

    /// The rope of the text.
    pub(crate) fn copy(&self) -> Self {
        Text::new(self.rope.clone(), self.reader.clone())
    }

    /// Replaces the text, and clears the caches.
    pub(crate) fn edit(&mut self, edit: impl FnOnce(&mut Rope)) {
        edit(&mut self.rope);
        self.forget();
    }

    /// Sets other rules for reading its tests.
    pub(crate) fn set_reader(&mut self, reader: Reader) {
        self.reader = reader;
        self.forget();
    }

    fn forget(&mut self) {
        self.parsed = OnceLock::new();
        self.maps.get_mut().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Whether two texts are equal, apart from their line ends.
    pub(crate) fn is(&self, other: &Text) -> bool {
        let same_lines = || {
            self.rope.len_lines() == other.rope.len_lines()
                && self.rope.lines().zip(other.rope.lines()).all(|(a, b)| content(a) == content(b))
        };
        std::ptr::eq(self, other) || self.rope == other.rope || same_lines()
    }

    fn parsed(&self) -> &Parsed {
        self.parsed.get_or_init(|| {
            let outline = self.reader.read(&self.rope.to_string());
            let by_id = outline.nodes.iter().enumerate().map(|(index, node)| (node.id_suffix(), index)).collect();
            let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
            for (index, def) in outline.defs.iter().enumerate() {
                by_name.entry(def.qualname.clone()).or_default().push(index);
            }
            Parsed { outline, by_id, by_name }
        })
    }

    /// Its tests and classes, in source order.
    pub(crate) fn nodes(&self) -> &[StaticNode] {
        &self.parsed().outline.nodes
    }

    /// The node for the part of an id after the file; a case maps to the node of its function.
    pub(crate) fn node(&self, suffix: &str) -> Option<&StaticNode> {
        let Parsed { outline, by_id, .. } = self.parsed();
        let index = by_id.get(suffix).or_else(|| by_id.get(suffix.split_once('[')?.0))?;
        outline.nodes.get(*index)
    }

    /// Its functions, classes and values, in source order.
    pub(crate) fn defs(&self) -> &[DefLine] {
        &self.parsed().outline.defs
    }

    /// The definitions with the name of the part of an id after the file.
    pub(crate) fn defs_named(&self, suffix: &str) -> Vec<&DefLine> {
        let Parsed { outline, by_name, .. } = self.parsed();
        let indices = by_name.get(&suffix.replace("::", ".")).into_iter().flatten();
        indices.filter_map(|index| outline.defs.get(*index)).collect()
    }

    /// Whether anything in it, test or not, has the name of the part of an id after the file.
    pub(crate) fn names(&self, suffix: &str) -> bool {
        self.node(suffix).is_some() || !self.defs_named(suffix).is_empty()
    }

    /// The place of an older text's line in this one.
    pub(crate) fn spot(&self, old: &Arc<Text>, line: u32) -> Spot {
        let mut maps = self.maps.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, map)) = maps.iter().find(|(text, _)| Arc::ptr_eq(text, old)) {
            return map.get(line);
        }
        let map = Arc::new(between(&old.rope, &self.rope));
        let spot = map.get(line);
        maps.truncate(MAPS);
        maps.insert(0, (Arc::clone(old), map));
        spot
    }

    /// The place of an older text's line of a test in this text: within the test, which may have moved in the file.
    /// `None` if one of them has no such test, or the test does not contain the line.
    pub(crate) fn spot_within(&self, old: &Text, suffix: &str, line: u32) -> Option<Spot> {
        self.spot_in_part(old, old.node(suffix)?.full_span, self.node(suffix)?.full_span, line)
    }

    /// The place of an older text's line of a fixture, or of any other function, in this text: within the function, which
    /// may have moved in the file. `None` if the line is in no function, or its name is not that of exactly one in both.
    pub(crate) fn spot_within_def(&self, old: &Text, line: u32) -> Option<Spot> {
        let contains = |def: &&DefLine| (def.full_span.start.line..=def.full_span.end.line).contains(&line);
        let around = old.defs().iter().filter(|def| !def.is_value).filter(contains);
        let was = around.max_by_key(|def| def.full_span.start.line)?;
        match (old.defs_named(&was.qualname).as_slice(), self.defs_named(&was.qualname).as_slice()) {
            ([_], [is]) => self.spot_in_part(old, was.full_span, is.full_span, line),
            _ => None,
        }
    }

    fn spot_in_part(&self, old: &Text, was: Span, is: Span, line: u32) -> Option<Spot> {
        let lines = |span: Span| span.start.line as usize..span.end.line as usize + 1;
        let (was, is) = (lines(was), lines(is));
        let inner = (line as usize).checked_sub(was.start).filter(|_| was.contains(&(line as usize)))?;
        let part = |text: &Rope, lines: std::ops::Range<usize>| {
            let end = lines.end.min(text.len_lines());
            text.line_to_char(lines.start.min(end))..text.line_to_char(end)
        };
        let (old_part, new_part) = (part(&old.rope, was), part(&self.rope, is.clone()));
        let map = LineMap::between(old.rope.slice(old_part), self.rope.slice(new_part));
        let from = narrow(is.start);
        Some(match map.get(narrow(inner)) {
            Spot::Kept(line) => Spot::Kept(from + line),
            Spot::Gone(line) => Spot::Gone(from + line),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Arc<Text> {
        let settings = Arc::new(PytestSettings::default());
        let reader = Reader { file: Some((PathBuf::from("/r/test_a.py"), settings)), is_known: true };
        Arc::new(Text::new(Rope::from_str(text), reader))
    }

    #[test]
    fn c2_a_test_is_followed_where_another_one_has_the_same_lines() {
        let old = text("def test_a():\n    assert 0\n\ndef test_b():\n    assert 0\n");
        let new = text("def test_b():\n    assert 0\n\ndef test_a():\n    assert 0\n");
        assert_eq!(new.spot_within(&old, "test_a", 1), Some(Spot::Kept(4)));
        assert_eq!(new.spot_within(&old, "test_b", 4), Some(Spot::Kept(1)));
        assert_eq!(new.spot_within(&old, "test_a", 4), None);
    }

    #[test]
    fn c2_a_fixture_is_followed_where_it_moves_in_the_file() {
        let fixture = "@pytest.fixture\ndef fx():\n    assert 0, 'boom'\n\n";
        let rest = "def test_a():\n    pass\n\n@pytest.fixture\ndef other():\n    assert 1, 'other'\n\n";
        let old = text(&format!("{rest}{fixture}"));
        let new = text(&format!("{fixture}{rest}"));
        assert_eq!(new.spot_within_def(&old, 9), Some(Spot::Kept(2)));
        assert_eq!(new.spot_within_def(&old, 5), Some(Spot::Kept(9)));
        assert_eq!(new.spot_within_def(&old, 6), None, "between two functions");
        assert_eq!(text(&format!("{fixture}{fixture}")).spot_within_def(&old, 9), None, "any of two");
    }
}
