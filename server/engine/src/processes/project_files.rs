//! The folders that hold a project's own files: one rule for watching, listing and reading.

use std::path::{Path, PathBuf};

use ignore::{DirEntry, WalkBuilder};
use pytest_lens_analysis::is_cached_bytecode;

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
    entries(folder).filter_map(|entry| source(root, &entry))
}

/// The name of an entry, if it is a Python file.
fn source(root: &Path, entry: &DirEntry) -> Option<String> {
    let path = entry.path();
    let is_source = path.extension().is_some_and(|extension| extension == "py") && path.is_file();
    is_source.then(|| relative(root, path)).flatten()
}

/// The top of the repository around a folder, if there is one.
pub(crate) fn repository_around(folder: &Path) -> Option<&Path> {
    folder.ancestors().find(|folder| folder.join(".git").exists())
}

/// Whether a path leads to the folder of installed packages, or into it.
pub(crate) fn is_installed(path: &Path) -> bool {
    path.iter().any(|part| part == "site-packages" || part == "dist-packages")
}

/// The sources of the package that a source belongs to, itself included if it exists; only itself if there is none.
pub(crate) fn package_of(source: &Path) -> impl Iterator<Item = PathBuf> {
    let packages = source.ancestors().skip(1).take_while(|folder| folder.join("__init__.py").is_file());
    let place = packages.last().unwrap_or(source).to_owned();
    let sources: Vec<String> = sources(&place, &place).collect();
    sources.into_iter().map(move |path| if path.is_empty() { place.clone() } else { place.join(path) })
}

/// A link in a project, and the file or folder that it leads to.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    at: PathBuf,
    to: PathBuf,
}

/// The Python files among the project's own entries, and the links.
pub(crate) fn sources_and_links(root: &Path) -> (Vec<String>, Vec<Link>) {
    let (mut sources, mut links) = (Vec::new(), Vec::new());
    for entry in entries(root) {
        sources.extend(source(root, &entry));
        if entry.path_is_symlink() && entry.path() != root {
            let at = entry.into_path();
            links.extend(at.canonicalize().ok().map(|to| Link { at, to }));
        }
    }
    (sources, links)
}

/// The further names of a file, relative to the root, by which links lead to it.
pub(crate) fn names_by_links(root: &Path, links: &[Link], path: &str) -> Vec<String> {
    if links.is_empty() {
        return Vec::new();
    }
    let path = root.join(path);
    let named = |link: &Link| {
        let rest = path.strip_prefix(&link.to).ok()?;
        let name = if rest.as_os_str().is_empty() { link.at.clone() } else { link.at.join(rest) };
        relative(root, &name)
    };
    links.iter().filter_map(named).collect()
}

/// Returns whether a change of a path may matter: it is in no folder that is left out by name, and is no file of an
/// editor or compiler.
pub(crate) fn matters(root: &Path, path: &Path) -> bool {
    let inside = path.strip_prefix(root).unwrap_or(path);
    let is_foreign = inside.iter().filter_map(|part| part.to_str()).any(|part| FOREIGN.contains(&part));
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    !is_foreign && !is_cached_bytecode(name) && !["~", ".swp"].iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_package_has_all_that_is_in_its_highest_folder() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        for name in ["top/x.py", "top/pkg/__init__.py", "top/pkg/sub/__init__.py", "top/pkg/sub/y.py"] {
            fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
            fs::write(root.join(name), "").unwrap();
        }
        let of = |path: &str| {
            let source = root.join(path);
            let found = package_of(&source).map(|path| relative(root, &path).unwrap());
            found.collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>()
        };
        let all = ["top/pkg/__init__.py", "top/pkg/sub/__init__.py", "top/pkg/sub/y.py"];
        assert_eq!(of("top/pkg/sub/y.py"), all);
        assert_eq!(of("top/pkg/sub/gone.py"), all);
        assert_eq!(of("top/x.py"), ["top/x.py"]);
        assert_eq!(of("top/gone.py"), Vec::<String>::new());
    }

    #[cfg(unix)]
    #[test]
    fn a_file_has_the_names_of_links_to_it_and_to_its_folders() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("real/deep")).unwrap();
        fs::write(root.join("real/deep/x.py"), "").unwrap();
        for (at, to) in [("package", "real"), ("mod.py", "real/deep/x.py"), ("lost", "nowhere")] {
            std::os::unix::fs::symlink(to, root.join(at)).unwrap();
        }
        let (_, links) = sources_and_links(&root);
        let names = |path: &str| {
            let mut names = names_by_links(&root, &links, path);
            names.sort();
            names
        };
        assert_eq!(names("real/deep/x.py"), ["mod.py", "package/deep/x.py"]);
        assert_eq!(names("real/gone.py"), ["package/gone.py"]);
        assert_eq!(names(&root.join("real/gone.py").to_string_lossy()), ["package/gone.py"]);
        assert_eq!(names("other/x.py"), Vec::<String>::new());
    }

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
        assert!(!matters(root, &root.join("node_modules/a.py")) && !matters(root, &root.join("a.cpython-313.pyc")));
    }
}
