//! Finds the tests at each line of a text: tests in the source, and tests that only pytest knows (inherited from
//! another file, made by a factory, enabled by a plugin).

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use pytest_lens_analysis::{DefLine, NodeKind, Pos, Span, StaticNode};
use pytest_lens_protocol::{ItemKind, NodeId, TestItem};

use crate::documents::line_map::Spot;
use crate::documents::text::Text;
use crate::workspaces::positions::Positions;

/// A test or class, and its position in a text.
#[derive(Debug, Clone)]
pub(crate) struct Runnable {
    /// Node id.
    pub(crate) id: String,
    /// The last name of the id.
    pub(crate) name: String,
    /// The kind of the item.
    pub(crate) kind: NodeKind,
    /// The range of its name in the text.
    pub(crate) name_span: Span,
    /// The range of the whole definition.
    pub(crate) full_span: Span,
    /// 1-based line of the first decorator.
    pub(crate) first_line: u32,
    /// Other tests may be at this position as well: the test is inherited, or several tests share the code.
    pub(crate) shared: bool,
    /// The number of cases, if known.
    pub(crate) case_count: Option<u32>,
    /// It is parametrized.
    pub(crate) parametrized: bool,
    /// Names of its marks.
    pub(crate) markers: Vec<String>,
}

impl Runnable {
    fn of_node(file: &str, suffix: &str, node: &StaticNode) -> Self {
        Runnable {
            id: format!("{file}::{suffix}"),
            name: node.name.clone(),
            kind: node.kind,
            name_span: node.name_span,
            full_span: node.full_span,
            first_line: node.first_line,
            shared: node.inherited,
            case_count: node.case_count,
            parametrized: node.parametrized,
            markers: node.markers.clone(),
        }
    }

    fn move_to(&mut self, def: &DefLine) {
        (self.name_span, self.full_span, self.first_line) = (def.name_span, def.full_span, def.first_line);
    }
}

/// The innermost test or class around a line; if several share it, all of them.
pub(crate) fn innermost(runnables: Vec<Runnable>, line: u32) -> Vec<Runnable> {
    let around = runnables
        .iter()
        .filter(|runnable| (runnable.full_span.start.line..=runnable.full_span.end.line).contains(&line));
    let closest = around.min_by_key(|runnable| {
        let lines = runnable.full_span.end.line - runnable.full_span.start.line;
        let depth = runnable.id.matches("::").count();
        (lines, runnable.kind == NodeKind::Class, runnable.shared, std::cmp::Reverse(depth))
    });
    let Some(Runnable { id, name_span, shared, .. }) = closest.cloned() else { return Vec::new() };
    let is_one = |runnable: &Runnable| {
        if shared { runnable.shared && runnable.name_span == name_span } else { runnable.id == id }
    };
    let mut found: Vec<Runnable> = runnables.into_iter().filter(is_one).collect();
    if !shared {
        found.truncate(1);
    }
    found
}

/// The tests of each line. Several share one if it is a method that several classes inherit, or makes tests.
pub(crate) fn by_line(runnables: &[Runnable]) -> BTreeMap<u32, Vec<&Runnable>> {
    let mut lines: BTreeMap<u32, Vec<&Runnable>> = BTreeMap::new();
    for runnable in runnables {
        let at = lines.entry(runnable.name_span.start.line).or_default();
        if !runnable.shared {
            // The class that defines it is a test class itself: the line stands for that class's test.
            at.retain(|other| !other.shared);
            at.push(runnable);
        } else if at.iter().all(|other| other.shared) {
            at.push(runnable);
        }
    }
    lines
}

impl Positions<'_> {
    /// All tests and classes of a file's text, first in the order of the source, then in pytest's.
    pub(crate) fn runnables(&self, path: &Path, text: &Text) -> Vec<Runnable> {
        let Some(file) = self.workspace.relative(path) else { return Vec::new() };
        let confirmed = self.workspace.view.confirmed_tests(&file);
        let mut told: HashMap<&str, &TestItem> =
            confirmed.iter().map(|item| (NodeId::new(&item.id).names().unwrap_or_default(), *item)).collect();
        let of_source = text.nodes().iter().map(|node| {
            let suffix = node.id_suffix();
            let mut runnable = Runnable::of_node(&file, &suffix, node);
            let item = told.remove(suffix.as_str());
            // Of several definitions of a name, pytest knows which one Python uses.
            if let Some(def) = item.filter(|_| !node.inherited).and_then(|item| self.taken(item, path, text)) {
                runnable.move_to(def);
            }
            runnable
        });
        let mut runnables: Vec<Runnable> = of_source.collect();
        let left = confirmed.iter().filter(|item| told.contains_key(NodeId::new(&item.id).names().unwrap_or_default()));
        runnables.extend(left.filter_map(|item| self.collected_runnable(item, path, text)));
        runnables
    }

    /// The position of an item that pytest confirmed and the source does not show as a test.
    pub(crate) fn collected_runnable(&self, item: &TestItem, path: &Path, text: &Text) -> Option<Runnable> {
        let suffix = NodeId::new(&item.id).names().unwrap_or_default();
        let named = text.defs_named(suffix);
        let by_name = self.taken(item, path, text).or_else(|| {
            let code = named.iter().rfind(|def| !def.is_value);
            code.or(named.last()).copied()
        });
        let mut runnable = Runnable {
            id: item.id.to_string(),
            name: suffix.rsplit("::").next().unwrap_or(suffix).to_owned(),
            kind: if item.kind == ItemKind::Class { NodeKind::Class } else { NodeKind::Function },
            name_span: Span::default(),
            full_span: Span::default(),
            first_line: 1,
            shared: by_name.is_none(),
            case_count: item.case_count,
            parametrized: item.case_count.is_some(),
            markers: item.markers.clone(),
        };
        if let Some(def) = by_name {
            runnable.move_to(def);
            return Some(runnable);
        }
        if self.collected_text(path).is_some_and(|was| was.names(suffix)) {
            return None;
        }
        let line = self.collected_line(item, path, text)?;
        if let Some(def) = text.defs().iter().find(|def| def.name_span.start.line == line) {
            runnable.move_to(def);
        } else {
            let at = Pos { line, col: 0 };
            (runnable.name_span, runnable.full_span) = (Span { start: at, end: at }, Span { start: at, end: at });
            runnable.first_line = line + 1;
        }
        Some(runnable)
    }

    /// The definition of an item's name that is at the line which pytest reported.
    fn taken<'t>(&self, item: &TestItem, path: &Path, text: &'t Text) -> Option<&'t DefLine> {
        let named = text.defs_named(NodeId::new(&item.id).names().unwrap_or_default());
        if named.len() < 2 {
            return None;
        }
        let line = self.collected_line(item, path, text)?;
        named.into_iter().find(|def| def.def_line == line + 1 || def.first_line == line + 1)
    }

    /// The line that pytest reported for an item, mapped to a text.
    pub(crate) fn collected_line(&self, item: &TestItem, path: &Path, text: &Text) -> Option<u32> {
        let line = item.range?.start.line;
        match self.collected_text(path) {
            Some(was) if !text.is(was) => match text.spot(was, line) {
                Spot::Kept(line) => Some(line),
                Spot::Gone(_) => None,
            },
            _ => Some(line),
        }
    }
}
