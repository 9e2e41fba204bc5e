//! The folders that hold a project's own files: one rule for watching, listing and reading.

use std::path::{Path, PathBuf};

use ignore::{DirEntry, WalkBuilder};

use crate::model::import_graph::relative;

/// Names of folders with generated or installed files, in any project.
const FOREIGN: [&str; 2] = ["__pycache__", "node_modules"];

/// A sentence that says that a project's root is gone, if it is.
pub(crate) fn gone(root: &Path) -> Option<String> {
    let sentence = || format!("the project's folder {} is gone; restore it, or close it here", root.display());
    (!root.is_dir()).then(sentence)
}

/// The project's own entries in a folder, at any depth, including the folder: no hidden entries, no environments,
/// nothing installed or compiled.
pub(crate) fn entries(folder: &Path) -> impl Iterator<Item = DirEntry> {
    let walk = WalkBuilder::new(folder)
        .standard_filters(false)
        .hidden(true)
        .filter_entry(|entry| {
            let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir());
            let is_foreign = is_folder && entry.file_name().to_str().is_some_and(|name| FOREIGN.contains(&name));
            let is_environment = is_folder && entry.path().join("pyvenv.cfg").is_file();
            !is_foreign && !is_environment
        })
        .build();
    walk.flatten()
}

/// The folders among them.
pub(crate) fn folders(folder: &Path) -> impl Iterator<Item = PathBuf> {
    entries(folder).filter(|entry| entry.file_type().is_some_and(|kind| kind.is_dir())).map(DirEntry::into_path)
}

/// The Python files among them, relative to `root`.
pub(crate) fn sources(root: &Path, folder: &Path) -> impl Iterator<Item = String> {
    let files = entries(folder).map(DirEntry::into_path);
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "py") && path.is_file());
    files.filter_map(|path| relative(root, &path))
}

/// Returns whether a change of a path may matter: it is in no folder that is left out by name, and is no file of an
/// editor or compiler.
pub(crate) fn matters(root: &Path, path: &Path) -> bool {
    let inside = path.strip_prefix(root).unwrap_or(path);
    let is_foreign = inside.iter().filter_map(|part| part.to_str()).any(|part| FOREIGN.contains(&part));
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    !is_foreign && ![".pyc", "~", ".swp"].iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_others_have_made_is_left_out_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let names =
            ["a.py", "sub/b.py", "env/lib/c.py", ".hidden/d.py", "node_modules/e.py", "__pycache__/f.py", "x.js"];
        for name in names {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        fs::write(root.join("env/pyvenv.cfg"), "").unwrap();
        let mut found: Vec<String> = sources(root, root).collect();
        found.sort();
        assert_eq!(found, ["a.py", "sub/b.py"]);
        let mut found: Vec<PathBuf> = folders(root).collect();
        found.sort();
        assert_eq!(found, [root.to_owned(), root.join("sub")]);
        // The folders above the root don't matter.
        let root = Path::new("/home/node_modules/project");
        assert!(matters(root, &root.join("a.py")));
        assert!(!matters(root, &root.join("node_modules/a.py")) && !matters(root, &root.join("a.pyc")));
    }
}
