//! Selects the tests of a collected session that a request names.

use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};

use pytest_lens_plan::select::{Keyword, MarkerExpr};

use pytest_lens_protocol::NodeId;

use crate::model::collection::Collection;
use crate::model::node::Node;
use crate::model::scope::is_within;

/// Parsed `-k` and `-m` expressions.
#[derive(Default)]
pub(crate) struct Filter {
    keyword: Option<Keyword>,
    marker: Option<MarkerExpr>,
}

impl Filter {
    /// # Errors
    /// A sentence that names the expression and the column.
    pub(crate) fn parse(keyword: Option<&str>, marker: Option<&str>) -> Result<Self, String> {
        Ok(Filter {
            keyword: keyword.map(Keyword::parse).transpose().map_err(|error| error.to_string())?,
            marker: marker.map(MarkerExpr::parse).transpose().map_err(|error| error.to_string())?,
        })
    }

    pub(crate) fn takes(&self, node: &Node) -> bool {
        let by_keyword = self.keyword.as_ref().is_none_or(|keyword| {
            let names: Vec<&str> = node.keywords.iter().map(|name| &**name).collect();
            keyword.matches(&names)
        });
        by_keyword && self.marker.as_ref().is_none_or(|marker| marker.matches(&node.marks))
    }
}

/// The selected tests, as indices in the session's order.
#[derive(Default)]
pub(crate) struct Selection {
    pub taken: Vec<usize>,
    /// Number of named tests that the filter deselected.
    pub left: usize,
}

/// Selects the tests that `ids` name; all tests if there are no ids.
///
/// # Errors
///
/// A sentence that names the first id that names no test.
pub(crate) fn select(tests: &Collection, ids: &[String], filter: &Filter) -> Result<Selection, String> {
    let all = 0..tests.nodes.len();
    if ids.is_empty() {
        let taken: Vec<usize> = all.filter(|&index| filter.takes(&tests.nodes[index])).collect();
        return Ok(Selection { left: tests.nodes.len() - taken.len(), taken });
    }
    let mut chosen = HashSet::new();
    for id in ids {
        let before = chosen.len();
        let exact = tests.index_of(id);
        chosen.extend(exact);
        if exact.is_none() || !id.contains("::") {
            chosen.extend(all.clone().filter(|&index| means(id, &tests.nodes[index])));
        }
        let found = chosen.len() > before
            || exact.is_some()
            || tests.is_deselected(id)
            || all.clone().any(|index| means(id, &tests.nodes[index]));
        // A file or folder may hold no test, which pytest reports as "nothing collected" and not as an error. A file
        // that does not import is reported with the collection errors, and the other tests run.
        if !found && id.contains("::") && !tests.errors.iter().any(|error| error.path == NodeId::new(id).file()) {
            return Err(unknown(id, tests));
        }
    }
    let named = chosen.len();
    let mut taken: Vec<usize> = chosen.into_iter().filter(|&index| filter.takes(&tests.nodes[index])).collect();
    taken.sort_unstable();
    Ok(Selection { left: named - taken.len(), taken })
}

/// Sorts tests by the first of the arguments that names them, as pytest does. An argument that another one covers has no
/// effect. Tests that no argument names come last.
pub(crate) fn sort_by_arguments(taken: &mut [usize], tests: &Collection, arguments: &[String]) {
    let is_covered = |argument: &String| arguments.iter().any(|other| other != argument && covers(other, argument));
    let arguments: Vec<&String> = arguments.iter().filter(|argument| !is_covered(argument)).collect();
    let place = |node: &Node| arguments.iter().position(|argument| names(argument, node)).unwrap_or(arguments.len());
    taken.sort_by_cached_key(|&index| place(&tests.nodes[index]));
}

/// Returns whether an id names this test: it is the test's own, or that of its function, class, file or folder.
pub(crate) fn covers_test(id: &str, test: &str) -> bool {
    id == test || covers(id, test)
}

/// Returns whether the tests of one argument are all among those of another one.
fn covers(whole: &str, part: &str) -> bool {
    let whole = whole.trim_end_matches('/');
    if !whole.contains("::") {
        return whole.is_empty() || whole == "." || is_within(NodeId::new(part).file(), whole);
    }
    part.strip_prefix(whole).is_some_and(is_inner)
}

/// Whether a test's id goes on with a part of what its beginning names: a class's test, or a case.
fn is_inner(rest: &str) -> bool {
    rest.starts_with("::") || rest.starts_with('[')
}

/// Returns whether an id selects a node: by its own id, or by its function, class, file or folder.
pub(crate) fn names(id: &str, node: &Node) -> bool {
    *node.id == *id || means(id, node)
}

/// Returns whether an id selects a node by its function, class, file or folder.
pub(crate) fn means(id: &str, node: &Node) -> bool {
    let id = id.trim_end_matches('/');
    if !id.contains("::") {
        return id.is_empty() || id == "." || is_within(&node.file, id);
    }
    // A hook of the project may add brackets to the id of a function without cases, and of a case.
    *node.function_id == *id || node.id.strip_prefix(id).is_some_and(is_inner)
}

/// Normalizes an id or path to pytest's form: relative to the root, without `.` and `..`.
pub(crate) fn own_id(root: &Path, id: &str) -> String {
    let (file, rest) = NodeId::new(id).split();
    let spelled = root.join(file);
    let mut parts: Vec<Component> = Vec::new();
    for part in spelled.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let whole: PathBuf = parts.into_iter().collect();
    // Links are followed only if the path is not below the root's own name.
    let inside = whole.strip_prefix(root).map(Path::to_owned).or_else(|_| {
        let real = whole.canonicalize().unwrap_or_else(|_| whole.clone());
        real.strip_prefix(root).map(Path::to_owned)
    });
    let file = inside.unwrap_or(whole).to_string_lossy().into_owned();
    let file = if file.is_empty() { ".".to_owned() } else { file };
    match rest {
        Some(rest) => format!("{file}::{rest}"),
        None => file,
    }
}

fn unknown(id: &str, tests: &Collection) -> String {
    let file = NodeId::new(id).file();
    if let Some(skipped) = tests.skipped.get(file) {
        return format!("no test {id:?}: {file} skips itself as a whole: {}", skipped.reason);
    }
    let cases_of = |function: &str| id.strip_prefix(function).is_some_and(|rest| rest.starts_with('['));
    let mut beside = tests.nodes.iter().filter(|node| cases_of(&node.function_id));
    if let Some(node) = beside.next() {
        let (function, count) = (&node.function_id, 1 + beside.count());
        return format!(
            "no test {id:?}: the cases of {function} are others in this collection ({count}); run them all, or choose one of them"
        );
    }
    format!(
        "no test {id:?}: {file} was collected and has none of that name; check the spelling, or whether pytest's configuration deselects it"
    )
}
