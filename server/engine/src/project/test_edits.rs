//! Edits of test files that are within the bodies of tests: no other test's outcome is stale by them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pytest_lens_analysis::functions::Functions;
use pytest_lens_analysis::{are_lone, listing::read_text};
use pytest_lens_history::Code;
use pytest_lens_protocol::NodeId;

use crate::model::inventory::FileEntry;
use crate::model::versions::Versions;
use crate::project::Project;

/// The most versions of files whose functions are kept.
const MANY: usize = 20_000;

/// The names of edited tests, without their classes, by their file relative to the root.
pub(crate) type Edits = BTreeMap<String, BTreeSet<String>>;

/// The functions of versions of test files, by the hash of their content.
#[derive(Default)]
pub(crate) struct KnownVersions(Mutex<HashMap<[u8; 32], Arc<Functions>>>);

impl KnownVersions {
    fn functions(&self) -> MutexGuard<'_, HashMap<[u8; 32], Arc<Functions>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the functions of these files as they are now. Blocks.
    pub(crate) fn note<'a>(&self, project: &Project, files: impl Iterator<Item = &'a str>, present: &Code) {
        let mut known = self.functions();
        for file in files {
            let Some(content) = present.files().get(Path::new(file)).map(|file| file.content) else {
                continue;
            };
            if known.contains_key(&content) {
                continue;
            }
            // The file may have changed since its content was hashed.
            let functions = project.state.analyses.functions(&project.state.root.join(file));
            if let Some(functions) = functions.filter(|functions| content.starts_with(&functions.text.to_be_bytes())) {
                if known.len() >= MANY {
                    known.clear();
                }
                known.insert(content, functions);
            }
        }
    }

    /// Those of the changed files in which nothing but bodies of tests differs from the version in a run, and which
    /// nothing but pytest executes these tests in.
    pub(crate) fn edits(
        &self,
        project: &Project,
        versions: &Versions,
        run_ms: u64,
        changed: &BTreeSet<String>,
        present: &Code,
    ) -> Edits {
        let tests = tests_by_file(project, changed);
        let known = self.functions();
        let edited = |file: &String| {
            let path = Path::new(file);
            let now = present.files().get(path).map(|file| file.content)?;
            let (then, now) = (known.get(&versions.content_of(path, run_ms)?)?, known.get(&now)?);
            let names = edited_bodies(then, now)?;
            let short: BTreeSet<String> = names.iter().map(|name| short(name).to_owned()).collect();
            let text = read_text(&project.state.root.join(file)).ok()?;
            (short.iter().all(|name| tests.get(file).is_some_and(|tests| tests.contains(name)))
                && are_lone(&text, &names))
            .then(|| (file.clone(), short))
        };
        changed.iter().filter_map(edited).collect()
    }
}

/// The names of the collected tests in these files.
fn tests_by_file(project: &Project, files: &BTreeSet<String>) -> HashMap<String, BTreeSet<String>> {
    let inventory = project.state.inventory.load();
    let changed = inventory.files.iter().filter(|file| files.contains(&*file.path));
    let names = |file: &FileEntry| file.nodes.iter().map(|node| test_name(&node.id).to_owned()).collect();
    changed.map(|file| (file.path.to_string(), names(file))).collect()
}

/// The functions, by qualified name, whose bodies differ; `None` if anything else does.
fn edited_bodies(then: &Functions, now: &Functions) -> Option<BTreeSet<String>> {
    let is_same = then.outside == now.outside && then.hollow == now.hollow && then.bodies.keys().eq(now.bodies.keys());
    let differs = |(name, body): &(&String, &u64)| now.bodies.get(*name) != Some(*body);
    is_same.then(|| then.bodies.iter().filter(differs).map(|(name, _)| name.clone()).collect())
}

/// The name of the function of a test, without its class and parameters.
pub(crate) fn test_name(id: &str) -> &str {
    let inside = &id[NodeId::new(id).file().len()..];
    let name = inside.split('[').next().unwrap_or(inside);
    name.rsplit("::").next().unwrap_or(name)
}

fn short(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use pytest_lens_analysis::functions::functions;

    use super::*;

    fn edited(from: &str, to: &str) -> Option<Vec<String>> {
        let text = "import x\ndef test_a(y=1):\n    assert x\nclass TestB:\n    def test_c(self): assert 1\n";
        assert!(text.contains(from));
        let names = edited_bodies(&functions(text.as_bytes()), &functions(text.replace(from, to).as_bytes()));
        names.map(|names| names.into_iter().collect())
    }

    #[test]
    fn only_a_body_is_an_edit_of_single_tests() {
        assert_eq!(edited("assert x", "assert not x"), Some(vec!["test_a".to_owned()]));
        assert_eq!(edited("assert 1", "assert 2"), Some(vec!["TestB.test_c".to_owned()]));
        assert_eq!(edited("import x", "# here\nimport x"), Some(vec![]));
        for (from, to) in
            [("import x", "import y"), ("y=1", "y=2"), ("test_c", "test_d"), ("def test_a", "@z\ndef test_a")]
        {
            assert_eq!(edited(from, to), None, "{to}");
        }
    }

    #[test]
    fn a_test_is_found_by_the_name_of_its_function() {
        let names = ["a/t.py::test_x", "t.py::A::test_x[1::2]", "t.py::A::B::test_x[[a]]"].map(test_name);
        assert_eq!(names, ["test_x"; 3]);
    }
}
