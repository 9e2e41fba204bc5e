//! The files that a run of pytest without arguments visits, and their order.
#![expect(clippy::unwrap_used, reason = "in a test, a failed step is a failed test")]

use std::fs;
use std::path::Path;

use pytest_lens_analysis::{NodeKind, listing, settings_from};

/// Makes files, each with one test in it; a text given after `=` is written instead.
fn tree(files: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in files {
        let (path, text) = file.split_once('=').unwrap_or((file, "def test_a(): pass\n"));
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn listed(root: &Path) -> Vec<String> {
    let settings = settings_from(root, &|path| fs::read_to_string(path).ok()).unwrap();
    listing::list(root, &settings).into_iter().map(|file| file.path).collect()
}

#[test]
fn one_sorted_order_of_files_and_folders() {
    let folder = tree(&[
        "pytest.ini=",
        "test_b.py",
        "a/test_z.py",
        "c/test_a.py",
        "b/__init__.py",
        "b/a/test_c.py",
        "test_a.py",
        "Z_test.py",
        "other.py",
        "conftest.py",
    ]);
    assert_eq!(
        listed(folder.path()),
        ["Z_test.py", "a/test_z.py", "b/a/test_c.py", "c/test_a.py", "test_a.py", "test_b.py"]
    );
}

#[test]
fn folders_that_are_not_entered() {
    let folder = tree(&[
        "pytest.ini=",
        ".gitignore=ok\n",
        "ok/test_a.py",
        ".hidden/test_a.py",
        "build/test_a.py",
        "dist/test_a.py",
        "x.egg/test_a.py",
        "node_modules/test_a.py",
        "venv/test_a.py",
        "env/pyvenv.cfg=",
        "env/lib/test_a.py",
        "conda/conda-meta/history=",
        "conda/test_a.py",
        "__pycache__/test_a.py",
        "{arch}/test_a.py",
    ]);
    assert_eq!(listed(folder.path()), ["ok/test_a.py"]);
    fs::write(folder.path().join("pytest.ini"), "[pytest]\nnorecursedirs = ok\naddopts = --collect-in-virtualenv\n")
        .unwrap();
    assert_eq!(listed(folder.path()).len(), 9);
}

#[test]
fn testpaths_globs_and_named_files() {
    let files = ["x/tests/test_a.py", "y/tests/test_b.py", "z/test_c.py", "odd.py", "y/tests/build/test_d.py"];
    let ini = |text: &str| {
        let config = format!("pytest.ini=[pytest]\n{text}\n");
        let folder = tree(&[&files[..], &[&config]].concat());
        listed(folder.path())
    };
    assert_eq!(ini("testpaths = */tests"), ["x/tests/test_a.py", "y/tests/test_b.py"]);
    assert_eq!(ini("testpaths = y z/../x ./y/tests"), ["y/tests/test_b.py", "x/tests/test_a.py"]);
    assert_eq!(ini("testpaths = **/build odd.py"), ["y/tests/build/test_d.py", "odd.py"]);
    assert_eq!(ini("testpaths = nowhere").len(), 3, "nothing found means everything");
    assert_eq!(ini("testpaths = x\naddopts = -q z"), ["z/test_c.py"]);
    assert_eq!(ini("addopts = --ignore=x --ignore-glob='*_b.py'"), ["z/test_c.py"]);
}

#[test]
fn testpaths_count_only_in_the_rootdir() {
    let folder = tree(&["pytest.ini=[pytest]\ntestpaths = t\n", "t/test_a.py", "sub/test_b.py", "sub/t/test_c.py"]);
    assert_eq!(listed(folder.path()), ["t/test_a.py"]);
    assert_eq!(listed(&folder.path().join("sub")), ["t/test_c.py", "test_b.py"]);
}

#[test]
fn docstrings_of_all_modules() {
    let doc = "def f():\n    '''\n    >>> 1\n    '''\ndef test_no(): pass\n";
    let both = "def test_yes():\n    '''\n    >>> 1\n    '''\n";
    let files = [
        "pytest.ini=[pytest]\naddopts = --doctest-modules\n".to_owned(),
        "pkg/__init__.py=".to_owned(),
        format!("pkg/mod.py={doc}"),
        format!("test_x.py={both}"),
    ];
    let folder = tree(&files.each_ref().map(String::as_str));
    let settings = settings_from(folder.path(), &|path| fs::read_to_string(path).ok()).unwrap();
    let ids: Vec<_> = listing::list(folder.path(), &settings)
        .iter()
        .flat_map(|file| {
            file.outline.nodes.iter().map(move |node| (format!("{}::{}", file.path, node.id_suffix()), node.kind))
        })
        .collect();
    let expected = [
        ("pkg/mod.py::pkg.mod.f", NodeKind::Doctest),
        ("test_x.py::test_x.test_yes", NodeKind::Doctest),
        ("test_x.py::test_yes", NodeKind::Function),
    ];
    assert_eq!(ids, expected.map(|(id, kind)| (id.to_owned(), kind)));
}

#[test]
fn odd_files() {
    let folder = tree(&["pytest.ini="]);
    let root = folder.path();
    fs::write(root.join("test_latin.py"), b"# coding: latin-1\ndef test_\xe9(): pass\n").unwrap();
    fs::write(root.join("test_raw.py"), b"x = '\xff'\ndef test_a(): pass\n").unwrap();
    fs::create_dir(root.join("test_dir.py")).unwrap();
    let settings = settings_from(root, &|path| fs::read_to_string(path).ok()).unwrap();
    let files = listing::list(root, &settings);
    let names: Vec<_> = files.iter().map(|file| (file.path.as_str(), file.outline.nodes[0].name.as_str())).collect();
    assert_eq!(names, [("test_latin.py", "test_é"), ("test_raw.py", "test_a")]);
    assert!(files.iter().all(|file| file.mtime_ns.is_some() && file.size > 0 && file.error.is_none()));
}

#[cfg(unix)]
#[test]
fn links_are_followed_but_not_in_circles() {
    let folder = tree(&["pytest.ini=", "a/test_a.py"]);
    let root = folder.path();
    std::os::unix::fs::symlink(root.join("a"), root.join("b")).unwrap();
    std::os::unix::fs::symlink(root, root.join("a/up")).unwrap();
    std::os::unix::fs::symlink(root.join("nowhere.py"), root.join("test_broken.py")).unwrap();
    assert_eq!(listed(root), ["a/test_a.py", "b/test_a.py"]);
}
