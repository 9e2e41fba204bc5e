//! The nested projects of a root.
#![expect(clippy::unwrap_used, reason = "in a test, a failed step is a failed test")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use pytest_lens_analysis::listing::{NestedProjects, list, nested_projects, read_text};
use pytest_lens_analysis::{PytestSettings, settings_from};

fn write(root: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

fn settings(root: &Path) -> PytestSettings {
    settings_from(root, &|path| read_text(path).ok()).unwrap()
}

fn found(root: &Path, projects: Option<&[&str]>) -> NestedProjects {
    let projects = projects.map(|globs| globs.iter().map(|&glob| glob.to_owned()).collect::<Vec<_>>());
    nested_projects(root, &settings(root), projects.as_deref())
}

fn paths(nested: &NestedProjects) -> Vec<&str> {
    nested.projects.iter().map(|project| &*project.path).collect()
}

fn root() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    (folder, root)
}

#[test]
fn b11_every_kind_of_configuration_makes_a_project() {
    let (_folder, root) = root();
    write(
        &root,
        &[
            ("a/pytest.ini", ""),
            ("b/.pytest.ini", ""),
            ("c/pyproject.toml", "[tool.pytest.ini_options]\n"),
            ("d/pyproject.toml", "[tool.pytest]\nminversion = \"7\"\n"),
            ("e/tox.ini", "[pytest]\n"),
            ("f/setup.cfg", "[tool:pytest]\n"),
            ("g/pytest.toml", "[pytest]\n"),
            ("deep/er/h/.pytest.toml", "[pytest]\n"),
            ("no/pyproject.toml", "[project]\nname = 'x'\n"),
            ("no/tox.ini", "[tox]\n"),
            ("broken/pyproject.toml", "[tool.pytest.ini_options\n"),
            (".hidden/pytest.ini", ""),
            ("node_modules/x/pytest.ini", ""),
            ("build/pytest.ini", ""),
            ("env/pytest.ini", ""),
            ("env/pyvenv.cfg", ""),
            ("lib/site-packages/x/pytest.ini", ""),
            ("a/inner/pytest.ini", ""),
        ],
    );
    let nested = found(&root, None);
    assert_eq!(paths(&nested), ["a", "b", "broken", "c", "d", "deep/er/h", "e", "f", "g"]);
    assert_eq!(paths(&found(&root.join("a"), None)), ["inner"], "each has nested projects of its own");
    let of = |path: &str| nested.of(path).map(|(project, rest)| format!("{} {rest}", project.path));
    assert_eq!(of("a/test_x.py").as_deref(), Some("a test_x.py"));
    assert_eq!(of("deep/er/h").as_deref(), Some("deep/er/h "));
    assert_eq!((of("ab/test_x.py"), of("deep/er"), of("test_x.py")), (None, None, None));
}

#[test]
fn b11_the_setting_names_the_projects_or_says_that_there_are_none() {
    let (_folder, root) = root();
    write(&root, &[("pkg/a/pytest.ini", ""), ("pkg/b/test_b.py", ""), ("tools/pytest.ini", ""), ("pkg/file", "")]);
    assert_eq!(paths(&found(&root, None)), ["pkg/a", "tools"]);
    assert_eq!(paths(&found(&root, Some(&["pkg/*"]))), ["pkg/a", "pkg/b"]);
    assert_eq!(paths(&found(&root, Some(&["pkg", "pkg/*", "missing"]))), ["pkg"], "the outermost counts");
    assert!(found(&root, Some(&[])).is_empty());
}

#[test]
fn b11_a_listing_of_the_root_leaves_out_what_belongs_to_others() {
    let (_folder, root) = root();
    let test = "def test_x(): pass\n";
    write(&root, &[("test_top.py", test), ("a/pytest.ini", ""), ("a/test_a.py", test), ("ab/test_ab.py", test)]);
    let mut settings = settings(&root);
    let files = |settings: &PytestSettings| list(&root, settings).into_iter().map(|file| file.path).collect::<Vec<_>>();
    assert_eq!(files(&settings), ["a/test_a.py", "ab/test_ab.py", "test_top.py"]);
    settings.nested = found(&root, None);
    assert_eq!(files(&settings), ["ab/test_ab.py", "test_top.py"]);
}

#[test]
fn b11_testpaths_and_tests_decide_what_a_run_of_everything_includes() {
    let (_folder, root) = root();
    let ini = "[pytest]\ntestpaths = tests pkg/a/unit\nnorecursedirs = data\n";
    write(&root, &[("pytest.ini", ini), ("pkg/a/pytest.ini", ""), ("pkg/a/unit/test_x.py", "")]);
    write(&root, &[("tests/data/pytest.ini", ""), ("tests/sub/pytest.ini", ""), ("tests/sub/conftest.py", "")]);
    write(&root, &[("examples/pytest.ini", ""), ("examples/test_x.py", ""), ("tests/none/pytest.ini", "")]);
    let nested = found(&root, None);
    let parts: Vec<_> = nested.projects.iter().map(|project| (&*project.path, project.by_default.as_deref())).collect();
    let unit = ["unit".to_owned()];
    assert_eq!(
        parts,
        [("examples", None), ("pkg/a", Some(&unit[..])), ("tests/none", None), ("tests/sub", Some(&[][..]))]
    );
    let all = found(&root, Some(&["examples"]));
    assert_eq!(all.projects[0].by_default, Some(Vec::new()), "the setting goes over it");
}

#[test]
fn b11_links_make_no_cycles_and_no_project_twice() {
    let (_folder, root) = root();
    write(&root, &[("pkg/a/pytest.ini", ""), ("pytest.ini", ""), ("plain/test_x.py", "")]);
    symlink(root.join("pkg/a"), root.join("again")).unwrap();
    symlink(&root, root.join("pkg/loop")).unwrap();
    symlink(&root, root.join("pkg/a/loop")).unwrap();
    let (_other, outside) = self::root();
    write(&outside, &[("pytest.ini", "")]);
    symlink(&outside, root.join("elsewhere")).unwrap();
    symlink(root.join("plain"), root.join("link")).unwrap();
    let nested = found(&root, None);
    assert_eq!(paths(&nested), ["elsewhere", "pkg/a"]);
    assert_eq!(nested.links, ["again", "pkg/loop"]);
    assert_eq!(
        nested.problems,
        [
            "again is a link to the project pkg/a, whose tests run there only",
            "pkg/loop is a link to a folder that contains it, a cycle: nothing is collected in it; remove the link",
        ]
    );
    assert_eq!(found(&root.join("pkg/a"), None).links, ["loop"]);
    // Without any project it is as it is.
    assert!(found(&root.join("plain"), None).is_empty());
}

#[test]
fn b11_two_configurations_in_one_folder_are_one_sentence() {
    let (_folder, root) = root();
    write(&root, &[("a/pytest.ini", ""), ("a/pyproject.toml", "[tool.pytest.ini_options]\n")]);
    let sentence =
        "a: pytest reads pytest.ini, so its configuration in pyproject.toml does not count; keep one of them";
    assert_eq!(found(&root, None).problems, [sentence]);
}
