//! The known tests of a project, by file: from pytest's collection, or from the source until pytest has collected the
//! file. It is immutable: every change makes a new inventory that shares the unchanged files.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use pytest_lens_analysis::{FileAnalysis, NodeKind};
use pytest_lens_protocol::TestNodeInfo;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::model::collect_error::CollectError;
use crate::model::node::Node;
use crate::model::scope::{Scope, is_needed_for, is_within};

/// One test file.
#[derive(Debug)]
pub(crate) struct FileEntry {
    /// Relative to the root.
    pub path: Arc<str>,
    /// pytest's nodes, in its order. Empty, with `confirmed` unset, if only the source was read.
    pub nodes: Vec<Arc<Node>>,
    pub confirmed: bool,
    pub analysis: Option<Arc<FileAnalysis>>,
    digest: [u8; 32],
}

impl FileEntry {
    fn new(path: Arc<str>, nodes: Vec<Arc<Node>>, confirmed: bool, analysis: Option<Arc<FileAnalysis>>) -> Self {
        let mut digest = Sha256::new();
        for node in &nodes {
            for part in [
                node.id.as_bytes(),
                &node.line.unwrap_or(0).to_le_bytes(),
                &[u8::from(node.skip), u8::from(node.xfail)],
            ] {
                digest.update((part.len() as u64).to_le_bytes());
                digest.update(part);
            }
            for marker in &node.markers {
                digest.update(marker.as_bytes());
                digest.update([0]);
            }
        }
        FileEntry { path, nodes, confirmed, analysis, digest: digest.finalize().into() }
    }
}

/// The reason why a file could not be collected.
#[derive(Debug, Clone)]
pub(crate) struct FileError {
    pub reported: CollectError,
    /// The time at which the disk was in the state that has the error.
    at: Instant,
}

/// The text is not compared: it may hold addresses, which differ each time.
impl PartialEq for FileError {
    fn eq(&self, other: &Self) -> bool {
        (self.reported.line, &self.reported.message) == (other.reported.line, &other.reported.message)
    }
}

impl Eq for FileError {}

/// All known tests at one time.
#[derive(Debug, Default)]
pub(crate) struct Inventory {
    pub revision: u64,
    /// In pytest's order.
    pub files: Vec<Arc<FileEntry>>,
    /// By path, relative to the root.
    pub errors: BTreeMap<Arc<str>, FileError>,
    /// The whole project was collected once.
    pub complete: bool,
    /// Unix time in milliseconds.
    pub collected_at: u64,
}

/// The result of one collection.
pub(crate) struct Findings<'a> {
    pub scope: &'a Scope,
    pub nodes: &'a [Arc<Node>],
    pub errors: &'a [CollectError],
    /// Files that no longer exist.
    pub gone: &'a HashSet<String>,
    /// Parts of the scope that later collections have described already. They stay as they are.
    pub superseded: &'a [Scope],
    /// The time at which the disk was in the state that it describes.
    pub described_at: Instant,
    pub at: u64,
}

impl Findings<'_> {
    /// Returns whether the collection says anything about a file.
    fn describes(&self, path: &str) -> bool {
        self.scope.holds(path) && !self.superseded.iter().any(|later| later.holds(path))
    }

    fn is_superseded(&self, error: &str) -> bool {
        is_superseded(error, self.superseded)
    }
}

impl Inventory {
    /// Whether it has errors of a later state of the disk than that of this time.
    pub(crate) fn has_errors_after(&self, time: Instant) -> bool {
        self.errors.values().any(|error| error.at > time)
    }

    /// A name for this state, which changes whenever a test comes, goes or changes. Empty before the first collection.
    pub(crate) fn hash(&self) -> String {
        if self.collected_at == 0 {
            return String::new();
        }
        let mut digest = Sha256::new();
        for file in self.files.iter().filter(|file| file.confirmed) {
            digest.update(file.path.as_bytes());
            digest.update(file.digest);
        }
        digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.files.iter().flat_map(|file| &file.nodes)
    }

    /// The number of tests, according to pytest or, until it has collected, to the sources.
    pub(crate) fn count(&self) -> usize {
        let confirmed = self.nodes().count();
        if confirmed > 0 {
            return confirmed;
        }
        let read = self.files.iter().filter_map(|file| file.analysis.as_ref());
        read.flat_map(|analysis| &analysis.nodes).filter(|node| node.kind != NodeKind::Class).count()
    }

    pub(crate) fn infos(&self) -> Vec<TestNodeInfo> {
        self.nodes().map(|node| node.info()).collect()
    }

    /// Adds the sources' tests of files that pytest has not collected.
    pub(crate) fn with_static(&self, listing: Vec<(String, Arc<FileAnalysis>)>) -> Self {
        let mut files = self.files.clone();
        let known: HashSet<Arc<str>> = files.iter().map(|file| Arc::clone(&file.path)).collect();
        let new = listing.into_iter().filter(|(path, _)| !known.contains(path.as_str()) && !self.complete);
        files.extend(
            new.map(|(path, analysis)| Arc::new(FileEntry::new(path.into(), Vec::new(), false, Some(analysis)))),
        );
        Inventory { revision: self.revision + 1, files, errors: self.errors.clone(), ..*self }
    }

    /// Adds the result of a collection. `analysis` returns the analysis of a file.
    pub(crate) fn with(&self, found: &Findings<'_>, analysis: &dyn Fn(&str) -> Option<Arc<FileAnalysis>>) -> Self {
        let mut errors = self.errors.clone();
        let is_settled =
            |path: &str| (found.scope.holds(path) || shadows(path, found.scope)) && !found.is_superseded(path);
        let is_later = |error: &FileError| error.at > found.described_at;
        errors.retain(|path, error| (!is_settled(path) || is_later(error)) && !found.gone.contains(&**path));
        let reported = || found.errors.iter().filter(|error| !found.is_superseded(&error.path));
        for error in reported() {
            errors.insert(error.path.as_str().into(), FileError { reported: error.clone(), at: found.described_at });
        }
        let mut by_file: HashMap<&str, Vec<Arc<Node>>> = HashMap::new();
        let mut order: Vec<&Arc<str>> = Vec::new();
        for node in found.nodes.iter().filter(|node| found.describes(&node.file)) {
            let nodes = by_file.entry(&node.file).or_insert_with(|| {
                order.push(&node.file);
                Vec::new()
            });
            nodes.push(Arc::clone(node));
        }
        let mut fresh: HashMap<Arc<str>, Arc<FileEntry>> = HashMap::new();
        for path in &order {
            let nodes = by_file.remove(&***path).unwrap_or_default();
            let entry = FileEntry::new(Arc::clone(path), nodes, true, analysis(path));
            fresh.insert(Arc::clone(path), Arc::new(entry));
        }
        let troubled = |path: &str| errors.keys().any(|error| &**error == path || is_needed_for(error, path));
        let stays = |file: &FileEntry| {
            !found.gone.contains(&*file.path) && (!found.describes(&file.path) || troubled(&file.path))
        };
        let whole = *found.scope == Scope::All;
        let mut files: Vec<Arc<FileEntry>> = Vec::new();
        let mut left: Vec<Arc<FileEntry>> = Vec::new();
        for file in &self.files {
            match fresh.get(&file.path) {
                Some(entry) if !whole => files.push(keep_if_same(file, entry)),
                Some(_) => {}
                None if stays(file) => {
                    if whole {
                        left.push(Arc::clone(file))
                    } else {
                        files.push(Arc::clone(file))
                    }
                }
                None => {}
            }
        }
        if whole {
            let old: HashMap<&str, &Arc<FileEntry>> = self.files.iter().map(|file| (&*file.path, file)).collect();
            let in_order = order.iter().filter_map(|path| fresh.get(*path));
            files.extend(
                in_order.map(|entry| {
                    old.get(&*entry.path).map_or_else(|| Arc::clone(entry), |old| keep_if_same(old, entry))
                }),
            );
        } else {
            let present: HashSet<Arc<str>> = files.iter().map(|file| Arc::clone(&file.path)).collect();
            left.extend(
                order.iter().filter(|path| !present.contains(**path)).filter_map(|path| fresh.get(*path)).cloned(),
            );
        }
        // A file that was never collected and does not import still shows the tests in its source.
        for path in reported().map(|error| error.path.as_str()) {
            let known = files.iter().chain(&left).any(|file| &*file.path == path);
            if let Some(read) = analysis(path).filter(|read| !known && !read.nodes.is_empty()) {
                left.push(Arc::new(FileEntry::new(path.into(), Vec::new(), false, Some(read))));
            }
        }
        for file in left {
            let place = files.iter().position(|other| precedes(&file.path, &other.path)).unwrap_or(files.len());
            files.insert(place, file);
        }
        Inventory {
            revision: self.revision + 1,
            files,
            errors,
            complete: self.complete || whole,
            collected_at: found.at,
        }
    }

    /// Its sources, with or without tests, that are no longer below the root.
    pub(crate) fn missing_sources(&self, root: &Path) -> HashSet<String> {
        let sources = self.files.iter().filter(|file| file.analysis.is_some()).map(|file| &file.path);
        let broken = self.errors.keys().filter(|path| path.ends_with(".py"));
        let is_missing = |path: &&Arc<str>| !root.join(&***path).exists();
        sources.chain(broken).filter(is_missing).map(|path| path.to_string()).collect()
    }

    /// The files at or below a path; one that could not be collected may be known by its error alone.
    pub(crate) fn files_within(&self, path: &str) -> HashSet<String> {
        let known = self.files.iter().map(|file| &file.path).chain(self.errors.keys());
        known.filter(|file| is_within(file, path)).map(|file| file.to_string()).collect()
    }

    /// Removes files that no longer exist. `at`: Unix time in milliseconds.
    pub(crate) fn without_files(&self, gone: &HashSet<String>, at: u64) -> Self {
        let nothing = Scope::Paths(BTreeSet::new());
        let described_at = Instant::now();
        let found = Findings { scope: &nothing, nodes: &[], errors: &[], gone, superseded: &[], described_at, at };
        self.with(&found, &|_| None)
    }

    /// Adds the error of a scope that could not be collected at all; its tests stay. `began`: the start of that
    /// collection. `later`: the parts of the project that later collections describe.
    pub(crate) fn with_failure(&self, error: &CollectError, began: Instant, later: &[Scope]) -> Self {
        let mut errors = self.errors.clone();
        if !is_superseded(&error.path, later) {
            errors.insert(error.path.as_str().into(), FileError { reported: error.clone(), at: began });
        }
        Inventory { revision: self.revision + 1, files: self.files.clone(), errors, ..*self }
    }
}

fn keep_if_same(old: &Arc<FileEntry>, new: &Arc<FileEntry>) -> Arc<FileEntry> {
    Arc::clone(if old.confirmed && old.nodes == new.nodes { old } else { new })
}

/// Returns whether a later collection has proven that an error in this file is fixed, or has reported it itself.
fn is_superseded(error: &str, later: &[Scope]) -> bool {
    later.iter().any(|later| later.holds(error) || shadows(error, later))
}

/// Returns whether a successful collection of `scope` proves that `error`, in a conftest or package above it or a
/// configuration file, is fixed.
fn shadows(error: &str, scope: &Scope) -> bool {
    let Scope::Paths(paths) = scope else { return true };
    let is_python = Path::new(error).extension().is_some_and(|extension| extension == "py");
    !is_python || paths.iter().any(|path| is_needed_for(error, path))
}

/// pytest's order of files: folder by folder, with sorted entries, as path components compare.
fn precedes(a: &str, b: &str) -> bool {
    a.split('/').lt(b.split('/'))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::node::CollectedItem;
    use crate::model::node::NodeMaker;

    fn nodes(ids: &[&str]) -> Vec<Arc<Node>> {
        let mut maker = NodeMaker::default();
        let wire = |id: &str| -> CollectedItem {
            let (path, name) = id.split_once("::").unwrap();
            serde_json::from_value(serde_json::json!({"id": id, "path": path, "name": name, "kind": "function"}))
                .unwrap()
        };
        ids.iter().map(|id| maker.make(wire(id)).located(None)).collect()
    }

    fn error(path: &str) -> CollectError {
        CollectError {
            path: path.into(),
            line: Some(3),
            message: "boom".into(),
            longrepr: None,
            crash: None,
            followed: false,
        }
    }

    fn merge(old: &Inventory, scope: &Scope, ids: &[&str], errors: &[CollectError], gone: &[&str]) -> Inventory {
        let gone = gone.iter().map(|path| (*path).to_owned()).collect();
        let described_at = Instant::now();
        let found = Findings { scope, nodes: &nodes(ids), errors, gone: &gone, superseded: &[], described_at, at: 1 };
        old.with(&found, &|_| None)
    }

    fn ids(inventory: &Inventory) -> Vec<String> {
        inventory.nodes().map(|node| node.id.to_string()).collect()
    }

    #[test]
    fn a_file_that_does_not_import_keeps_its_last_good_tests() {
        let first = merge(&Inventory::default(), &Scope::All, &["a.py::t", "b.py::t"], &[], &[]);
        let second = merge(&first, &Scope::All, &["a.py::t"], &[error("b.py")], &[]);
        assert_eq!(ids(&second), ["a.py::t", "b.py::t"]);
        assert_eq!(second.errors.len(), 1);
        let third = merge(&second, &Scope::of_ids(["b.py"]), &["b.py::t2"], &[], &[]);
        assert_eq!(ids(&third), ["a.py::t", "b.py::t2"]);
        assert!(third.errors.is_empty());
    }

    #[test]
    fn sources_that_are_gone_are_known_by_their_tests_or_errors() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("here.py"), "").unwrap();
        let scope = Scope::All;
        let nodes = nodes(&["here.py::t", "gone.py::t", "no file of its own::t"]);
        let errors = [error("here.py"), error("broken.py"), error("folder")];
        let (gone, described_at) = (HashSet::new(), Instant::now());
        let found = Findings {
            scope: &scope,
            nodes: &nodes,
            errors: &errors,
            gone: &gone,
            superseded: &[],
            described_at,
            at: 1,
        };
        let read = |path: &str| path.ends_with(".py").then(Arc::default);
        let missing = Inventory::default().with(&found, &read).missing_sources(root.path());
        assert_eq!(missing, HashSet::from(["gone.py".to_owned(), "broken.py".to_owned()]));
    }

    #[test]
    fn a_package_that_can_not_be_collected_keeps_its_tests_until_one_of_them_can() {
        let all = ["c.py::t", "pkg/b.py::t", "pkg/sub/a.py::t"];
        let first = merge(&Inventory::default(), &Scope::All, &all, &[], &[]);
        let second = merge(&first, &Scope::All, &["c.py::t"], &[error("pkg/__init__.py")], &[]);
        assert_eq!(ids(&second), all);
        let elsewhere = merge(&second, &Scope::of_ids(["c.py"]), &["c.py::t"], &[], &[]);
        assert_eq!(elsewhere.errors.len(), 1);
        // A hook of a conftest failed, which was repaired: nothing changed in the package itself.
        let third = merge(&elsewhere, &Scope::of_ids(["pkg/sub/a.py"]), &["pkg/sub/a.py::t"], &[], &[]);
        assert!(third.errors.is_empty());
        assert_eq!(ids(&third).len(), 3);
    }

    #[test]
    fn a_failure_and_a_collection_count_by_the_disk_that_they_saw() {
        let (began, second) = (Instant::now(), Duration::from_secs(1));
        let nothing = HashSet::new();
        let at = |described_at: Instant| Findings {
            scope: &Scope::All,
            nodes: &[],
            errors: &[],
            gone: &nothing,
            superseded: &[],
            described_at,
            at: 1,
        };
        let broken = || error("conftest.py");
        // A collection that began before the edit, and is recorded after the failure of one that began later.
        let failed = Inventory::default().with_failure(&broken(), began, &[]);
        let older = failed.with(&at(began - second), &|_| None);
        assert!(older.errors.contains_key("conftest.py") && older.has_errors_after(began - second));
        assert!(older.with(&at(began + second), &|_| None).errors.is_empty());
        // A failure that is recorded after a later collection, which shows that the error is gone.
        let mended = Inventory::default().with(&at(began + second), &|_| None);
        assert!(mended.with_failure(&broken(), began, &[Scope::All]).errors.is_empty());
        let other = Scope::of_ids(["sub/a.py"]);
        assert!(mended.with_failure(&error("other/conftest.py"), began, &[other]).has_errors_after(began - second));
    }

    #[test]
    fn an_older_collection_leaves_alone_what_a_later_one_has_described() {
        let first = merge(&Inventory::default(), &Scope::of_ids(["a.py"]), &["a.py::new"], &[], &[]);
        let (found, errors) = (nodes(&["a.py::old", "b.py::t"]), [error("a.py"), error("conftest.py"), error("c.py")]);
        let superseded = [Scope::of_ids(["a.py"])];
        let gone = HashSet::new();
        let older = Findings {
            scope: &Scope::All,
            nodes: &found,
            errors: &errors,
            gone: &gone,
            superseded: &superseded,
            described_at: Instant::now(),
            at: 1,
        };
        let second = first.with(&older, &|_| None);
        assert_eq!(ids(&second), ["a.py::new", "b.py::t"]);
        assert_eq!(second.errors.keys().map(|path| &**path).collect::<Vec<_>>(), ["c.py"]);
        let broken = merge(&second, &Scope::of_ids(["a.py"]), &[], &[error("a.py")], &[]);
        assert!(broken.with(&older, &|_| None).errors.contains_key("a.py"));
    }

    #[test]
    fn a_broken_conftest_keeps_what_lies_below_it() {
        let first = merge(&Inventory::default(), &Scope::All, &["a.py::t", "d/b.py::t"], &[], &[]);
        let second = merge(&first, &Scope::All, &["a.py::t"], &[error("d/conftest.py")], &[]);
        assert_eq!(ids(&second), ["a.py::t", "d/b.py::t"]);
        let third = merge(&second, &Scope::of_ids(["d/b.py"]), &["d/b.py::t"], &[], &[]);
        assert!(third.errors.is_empty());
    }

    #[test]
    fn a_partial_collection_touches_its_own_files_only() {
        let first = merge(&Inventory::default(), &Scope::All, &["a.py::t", "c.py::t"], &[], &[]);
        let second = merge(&first, &Scope::of_ids(["b.py", "a.py"]), &["b.py::t"], &[], &[]);
        assert_eq!(ids(&second), ["b.py::t", "c.py::t"]);
    }

    #[test]
    fn a_file_that_is_gone_goes() {
        let first = merge(&Inventory::default(), &Scope::All, &["a.py::t", "c.py::t"], &[], &[]);
        let second = merge(&first, &Scope::Paths(Default::default()), &[], &[], &["a.py"]);
        assert_eq!(ids(&second), ["c.py::t"]);
        assert_ne!(first.hash(), second.hash());
    }
}
