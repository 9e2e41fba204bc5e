//! The ground of every run: the interpreter, the packages installed for it, the environment, the root itself. A run
//! never uses what is not on disk any more, with an edit before it or without.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use pytest_lens_engine::Connect;
use pytest_lens_protocol::{ErrorCode, Request, Response};

use crate::common::{Lab, Order, Project, python, seen};

const PASSED: [usize; 5] = [1, 1, 0, 0, 0];
const FAILED: [usize; 5] = [1, 0, 1, 0, 0];
const SKIPPED: [usize; 5] = [1, 0, 0, 1, 0];

const MODES: [&str; 2] = ["embedded", "subprocess"];

/// An environment next to the project, as `python -m venv` makes them; pytest comes from the one that tests have.
struct Environment(tempfile::TempDir);

impl Environment {
    fn new() -> Self {
        let environment = Environment(tempfile::tempdir().unwrap());
        environment.make(&python());
        environment
    }

    /// Makes it again over another interpreter.
    fn make(&self, over: &Path) {
        for entry in fs::read_dir(self.0.path()).unwrap().flatten() {
            fs::remove_dir_all(entry.path()).or_else(|_| fs::remove_file(entry.path())).unwrap();
        }
        Environment::make_at(self.0.path(), over);
    }

    fn make_at(folder: &Path, over: &Path) {
        let home = fs::canonicalize(python()).unwrap();
        let text = format!("home = {}\ninclude-system-site-packages = false\n", home.parent().unwrap().display());
        fs::create_dir_all(folder.join("bin")).unwrap();
        fs::write(folder.join("pyvenv.cfg"), text).unwrap();
        symlink(fs::canonicalize(over).unwrap(), folder.join("bin/python")).unwrap();
        let site = Environment::site_in(folder);
        fs::create_dir_all(&site).unwrap();
        fs::write(site.join("pytest.pth"), format!("{}\n", site_of(&python()).display())).unwrap();
    }

    fn python(&self) -> PathBuf {
        self.0.path().join("bin/python")
    }

    fn site(&self) -> PathBuf {
        Environment::site_in(self.0.path())
    }

    fn site_in(folder: &Path) -> PathBuf {
        let tested = site_of(&python());
        let version = tested.parent().unwrap().file_name().unwrap().to_owned();
        folder.join("lib").join(version).join("site-packages")
    }

    /// As an installer does it: the package, and a folder that says which version it is.
    fn install(&self, version: &str) {
        self.uninstall();
        let (package, info) = (self.site().join("toolz"), self.site().join(format!("toolz-{version}.dist-info")));
        fs::create_dir_all(&package).unwrap();
        fs::write(package.join("__init__.py"), format!("__version__ = '{version}'\n")).unwrap();
        fs::create_dir_all(&info).unwrap();
        fs::write(info.join("METADATA"), format!("Name: toolz\nVersion: {version}\n")).unwrap();
    }

    fn uninstall(&self) {
        for entry in fs::read_dir(self.site()).unwrap().flatten() {
            if entry.file_name().to_string_lossy().starts_with("toolz") {
                fs::remove_dir_all(entry.path()).unwrap();
            }
        }
    }
}

fn site_of(python: &Path) -> PathBuf {
    let lib = python.parent().unwrap().parent().unwrap().join("lib");
    let version = fs::read_dir(lib).unwrap().flatten().map(|entry| entry.path()).find(|path| path.is_dir()).unwrap();
    version.join("site-packages")
}

async fn counts(lab: &Lab) -> [usize; 5] {
    lab.counts(Order::all()).await
}

/// Whether a run of everything finds no test that it could run, since a file does not import.
async fn does_not_import(lab: &Lab, what: &str) -> bool {
    let (_, message) = lab.refusal(Order::all()).await;
    message.contains(what)
}

const OLD: &[(&str, &str)] = &[
    ("mod.py", "VALUE = 1\n"),
    ("test_a.py", "import mod\nimport toolz\n\ndef test(): assert toolz.__version__ == '0.12.1'\n"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a2_an_installed_package_is_replaced_removed_and_put_back() {
    for mode in MODES {
        let environment = Environment::new();
        environment.install("0.12.1");
        let lab = Lab::on(mode, Project::new(OLD), &environment.python()).await;
        assert_eq!(counts(&lab).await, PASSED, "{mode}");
        for edit in ["VALUE = 2\n", "VALUE = 3\n"] {
            lab.project.write("mod.py", edit);
            assert_eq!(counts(&lab).await, PASSED, "{mode}");
        }
        environment.install("1.1.0");
        assert_eq!(counts(&lab).await, FAILED, "{mode}: upgraded");
        environment.uninstall();
        assert!(does_not_import(&lab, "toolz").await, "{mode}: uninstalled");
        environment.install("0.12.1");
        assert_eq!(counts(&lab).await, PASSED, "{mode}: put back");
        // Without an installer.
        fs::write(environment.site().join("toolz/__init__.py"), "__version__ = '2'\n").unwrap();
        assert_eq!(counts(&lab).await, FAILED, "{mode}: edited in place");
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a2_a_package_that_is_loaded_ahead_is_replaced_in_the_next_session() {
    let environment = Environment::new();
    environment.install("0.12.1");
    let lab = Lab::on("embedded", Project::new(OLD), &environment.python()).await;
    assert_eq!(counts(&lab).await, PASSED);
    let remembered = || {
        let contexts = fs::read_dir(lab.bench.folder.path().join("cache")).ok()?.flatten();
        let lists = contexts.filter_map(|context| fs::read_to_string(context.path().join("preload.json")).ok());
        lists.into_iter().find(|list| list.contains("toolz"))
    };
    seen("the list of what is loaded ahead", remembered).await;
    let lab = lab.restarted(true, &environment.python(), |_| ()).await;
    assert_eq!(counts(&lab).await, PASSED);
    environment.install("1.1.0");
    assert_eq!(counts(&lab).await, FAILED);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a3_a_missing_package_is_installed() {
    for mode in MODES {
        let environment = Environment::new();
        let skipping = "import importlib.util, pytest\n\n\
                        @pytest.mark.skipif(importlib.util.find_spec('toolz') is None, reason='none')\n\
                        def test(): pass\n";
        let files = [("test_a.py", "import toolz\n\ndef test(): pass\n"), ("sub/test_b.py", skipping)];
        let lab = Lab::on(mode, Project::new(&files), &environment.python()).await;
        assert_eq!(lab.counts(Order::of(&["sub/test_b.py"])).await, SKIPPED, "{mode}");
        assert!(lab.refusal(Order::of(&["test_a.py"])).await.1.contains("toolz"), "{mode}");
        environment.install("1.0");
        assert_eq!(lab.counts(Order::of(&["test_a.py"])).await, PASSED, "{mode}");
        assert_eq!(lab.counts(Order::of(&["sub/test_b.py"])).await, PASSED, "{mode}");
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a3_the_tests_are_told_anew_when_a_package_is_installed() {
    let environment = Environment::new();
    let text = "import toolz\n\ndef test_new(): pass\n";
    let project = Project::new(&[("test_a.py", text), ("test_b.py", "def test_b(): pass\n")]);
    let lab = Lab::on("embedded", project, &environment.python()).await;
    assert_eq!(lab.collect().await, 1);
    environment.install("1.0");
    assert_eq!(lab.collect().await, 2, "without force");
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a4_an_environment_is_made_anew_over_another_interpreter() {
    for mode in MODES {
        let environment = Environment::new();
        let text = "import sys\ndef test(): assert not hasattr(sys, 'OTHER')\n";
        let lab = Lab::on(mode, Project::new(&[("test_a.py", text)]), &environment.python()).await;
        assert_eq!(counts(&lab).await, PASSED, "{mode}");
        // Another interpreter: the same program at another place, which says so.
        let other = tempfile::tempdir().unwrap();
        fs::copy(fs::canonicalize(python()).unwrap(), other.path().join("python")).unwrap();
        environment.make(&other.path().join("python"));
        fs::write(environment.site().join("sitecustomize.py"), "import sys; sys.OTHER = 1\n").unwrap();
        assert_eq!(counts(&lab).await, FAILED, "{mode}");
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a4_an_editable_install_points_at_another_checkout() {
    for mode in MODES {
        let environment = Environment::new();
        let text = "import tool\n\ndef test(): assert tool.VALUE == 1\n";
        let files = [("test_a.py", text), ("one/tool.py", "VALUE = 1\n"), ("two/tool.py", "VALUE = 2\n")];
        let project = Project::new(&files);
        let root = project.root.clone();
        let point_at = |name: &str| {
            let target = format!("{}\n", root.join(name).display());
            fs::write(environment.site().join("tool.pth"), target).unwrap();
        };
        point_at("one");
        let lab = Lab::on(mode, project, &environment.python()).await;
        assert_eq!(counts(&lab).await, PASSED, "{mode}");
        point_at("two");
        assert_eq!(counts(&lab).await, FAILED, "{mode}");
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a4_an_environment_that_would_be_found_now_is_used_unless_one_was_asked_for() {
    for mode in MODES {
        let text = "import os, sys\ndef test(): assert os.path.basename(sys.prefix) == 'venv'\n";
        let project = Project::new(&[("test_a.py", text)]);
        Environment::make_at(&project.path("venv"), &python());
        let lab = Lab::on_found(mode, project).await;
        let open = async |python: Option<&Path>| {
            crate::init::id_of(lab.bench.open(&lab.project.root, python, Some(mode)).await)
        };
        assert_eq!(counts(&lab).await, PASSED, "{mode}");
        Environment::make_at(&lab.project.path(".venv"), &python());
        assert_eq!(counts(&lab).await, FAILED, "{mode}: another comes first");
        assert_eq!(open(None).await, lab.context, "{mode}");
        fs::remove_dir_all(lab.project.path(".venv")).unwrap();
        assert_eq!(counts(&lab).await, PASSED, "{mode}: that is gone");
        assert_eq!(open(Some(&lab.project.path("venv/bin/python"))).await, lab.context, "{mode}");
        Environment::make_at(&lab.project.path(".venv"), &python());
        assert_eq!(counts(&lab).await, PASSED, "{mode}: somebody asked for this one");
        assert_ne!(open(None).await, lab.context, "{mode}");
        lab.close().await;
    }
}

/// The test passes as long as `mod.VALUE` is 1.
const VALUE: &[(&str, &str)] =
    &[("mod.py", "VALUE = 1\n"), ("test_a.py", "import mod\n\ndef test(): assert mod.VALUE == 1\n")];

#[tokio::test(flavor = "multi_thread")]
async fn r10_the_root_is_removed_and_made_anew() {
    for mode in MODES {
        let lab = Lab::on(mode, Project::new(VALUE), &python()).await;
        assert_eq!(counts(&lab).await, PASSED, "{mode}");
        fs::remove_dir_all(&lab.project.root).unwrap();
        lab.project.write("mod.py", "VALUE = 1\n");
        lab.project.write("test_a.py", VALUE[1].1);
        assert_eq!(counts(&lab).await, PASSED, "{mode}");
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r10_the_root_is_swapped_with_another_folder() {
    for mode in MODES {
        let lab = Lab::on(mode, Project::new(VALUE), &python()).await;
        assert_eq!(counts(&lab).await, PASSED, "{mode}");
        let other = Project::new(VALUE);
        other.write("mod.py", "VALUE = 2\n");
        let aside = lab.project.root.with_extension("aside");
        fs::rename(&lab.project.root, &aside).unwrap();
        fs::rename(&other.root, &lab.project.root).unwrap();
        fs::create_dir(&other.root).unwrap();
        assert_eq!(counts(&lab).await, FAILED, "{mode}");
        fs::remove_dir_all(&aside).unwrap();
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r10_a_root_that_is_a_link_and_leads_elsewhere_is_opened_again() {
    for mode in MODES {
        let lab = Lab::on(mode, Project::new(VALUE), &python()).await;
        let other = Project::new(VALUE);
        other.write("mod.py", "VALUE = 2\n");
        let link = lab.bench.folder.path().join("link");
        symlink(&lab.project.root, &link).unwrap();
        let engine = &lab.bench.engine;
        let (client, watcher) = (engine.session(), engine.session());
        let open = || {
            client.call(Request::InitContext {
                protocol_version: 1,
                repo_path: link.to_string_lossy().into(),
                python_path: Some(python().to_string_lossy().into()),
                execution_mode: Some(mode.into()),
                activated: None,
            })
        };
        let collect = |id: &str| Request::Collect { context_id: id.to_owned(), force: false };
        let id = crate::init::id_of(open().await);
        assert_eq!(id, lab.context);
        assert!(matches!(client.call(collect(&id)).await, Response::CollectionComplete { node_count: 1, .. }));
        fs::remove_file(&link).unwrap();
        symlink(&other.root, &link).unwrap();
        let (code, message) = crate::common::refused(client.call(collect(&id)).await);
        assert_eq!(code, ErrorCode::ContextNotFound, "{mode}");
        assert!(message.contains("link leads to another folder") && message.contains("init_context"), "{message}");
        let again = crate::init::id_of(open().await);
        assert_ne!(again, id);
        assert!(matches!(client.call(collect(&again)).await, Response::CollectionComplete { node_count: 1, .. }));
        // A client that named the folder itself, or has the id from such a client, goes on.
        assert_eq!(counts(&lab).await, PASSED, "{mode}");
        assert!(matches!(watcher.call(collect(&id)).await, Response::CollectionComplete { .. }));
        assert_eq!(client.call(Request::Shutdown { context_id: Some(id) }).await, Response::ShutdownAck);
        lab.bench.engine.shutdown().await;
        crate::common::gone(&other.mark()).await;
    }
}
