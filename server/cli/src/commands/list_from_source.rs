//! `pytest-lens list --static`: the tests that the source shows, without Python.

use std::io::Write;
use std::path::Path;

use pytest_lens_analysis::listing::{self, StaticFile};
use pytest_lens_analysis::{FileSettings, NodeKind, StaticNode, settings_from};
use pytest_lens_protocol::TestNodeInfo;

use crate::commands::list::{print, status};
use crate::failure::Failure;
use crate::options::arguments::List;
use crate::options::selectors;

/// Prints the functions and doctests that the source shows; files that can't be read go to standard error.
pub(crate) fn list(root: &Path, options: &List, out: &mut dyn Write) -> Result<i32, Failure> {
    let settings = settings_from(root, &|path| listing::read_text(path).ok())
        .map_err(|error| Failure::usage(error.to_string()))?;
    let projects = FileSettings::of_root(root).given.complete().projects;
    let files: Vec<StaticFile> = listing::tree(root, settings, projects.as_deref())
        .iter()
        .flat_map(|project| {
            let of_tree = |path: String| match project.path.as_str() {
                "" => path,
                _ if path.starts_with('/') => path,
                inside => format!("{inside}/{path}"),
            };
            let files = listing::list(&project.root, &project.settings).into_iter();
            files.map(move |file| StaticFile { path: of_tree(file.path.clone()), ..file })
        })
        .collect();
    let mut nodes: Vec<TestNodeInfo> = files.iter().flat_map(nodes).collect();
    let named = selectors::node_ids(root, &options.selectors)?;
    if !named.is_empty() {
        nodes.retain(|node| named.iter().any(|id| selectors::covers(id, &node.node_id)));
    }
    print(&nodes, options.json, out)?;
    let problems: Vec<String> = files.iter().filter_map(problem).collect();
    let mut stderr = std::io::stderr();
    for problem in &problems {
        // If standard error is closed, the exit status still says it.
        let _ = writeln!(stderr, "pytest-lens: {problem}");
    }
    Ok(status(problems.is_empty(), nodes.is_empty()))
}

fn problem(file: &StaticFile) -> Option<String> {
    let path = &file.path;
    match (&file.error, &file.outline.syntax_error) {
        (Some(error), _) => Some(format!("{path}: {error}")),
        (None, Some((at, message))) => Some(format!("{path}:{}: {message}", at.line + 1)),
        (None, None) => None,
    }
}

fn nodes(file: &StaticFile) -> impl Iterator<Item = TestNodeInfo> {
    file.outline.nodes.iter().filter(|node| node.kind != NodeKind::Class).map(|node| info(&file.path, node))
}

fn info(path: &str, node: &StaticNode) -> TestNodeInfo {
    TestNodeInfo {
        node_id: format!("{path}::{}", node.id_suffix()),
        file_path: path.to_owned(),
        lineno: Some(node.def_line),
        name: node.name.clone(),
        class_name: (!node.parents.is_empty()).then(|| node.parents.join("::")),
        markers: node.markers.clone(),
        skip: node.skip,
        xfail: node.xfail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::arguments::{EngineAt, Filter, Root};

    /// The printed text for a project of these files, and the exit status.
    fn listed(files: &[(&str, &str)], json: bool) -> (String, i32) {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let root = Root { root: Some(folder.path().to_owned()) };
        let options = List {
            selectors: Vec::new(),
            root,
            filter: Filter::default(),
            is_static: true,
            json,
            engine: EngineAt::default(),
        };
        let mut out = Vec::new();
        let status = match list(&folder.path().canonicalize().unwrap(), &options, &mut out) {
            Ok(status) => status,
            Err(failure) => panic!("{failure:?}"),
        };
        (String::from_utf8(out).unwrap(), status)
    }

    #[test]
    fn functions_and_methods_an_id_a_line() {
        let file =
            "import pytest\n\n@pytest.mark.slow\ndef test_a(): pass\n\nclass TestB:\n    def test_c(self): pass\n";
        let files = [("sub/test_x.py", file), ("pytest.ini", "[pytest]\n"), ("other.py", file)];
        let (text, status) = listed(&files, false);
        assert_eq!((text.as_str(), status), ("sub/test_x.py::test_a\nsub/test_x.py::TestB::test_c\n", 0));
        let (text, _) = listed(&files, true);
        insta::assert_snapshot!(text, @r#"
        {"node_id":"sub/test_x.py::test_a","file_path":"sub/test_x.py","lineno":4,"name":"test_a","class_name":null,"markers":["slow"],"skip":false,"xfail":false}
        {"node_id":"sub/test_x.py::TestB::test_c","file_path":"sub/test_x.py","lineno":7,"name":"test_c","class_name":"TestB","markers":[],"skip":false,"xfail":false}
        "#);
    }

    #[test]
    fn nothing_and_broken_files_have_pytests_status() {
        assert_eq!(listed(&[("a.py", "")], false), (String::new(), 5));
        let broken = "def test_a(): pass\n\ndef test_b(:\n";
        assert_eq!(listed(&[("test_x.py", broken)], false).1, 2);
    }
}
