//! The nested projects of a root, for what a command decides by itself. The engine finds them, too.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use pytest_lens_analysis::listing::{NestedProjects, nested_projects, read_text};
use pytest_lens_analysis::settings_from;
use pytest_lens_protocol::{NodeId, Settings};

use super::selectors;

/// The nested projects of a root; `settings`: those in its files. Prints what is wrong with them, a sentence each, to
/// standard error.
pub(crate) fn nested(root: &Path, settings: &Settings) -> NestedProjects {
    // pytest itself reports a configuration that can't be read.
    let pytest = settings_from(root, &|path| read_text(path).ok()).unwrap_or_default();
    let nested = nested_projects(root, &pytest, settings.projects.as_deref());
    let mut stderr = std::io::stderr();
    for problem in &nested.problems {
        // If standard error is closed, nobody reads it.
        let _ = writeln!(stderr, "pytest-lens: {problem}");
    }
    nested
}

/// The folder whose configuration counts for the selected tests: that of the nested project in which all of them are,
/// otherwise the root.
pub(crate) fn configured_in(root: &Path, nested: &NestedProjects, selected: &[String]) -> PathBuf {
    let ids = selectors::node_ids(root, selected).unwrap_or_default();
    let mut projects = ids.iter().map(|id| nested.of(NodeId::new(id).file()).map(|(project, _)| &project.path));
    match projects.next() {
        Some(Some(first)) if projects.all(|other| other == Some(first)) => root.join(first),
        _ => root.to_owned(),
    }
}

/// The folders of the projects that node ids belong to; empty for the root. No ids stand for everything.
pub(crate) fn of_ids(nested: &NestedProjects, ids: &[String]) -> BTreeSet<String> {
    let mut folders = BTreeSet::new();
    if ids.is_empty() {
        let usual = nested.projects.iter().filter(|project| project.by_default.is_some());
        folders.extend(usual.map(|project| project.path.clone()).chain([String::new()]));
    }
    for id in ids {
        let file = NodeId::new(id).file().trim_end_matches('/');
        match nested.of(file) {
            Some((project, _)) => drop(folders.insert(project.path.clone())),
            None => {
                let below = nested.projects.iter().filter(|project| selectors::covers(file, &project.path));
                folders.extend(below.map(|project| project.path.clone()).chain([String::new()]));
            }
        }
    }
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b11_the_configuration_of_the_only_project_counts() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for name in ["a/pytest.ini", "a/test_x.py", "b/pytest.ini", "b/test_x.py", "test_x.py"] {
            std::fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
            std::fs::write(root.join(name), "").unwrap();
        }
        let nested = nested(&root, &Settings::default());
        let of = |selected: &[&str]| {
            let selected: Vec<String> = selected.iter().map(|&id| id.to_owned()).collect();
            configured_in(&root, &nested, &selected)
        };
        assert_eq!(of(&["a/test_x.py::test", "a"]), root.join("a"));
        assert_eq!(of(&["a", "b"]), root);
        assert_eq!(of(&["a", "test_x.py"]), root);
        assert_eq!(of(&[]), root);
        let of_ids = |ids: &[&str]| of_ids(&nested, &ids.iter().map(|&id| id.to_owned()).collect::<Vec<_>>());
        let folders = |folders: &[&str]| folders.iter().map(|&folder| folder.to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(of_ids(&[]), folders(&["", "a", "b"]));
        assert_eq!(of_ids(&["a/test_x.py::test", "a"]), folders(&["a"]));
        assert_eq!(of_ids(&["."]), folders(&["", "a", "b"]));
        assert_eq!(of_ids(&["b/test_x.py", "test_x.py"]), folders(&["", "b"]));
    }
}
