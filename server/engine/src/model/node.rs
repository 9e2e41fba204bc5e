//! A collected test: the worker's item with shared strings and the line of its `def`.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use dashmap::DashMap;
use pytest_lens_analysis::functions::{Fingerprint, Functions, fingerprint, functions};
use pytest_lens_analysis::{DefLine, FileAnalysis, PytestSettings, analyze};
use pytest_lens_plan::order::Item;
use pytest_lens_plan::select::{Literal, Mark};
use pytest_lens_platform::files::entry_changed_ns;
use pytest_lens_protocol::{NodeId, TestNodeInfo};
use serde::Deserialize;

use crate::model::import_graph::ImportGraph;

/// One collected item.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct CollectedItem {
    pub id: String,
    /// The file of the id, relative to the root.
    pub path: String,
    /// The file of its code, if that is another one.
    pub def_path: Option<String>,
    /// First line of its code: that of the first decorator, if there is one.
    pub line: Option<u32>,
    pub name: String,
    pub cls: Option<String>,
    #[serde(default)]
    pub markers: Vec<String>,
    #[serde(default)]
    pub mark_args: Vec<(String, serde_json::Map<String, serde_json::Value>)>,
    #[serde(default)]
    pub keywords: Vec<String>,
    #[serde(default)]
    pub skip: bool,
    #[serde(default)]
    pub xfail: bool,
    pub kind: String,
    #[serde(default)]
    pub param: bool,
    pub group: Option<String>,
    /// Its position in the source, if a plugin has shuffled the session.
    pub place: Option<usize>,
}

/// One test.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub id: Arc<str>,
    /// The file of the id, relative to the root.
    pub file: Arc<str>,
    /// 1-based line of the `def` keyword; `None` if the code is in another file.
    pub line: Option<u32>,
    pub name: Arc<str>,
    pub class_name: Option<Arc<str>>,
    /// The id of the function, without the brackets of a case.
    pub function_id: Arc<str>,
    pub is_case: bool,
    pub is_doctest: bool,
    pub markers: Vec<Arc<str>>,
    pub marks: Vec<Mark>,
    pub keywords: Vec<Arc<str>>,
    pub skip: bool,
    pub xfail: bool,
    pub group: Option<Arc<str>>,
}

impl Node {
    pub(crate) fn info(&self) -> TestNodeInfo {
        TestNodeInfo {
            node_id: self.id.to_string(),
            file_path: self.file.to_string(),
            lineno: self.line,
            name: self.name.to_string(),
            class_name: self.class_name.as_deref().map(str::to_owned),
            markers: self.markers.iter().map(|marker| marker.to_string()).collect(),
            skip: self.skip,
            xfail: self.xfail,
        }
    }

    /// The test as the planner sees it; `index` is the caller's number for it.
    pub(crate) fn item(&self, index: usize, duration_ms: Option<f64>) -> Item<'_> {
        Item {
            index,
            node_id: &self.id,
            file: &self.file,
            class: self.class_name.as_deref(),
            group: self.group.as_deref(),
            duration_ms,
        }
    }
}

/// Turns wire nodes into nodes, sharing equal strings among them.
#[derive(Default)]
pub(crate) struct NodeMaker {
    strings: HashSet<Arc<str>>,
}

impl NodeMaker {
    fn share(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.strings.get(text) {
            return Arc::clone(known);
        }
        let shared: Arc<str> = text.into();
        self.strings.insert(Arc::clone(&shared));
        shared
    }

    pub(crate) fn make(&mut self, wire: CollectedItem) -> MadeNode {
        let is_function = wire.kind == "function";
        let id: Arc<str> = wire.id.into();
        let function_id = if wire.param { self.share(NodeId::new(&id).function().as_str()) } else { Arc::clone(&id) };
        let marks = wire.mark_args.into_iter().map(|(name, kwargs)| Mark {
            name,
            kwargs: kwargs.into_iter().map(|(name, value)| (name, literal(&value))).collect(),
        });
        let marks: Vec<Mark> = marks.collect();
        let bare = wire.markers.iter().filter(|name| !marks.iter().any(|mark| mark.name == **name));
        let bare: Vec<Mark> = bare.map(|name| Mark { name: name.clone(), kwargs: Vec::new() }).collect();
        let node = Node {
            file: self.share(&wire.path),
            line: wire.line.filter(|_| wire.def_path.is_none()),
            is_case: wire.param && *function_id != *id,
            function_id,
            is_doctest: wire.kind == "doctest",
            class_name: wire.cls.as_deref().map(|class| self.share(class)),
            markers: wire.markers.iter().map(|name| self.share(name)).collect(),
            marks: marks.into_iter().chain(bare).collect(),
            keywords: wire.keywords.iter().map(|name| self.share(name)).collect(),
            skip: wire.skip,
            xfail: wire.xfail,
            group: wire.group.as_deref().map(|group| self.share(group)),
            name: self.share(&wire.name),
            id,
        };
        MadeNode { node: Arc::new(node), is_function, place: wire.place }
    }
}

/// A node whose line is still the first of its code, and unknown if that is in another file.
pub(crate) struct MadeNode {
    node: Arc<Node>,
    is_function: bool,
    /// As [`CollectedItem::place`].
    pub place: Option<usize>,
}

impl MadeNode {
    pub(crate) fn file(&self) -> &Arc<str> {
        &self.node.file
    }

    /// The node at the line of its `def`. `analysis`: that of its file, with the lines of its `def`s.
    pub(crate) fn located(mut self, analysis: Option<&FileAnalysis>) -> Arc<Node> {
        let line = def_line(&self.node, self.is_function, analysis.map_or(&[], |analysis| &analysis.defs));
        Arc::make_mut(&mut self.node).line = line;
        self.node
    }
}

/// The line of a test's `def`. Its code may be that of a wrapper, here or in another file, if a decorator lacks
/// `functools.wraps`. Then the source is searched for the name; the last definition counts.
fn def_line(node: &Node, is_function: bool, defs: &[DefLine]) -> Option<u32> {
    let first = node.line;
    let is_code = |def: &&DefLine| !def.is_value;
    let own = first.and_then(|first| defs.iter().filter(is_code).find(|def| def.first_line == first));
    let name = node.name.split('[').next().unwrap_or_default();
    if own.is_some_and(|def| def.qualname.rsplit('.').next() == Some(name)) || !is_function {
        return own.map(|def| def.def_line).or(first);
    }
    let class = node.class_name.as_deref().map_or_else(String::new, |class| format!("{}.", class.replace("::", ".")));
    let qualname = format!("{class}{name}");
    let named = |is_value: bool| defs.iter().rfind(|def| def.is_value == is_value && def.qualname == qualname);
    // A value counts if it does not wrap a `def` of the same name: `test_x = make()`.
    named(false).or_else(|| named(true)).or(own).map(|def| def.def_line).or(first)
}

fn literal(value: &serde_json::Value) -> Literal {
    match value {
        serde_json::Value::String(text) => Literal::Str(text.clone()),
        serde_json::Value::Bool(value) => Literal::Bool(*value),
        serde_json::Value::Null => Literal::None,
        serde_json::Value::Number(number) => number.as_i64().map_or(Literal::Other, Literal::Int),
        _ => Literal::Other,
    }
}

/// By path, the time of the last change, the size, and a result of reading the file.
type ByState<T> = DashMap<PathBuf, (SystemTime, u64, T)>;

/// The result for the present state of a file, read if it is not known.
fn known_or_read<T: Clone>(known: &ByState<T>, path: &Path, read: impl FnOnce(&Path) -> Option<T>) -> Option<T> {
    let data = std::fs::metadata(path).ok()?;
    // No program can set the time of the entry: a file may be replaced by one of the same size and time.
    let entry = SystemTime::UNIX_EPOCH + Duration::from_nanos(entry_changed_ns(&data).try_into().ok()?);
    let changed = entry.max(data.modified().ok()?);
    // A file that was written just now may be written again within the resolution of its timestamp.
    let settled = changed.elapsed().is_ok_and(|age| age.as_secs() >= 2);
    if settled
        && let Some(known) = known.get(path)
        && known.0 == changed
        && known.1 == data.len()
    {
        return Some(known.2.clone());
    }
    let result = read(path)?;
    if settled {
        known.insert(path.to_owned(), (changed, data.len(), result.clone()));
    }
    Some(result)
}

/// Analyses of files on disk, cached for each state of a file.
#[derive(Default)]
pub(crate) struct Analyses {
    known: ByState<Arc<FileAnalysis>>,
    functions: ByState<Arc<Functions>>,
    contents: ByState<Fingerprint>,
    /// Import graph of the last requested sources.
    graph: Mutex<Option<Arc<ImportGraph>>>,
}

impl Analyses {
    /// The analysis of a file's current text; `None` if it can't be read.
    pub(crate) fn of(&self, path: &Path, settings: &PytestSettings) -> Option<Arc<FileAnalysis>> {
        known_or_read(&self.known, path, |path| {
            let source = String::from_utf8_lossy(&pytest_lens_analysis::listing::read_file(path).ok()?).into_owned();
            Some(Arc::new(analyze(&source, settings)))
        })
    }

    /// The files of the last import graph.
    pub(crate) fn known_sources(&self) -> Vec<String> {
        let last = self.graph.lock().unwrap_or_else(PoisonError::into_inner);
        last.iter().flat_map(|graph| graph.sources()).cloned().collect()
    }

    /// The fingerprints of a file's functions in its current text; `None` if it can't be read.
    pub(crate) fn functions(&self, path: &Path) -> Option<Arc<Functions>> {
        let read = |path: &Path| Some(Arc::new(functions(&pytest_lens_analysis::listing::read_file(path).ok()?)));
        known_or_read(&self.functions, path, read)
    }

    /// The fingerprint of a file's content; `None` if it can't be read.
    pub(crate) fn content(&self, path: &Path) -> Option<Fingerprint> {
        known_or_read(&self.contents, path, |path| Some(fingerprint(&std::fs::read(path).ok()?)))
    }

    /// The import graph of these files, cached for each state of all of them.
    pub(crate) fn import_graph(&self, files: HashMap<String, Arc<FileAnalysis>>) -> Arc<ImportGraph> {
        let mut last = self.graph.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some(graph) if graph.is_of(&files) => Arc::clone(graph),
            _ => Arc::clone(last.insert(Arc::new(ImportGraph::new(files)))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c5_a_wrapper_is_not_the_tests_def() {
        let text = "def deco(f):\n    def inner():\n        f()\n    return inner\n\n@deco\ndef test_a(): pass\n";
        let analysis = analyze(text, &PytestSettings::default());
        let wire = |line: Option<u32>, def_path: Option<&str>, name: &str| -> MadeNode {
            let id = format!("t.py::{name}");
            let json = serde_json::json!({
                "id": id, "path": "t.py", "name": name, "kind": "function", "line": line, "def_path": def_path,
            });
            NodeMaker::default().make(serde_json::from_value(json).unwrap())
        };
        let def_line = |made: MadeNode, analysis: &FileAnalysis| made.located(Some(analysis)).line;
        assert_eq!(def_line(wire(Some(2), None, "test_a"), &analysis), Some(7));
        assert_eq!(def_line(wire(Some(9), Some("/d.py"), "test_a[1]"), &analysis), Some(7));
        assert_eq!(def_line(wire(Some(6), None, "test_a"), &analysis), Some(7));
        assert_eq!(def_line(wire(Some(9), Some("/d.py"), "test_inherited"), &analysis), None);
        let again = analyze(&format!("{text}@deco\ndef test_a(): pass\n"), &PytestSettings::default());
        assert_eq!(def_line(wire(Some(2), None, "test_a"), &again), Some(9));
        let text = "def make():\n    def inner(): pass\n    return inner\n\ntest_a = make()\ndef test_b(): pass\ntest_b = make()\n";
        let made = analyze(text, &PytestSettings::default());
        assert_eq!(def_line(wire(Some(2), None, "test_a"), &made), Some(5));
        assert_eq!(def_line(wire(Some(9), Some("/d.py"), "test_a"), &made), Some(5));
        assert_eq!(def_line(wire(Some(2), None, "test_b"), &made), Some(6));
    }
}
