//! Turns the user's paths and ids into node ids relative to the root, with `/`.

use std::path::{Component, Path, PathBuf};

use pytest_lens_analysis::listing::{read_text, restricted_to};
use pytest_lens_analysis::settings_from;

use pytest_lens_protocol::NodeId;

use crate::failure::Failure;
use crate::suggest;

/// The root: an existing folder, absolute, its symlinks resolved. The current folder by default.
pub(crate) fn root(given: Option<&Path>) -> Result<PathBuf, Failure> {
    let given = given.unwrap_or(Path::new("."));
    let shown = given.display();
    let root = given.canonicalize().map_err(|error| {
        Failure::usage(format!("the root `{shown}` can't be opened ({error}); give the project's folder with --root"))
    })?;
    if root.is_dir() {
        Ok(root)
    } else {
        Err(Failure::usage(format!("the root `{shown}` is not a folder; give the project's folder with --root")))
    }
}

/// The root for a daemon: by default pytest's rootdir for the current folder, so that all clients of a project share
/// one context. The selectors stay relative to the current folder, and select it if there are none.
pub(crate) fn shared_root(given: Option<&Path>, selectors: &mut Vec<String>) -> Result<PathBuf, Failure> {
    let here = root(given)?;
    match given {
        Some(_) => Ok(here),
        None => Ok(around(&here, &here, selectors)),
    }
}

/// The root of a command: the given folder, or the current one. If a selector leads out of the latter, as pytest allows,
/// it is pytest's rootdir, which has all of them.
pub(crate) fn root_around(given: Option<&Path>, selectors: &mut Vec<String>) -> Result<PathBuf, Failure> {
    let here = root(given)?;
    let is_within = given.is_some() || !selectors.iter().any(|selector| leads_out(&here, selector));
    if is_within {
        return Ok(here);
    }
    let above = common_folder(&here, selectors).unwrap_or_else(|| here.clone());
    Ok(around(&here, &above, selectors))
}

/// The innermost folder with all existing paths that the selectors name.
fn common_folder(here: &Path, selectors: &[String]) -> Option<PathBuf> {
    let paths = selectors.iter().filter_map(|selector| here.join(NodeId::new(selector).file()).canonicalize().ok());
    let folders = paths.filter_map(|path| if path.is_dir() { Some(path) } else { path.parent().map(Path::to_owned) });
    folders.reduce(|one, other| common_ancestor(&one, &other))
}

fn common_ancestor(one: &Path, other: &Path) -> PathBuf {
    one.ancestors().find(|folder| other.starts_with(folder)).unwrap_or(one).to_owned()
}

fn leads_out(here: &Path, selector: &str) -> bool {
    let path = Path::new(NodeId::new(selector).file());
    let plain = if path.is_absolute() { path.canonicalize().ok() } else { tidy(path) };
    plain.is_none_or(|plain| plain.is_absolute() && !plain.starts_with(here))
}

/// pytest's rootdir in the folder `here` for arguments whose common folder is `above`; makes the selectors relative to it.
fn around(here: &Path, above: &Path, selectors: &mut Vec<String>) -> PathBuf {
    let root = match settings_from(above, &|path| read_text(path).ok()) {
        Ok(settings) if settings.inifile.is_some() || settings.rootdir != above => settings.rootdir,
        // The folder is a project of its own, as for pytest; a configuration that can't be read is reported there.
        _ if above.join("setup.py").is_file() => above.to_owned(),
        Err(_) => above.to_owned(),
        Ok(_) => match common_ancestor(here, above) {
            root if root.parent().is_none() => above.to_owned(),
            root => root,
        },
    };
    for selector in selectors.iter_mut() {
        let path = NodeId::new(selector).file();
        let is_elsewhere = root != here || leads_out(here, selector);
        if is_elsewhere && Path::new(path).is_relative() && here.join(path).exists() {
            *selector = format!("{}/{selector}", here.display());
        }
    }
    if root != here && selectors.is_empty() {
        selectors.push(here.display().to_string());
    }
    root
}

/// The root among node ids.
pub(crate) const ROOT: &str = ".";

/// The node ids that the selectors name; empty = all.
pub(crate) fn node_ids(root: &Path, selectors: &[String]) -> Result<Vec<String>, Failure> {
    let mut ids = Vec::with_capacity(selectors.len());
    for selector in selectors {
        let id = relative(root, selector)?;
        let id = if id.is_empty() { ROOT.to_owned() } else { id };
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    // The root has all tests. An id may name none all the same.
    let names_no_test = ids.iter().all(|id| !id.contains("::"));
    if ids.iter().any(|id| id == ROOT) && names_no_test && !is_restricted(root) {
        return Ok(Vec::new());
    }
    Ok(ids)
}

/// Whether the configuration restricts a run without paths to a part of the root.
fn is_restricted(root: &Path) -> bool {
    // Its words may be paths.
    let is_set = std::env::var_os("PYTEST_ADDOPTS").is_some();
    // pytest itself reports a configuration that can't be read.
    let settings = settings_from(root, &|path| read_text(path).ok());
    is_set || settings.is_ok_and(|settings| restricted_to(root, &settings).is_some())
}

/// Whether an id selects a test: by its own id, or that of its function, class, file or folder.
pub(crate) fn covers(id: &str, test: &str) -> bool {
    id == ROOT
        || test.strip_prefix(id.trim_end_matches('/')).is_some_and(|rest| {
            rest.is_empty() || rest.starts_with("::") || rest.starts_with('[') || rest.starts_with('/')
        })
}

/// Whether the ids select something in a file, or in the folder of a `conftest.py` or `__init__.py`.
pub(crate) fn is_selected_file(asked: &[String], path: &str) -> bool {
    let of_folder = ["conftest.py", "__init__.py"].iter().find_map(|name| path.strip_suffix(name));
    let of_folder = of_folder.filter(|folder| folder.is_empty() || folder.ends_with('/'));
    asked.is_empty()
        || asked.iter().any(|id| {
            if id == ROOT {
                return true;
            }
            let file = NodeId::new(id).file();
            let within = path.strip_prefix(file).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            within || of_folder.is_some_and(|folder| file.starts_with(folder))
        })
}

/// The test, class or function that is nearest to an id without a test.
pub(crate) fn nearest_test<'a>(id: &str, tests: impl Iterator<Item = &'a str>) -> Option<String> {
    let (file, wanted) = id.split_once("::")?;
    let mut known = std::collections::BTreeSet::new();
    for test in tests {
        let Some(rest) = test.strip_prefix(file).and_then(|rest| rest.strip_prefix("::")) else { continue };
        let function = rest.split_once('[').map_or(rest, |(function, _)| function);
        known.extend([rest, function]);
        known.extend(function.match_indices("::").filter_map(|(end, _)| function.get(..end)));
        // The name alone is enough: the class may be missing or wrong.
        let name = function.rsplit("::").next().unwrap_or(function);
        if wanted.rsplit("::").next() == Some(name) {
            return Some(format!("{file}::{function}"));
        }
    }
    let nearest = suggest::nearest(wanted, known)?;
    Some(format!("{file}::{nearest}"))
}

/// The files and folders among these ids that none of the tests are in.
pub(crate) fn without_tests<'a>(
    ids: &'a [String],
    tests: impl Iterator<Item = &'a str> + Clone,
) -> impl Iterator<Item = &'a str> {
    let paths = ids.iter().map(String::as_str).filter(|id| !id.contains("::"));
    paths.filter(move |path| !tests.clone().any(|test| covers(path, test)))
}

/// The sentence on a file or folder of which nothing is listed.
pub(crate) fn no_tests_in(path: &str) -> String {
    format!(
        "no tests in `{path}`, or the configuration leaves it out of the list (`testpaths`, say); a run of it by name runs all that it has"
    )
}

/// One selector, relative to the root; empty if it is the root itself.
fn relative(root: &Path, selector: &str) -> Result<String, Failure> {
    let (path, test) = NodeId::new(selector).split();
    let outside = || {
        let root = root.display();
        Failure::usage(format!("`{path}` lies outside of the root `{root}`; give the project's folder with --root"))
    };
    let plain = if Path::new(path).is_absolute() {
        let plain = tidy(Path::new(path)).ok_or_else(outside)?;
        let resolved = Path::new(path).canonicalize().ok();
        let found = plain.strip_prefix(root).ok().or(resolved.as_deref().and_then(|path| path.strip_prefix(root).ok()));
        found.ok_or_else(outside)?.to_owned()
    } else {
        tidy(Path::new(path)).ok_or_else(outside)?
    };
    // The engine finds tests; paths are checked here, where a suggestion is possible.
    if !root.join(&plain).exists() {
        return Err(Failure::usage(not_found(root, path)));
    }
    let plain: Vec<_> = plain.iter().map(|part| part.to_string_lossy()).collect();
    let plain = plain.join("/");
    Ok(match test {
        Some(test) => format!("{plain}::{test}"),
        None => plain,
    })
}

/// The path without `.` and `..`; `None` if it leads out of its start.
pub(crate) fn tidy(path: &Path) -> Option<PathBuf> {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                if !plain.pop() {
                    return None;
                }
            }
            other => plain.push(other),
        }
    }
    Some(plain)
}

/// The sentence on a path that does not exist, with the path that is nearest or is meant from the current folder.
pub(crate) fn not_found(root: &Path, path: &str) -> String {
    let here = Path::new(path).canonicalize().ok();
    match here.as_deref().and_then(|here| here.strip_prefix(root).ok()) {
        Some(meant) => {
            let meant = meant.display();
            format!("file or folder not found: `{path}`; paths are relative to the root: give `{meant}`")
        }
        None => {
            let plain = tidy(Path::new(path)).and_then(|plain| suggest::nearest_path(root, &plain));
            let meant = plain.map(|meant| meant.display().to_string());
            format!(
                "file or folder not found: `{path}` (in `{}`){}",
                root.display(),
                suggest::did_you_mean(meant.as_deref())
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A project with a file in a folder.
    fn project() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        std::fs::write(folder.path().join("sub/test_a.py"), "").unwrap();
        let root = root(Some(folder.path())).unwrap();
        (folder, root)
    }

    fn ids(root: &Path, selectors: &[&str]) -> Result<Vec<String>, String> {
        let selectors: Vec<String> = selectors.iter().map(|&text| text.to_owned()).collect();
        node_ids(root, &selectors).map_err(|failure| match failure {
            Failure::Message { sentence, status: 4 } => sentence.replace(&root.display().to_string(), "ROOT"),
            other => format!("{other:?}"),
        })
    }

    #[test]
    fn d7_a_part_of_a_project_is_run_as_that_of_the_whole() {
        let (_folder, root) = project();
        let sub = root.join("sub");
        let asked = |here: &Path, selectors: &[&str]| {
            let mut selectors: Vec<String> = selectors.iter().map(|&selector| selector.to_owned()).collect();
            let root = around(here, here, &mut selectors);
            (node_ids(&root, &selectors).unwrap(), root)
        };
        assert_eq!(asked(&sub, &[]), (vec![], sub.clone()), "no configuration: a project of its own");
        std::fs::write(root.join("pytest.ini"), "[pytest]\n").unwrap();
        let ids = |ids: &[&str]| (ids.iter().map(|&id| id.to_owned()).collect(), root.clone());
        assert_eq!(asked(&root, &[]), ids(&[]));
        assert_eq!(asked(&sub, &[]), ids(&["sub"]));
        assert_eq!(asked(&sub, &["test_a.py::test_x", "."]), ids(&["sub/test_a.py::test_x", "sub"]));
        assert_eq!(asked(&sub, &["sub/test_a.py"]), ids(&["sub/test_a.py"]), "as it is refusal");
        assert_eq!(asked(&sub, &[".."]), ids(&[]));
        std::fs::write(sub.join("pytest.ini"), "[pytest]\n").unwrap();
        assert_eq!(asked(&sub, &["test_a.py"]), (vec!["test_a.py".to_owned()], sub.clone()), "nested");
    }

    #[test]
    fn selectors_outside_of_the_folder_are_those_of_the_project() {
        let (_folder, root) = project();
        std::fs::create_dir(root.join("other")).unwrap();
        std::fs::write(root.join("other/test_o.py"), "").unwrap();
        let asked = |given: &[&str]| {
            let mut selectors: Vec<String> = given.iter().map(|&selector| selector.to_owned()).collect();
            let above = common_folder(&root.join("sub"), &selectors).unwrap();
            let root = around(&root.join("sub"), &above, &mut selectors);
            (node_ids(&root, &selectors).unwrap(), root)
        };
        let ids =
            |ids: &[&str], root: &Path| (ids.iter().map(|&id| id.to_owned()).collect::<Vec<_>>(), root.to_owned());
        let all = asked(&["test_a.py", "../other/test_o.py::test"]);
        assert_eq!(all, ids(&["sub/test_a.py", "other/test_o.py::test"], &root), "without any configuration");
        assert_eq!(asked(&["../other"]), ids(&["other"], &root));
        assert_eq!(asked(&["../sub/test_a.py"]), ids(&["test_a.py"], &root.join("sub")));
        std::fs::write(root.join("other/pytest.ini"), "no section").unwrap();
        assert_eq!(asked(&["../other"]), ids(&[], &root.join("other")), "it is reported there");
        std::fs::remove_file(root.join("other/pytest.ini")).unwrap();
        std::fs::write(root.join("other/setup.py"), "").unwrap();
        assert_eq!(asked(&["../other"]), ids(&[], &root.join("other")));
        for folder in ["", "sub", "other"] {
            std::fs::write(root.join(folder).join("pytest.ini"), "[pytest]\n").unwrap();
        }
        assert_eq!(asked(&["test_a.py", "../sub", ".."]), ids(&[], &root));
        assert_eq!(asked(&["test_a.py", "../other"]), ids(&["sub/test_a.py", "other"], &root));
        assert_eq!(asked(&["../other/test_o.py"]), ids(&["test_o.py"], &root.join("other")));
        let here = root.join("sub");
        for (within, selector) in [(true, "./test_a.py"), (false, ".."), (false, "../other/test_o.py")] {
            assert_eq!(leads_out(&here, selector), !within, "{selector}");
        }
    }

    #[test]
    fn spellings_of_one_path_are_one_id() {
        let (_folder, root) = project();
        let absolute = root.join("sub/test_a.py").display().to_string();
        for spelling in ["sub/test_a.py", "./sub/test_a.py", "sub//test_a.py", "sub/../sub/./test_a.py", &absolute] {
            assert_eq!(ids(&root, &[spelling]), Ok(vec!["sub/test_a.py".into()]), "{spelling}");
            let test = format!("{spelling}::TestX::test_y[./a::b/]");
            assert_eq!(ids(&root, &[&test]), Ok(vec!["sub/test_a.py::TestX::test_y[./a::b/]".into()]));
        }
        assert_eq!(ids(&root, &["sub/"]), Ok(vec!["sub".into()]));
        assert_eq!(ids(&root, &["sub", "./sub/", "sub/test_a.py"]), Ok(vec!["sub".into(), "sub/test_a.py".into()]));
    }

    #[test]
    fn the_root_itself_is_everything() {
        let (_folder, root) = project();
        let absolute = root.display().to_string();
        for spelling in [".", "./", "sub/..", &absolute] {
            assert_eq!(ids(&root, &["sub", spelling]), Ok(vec![]), "{spelling}");
        }
        assert_eq!(ids(&root, &[]), Ok(vec![]));
        let with_id = ["sub/test_a.py::test_x", "."];
        assert_eq!(ids(&root, &with_id), Ok(with_id.map(str::to_owned).to_vec()), "the test may not exist");
        assert!(ids(&root, &[".", "nowhere.py"]).is_err());
        std::fs::write(root.join("pytest.ini"), "[pytest]\ntestpaths = sub\n").unwrap();
        assert_eq!(ids(&root, &["sub", "."]), Ok(vec!["sub".into(), ".".into()]), "more than the configuration names");
    }

    #[test]
    fn a_path_through_a_symlink_is_found() {
        let (folder, root) = project();
        let link = tempfile::tempdir().unwrap();
        let link = link.path().join("link");
        std::os::unix::fs::symlink(folder.path(), &link).unwrap();
        let through = link.join("sub/test_a.py").display().to_string();
        assert_eq!(ids(&root, &[&through]), Ok(vec!["sub/test_a.py".into()]));
    }

    #[test]
    fn what_is_not_there_is_named() {
        let (_folder, root) = project();
        insta::assert_snapshot!(ids(&root, &["sub", "tests/test_b.py"]).unwrap_err(), @"file or folder not found: `tests/test_b.py` (in `ROOT`)");
        insta::assert_snapshot!(ids(&root, &["../other"]).unwrap_err(), @"`../other` lies outside of the root `ROOT`; give the project's folder with --root");
        insta::assert_snapshot!(ids(&root, &["/elsewhere/test_a.py::test_x"]).unwrap_err(), @"`/elsewhere/test_a.py` lies outside of the root `ROOT`; give the project's folder with --root");
        let src = super::root(Some(Path::new("src"))).unwrap();
        insta::assert_snapshot!(not_found(&src, "src/lib.rs"), @"file or folder not found: `src/lib.rs`; paths are relative to the root: give `lib.rs`");
    }

    #[test]
    fn a_root_that_is_no_folder_is_named() {
        let refusal = |path: &str| match root(Some(Path::new(path))) {
            Err(Failure::Message { sentence, status: 4 }) => sentence,
            other => format!("{other:?}"),
        };
        insta::assert_snapshot!(refusal("no/such/folder"), @"the root `no/such/folder` can't be opened (No such file or directory (os error 2)); give the project's folder with --root");
        insta::assert_snapshot!(refusal("Cargo.toml"), @"the root `Cargo.toml` is not a folder; give the project's folder with --root");
    }

    #[test]
    fn only_files_that_were_asked_for() {
        let asked = |ids: &[&str], path: &str| {
            let ids: Vec<String> = ids.iter().map(|&id| id.to_owned()).collect();
            is_selected_file(&ids, path)
        };
        assert!(asked(&[], "any.py"));
        assert!(asked(&["a/t.py::test_x"], "a/t.py"));
        assert!(asked(&["a"], "a/b/t.py"));
        assert!(!asked(&["a"], "ab/t.py"));
        assert!(!asked(&["a/t.py"], "a/u.py"));
        assert!(asked(&["a/b/t.py"], "a/conftest.py"));
        assert!(asked(&["a/b/t.py"], "conftest.py"));
        assert!(!asked(&["a/b/t.py"], "c/conftest.py"));
        assert!(!asked(&["a/b/t.py"], "my_conftest.py"));
    }

    proptest! {
        #[test]
        fn any_argument_gives_an_id_without_detours_or_a_sentence(selector in "[a./:~ \\[\\]]{0,12}") {
            let root = Path::new("/");
            if let Ok(ids) = node_ids(root, &[selector]) {
                for id in ids {
                    let path = NodeId::new(&id).file();
                    let plain = path.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
                    prop_assert!(path.is_empty() || plain, "{}", id);
                }
            }
        }
    }
}
