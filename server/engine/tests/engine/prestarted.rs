//! A session is started ahead for the run that is expected after the next edit. It is used where nothing that it has
//! read has changed, and nowhere else.

use std::path::Path;
use std::time::Duration;

use pytest_lens_protocol::EventPayload;
use serde_json::json;

use crate::common::{Lab, Order, seen};

/// Every session writes down its process, and each test which process it was forked off. A session that writes would
/// have effects: C's own library is called, past all who look for them, and by a name that the source does not show.
const CONFTEST: &str = "\
import ctypes, os

c = ctypes.CDLL(None)
file = c.open(os.environb[b'SESSIONS'], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
line = f'{c.getpid()}\\n'.encode()
c.write(file, line, len(line))
c.close(file)
";

const TEST: &str = "import os\nimport mod\n\n\ndef test():\n    with open(os.environb[b'PARENTS'], 'a') as file:\n        \
                    file.write(f'{os.getppid()}\\n')\n    assert mod.VALUE == 1\n";

const FILES: &[(&str, &str)] = &[
    ("conftest.py", CONFTEST),
    ("mod.py", "VALUE = 1\n"),
    ("sub/test_a.py", TEST),
    ("sub/test_b.py", TEST),
    ("sub/deep/test_c.py", TEST),
];

const PASSED: [usize; 5] = [1, 1, 0, 0, 0];
const FAILED: [usize; 5] = [1, 0, 1, 0, 0];

fn pids(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

struct Scene {
    lab: Lab,
    sessions: std::path::PathBuf,
    parents: std::path::PathBuf,
}

impl Scene {
    /// A project whose test has run once, and whose next session waits.
    async fn new() -> Self {
        let lab = Lab::resident(FILES).await;
        let (sessions, parents) = (lab.bench.folder.path().join("sessions"), lab.bench.folder.path().join("parents"));
        lab.configure(json!({"env": {"SESSIONS": sessions, "PARENTS": parents}})).await;
        let scene = Scene { lab, sessions, parents };
        assert_eq!(scene.run().await, PASSED);
        scene.one_more_than(1).await;
        scene
    }

    async fn run(&self) -> [usize; 5] {
        self.run_file("sub/test_a.py").await
    }

    async fn run_file(&self, file: &str) -> [usize; 5] {
        self.lab.counts(Order::of(&[file])).await
    }

    /// Waits until there were more sessions than so many.
    async fn one_more_than(&self, count: usize) {
        let look = || (pids(&self.sessions).len() > count).then_some(());
        seen("a session that was started ahead", look).await;
    }

    /// Edits a module and runs the file, until three runs have gone on from a session that was there before the edit. One that
    /// has written its number may not be quite ready yet.
    async fn three_runs_go_on(&self, file: &str) {
        let mut ahead = 0;
        for round in 0..20 {
            let before = pids(&self.sessions).len();
            let (value, expected) = if round % 2 == 0 { (2, FAILED) } else { (1, PASSED) };
            self.lab.project.write("mod.py", &format!("VALUE = {value}\n"));
            assert_eq!(self.run_file(file).await, expected);
            let after = pids(&self.sessions).len();
            ahead += usize::from(after == before);
            if ahead == 3 {
                return;
            }
            if after != before {
                // The next one is started in a pause; there is none if the one that was not ready is by now.
                let _ = tokio::time::timeout(Duration::from_secs(1), self.one_more_than(after)).await;
            }
        }
        panic!("{ahead} runs went on from the session that was there before the edits");
    }

    /// The process that the last test's process was forked off.
    fn last_parent(&self) -> Option<String> {
        pids(&self.parents).pop()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_edit_a_run_goes_on_from_the_session_that_waits_and_runs_new_code() {
    let scene = Scene::new().await;
    scene.three_runs_go_on("sub/test_a.py").await;
    scene.lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_file_of_its_folder_goes_on_from_the_session_that_waits() {
    let scene = Scene::new().await;
    scene.three_runs_go_on("sub/test_b.py").await;
    let before = pids(&scene.sessions).len();
    assert_ne!(scene.run_file("sub/deep/test_c.py").await, [0; 5]);
    assert!(pids(&scene.sessions).len() > before, "another folder may have other conftests");
    scene.lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_has_read_an_old_conftest_is_not_used() {
    let scene = Scene::new().await;
    let before = pids(&scene.sessions);
    scene.lab.project.write("conftest.py", &format!("{CONFTEST}\nimport mod\nmod.VALUE = 2\n"));
    assert_eq!(scene.run().await, FAILED);
    assert!(!before.contains(&scene.last_parent().unwrap()));
    scene.lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conftest_that_comes_is_seen_by_the_session_that_waits() {
    let scene = Scene::new().await;
    scene.lab.project.write("sub/conftest.py", "import mod\nmod.VALUE = 2\n");
    scene.lab.project.write("mod.py", "VALUE = 1  # edited\n");
    assert_eq!(scene.run().await, FAILED);
    scene.lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_with_hooks_of_their_own_are_not_started_for_nothing() {
    let hooks = "import os\n\
                 open(os.environ['SESSIONS'], 'a').write(f'{os.getpid()}\\n')\n\
                 def pytest_sessionstart(): pass\n";
    let lab = Lab::resident(&[("conftest.py", hooks), FILES[1], FILES[2]]).await;
    let sessions = lab.bench.folder.path().join("sessions");
    lab.configure(json!({"env": {"SESSIONS": sessions, "PARENTS": "/dev/null"}})).await;
    assert_eq!(lab.counts(Order::of(&["sub/test_a.py"])).await, PASSED);
    let before = pids(&sessions).len();
    assert_eq!(lab.counts(Order::of(&["sub/test_a.py"])).await, PASSED);
    assert_eq!(pids(&sessions).len() - before, 1, "one session for one run, and none besides");
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engine_of_one_command_collects_nothing_after_its_run() {
    let lab = Lab::open(FILES).await;
    let (sessions, parents) = (lab.bench.folder.path().join("sessions"), lab.bench.folder.path().join("parents"));
    lab.configure(json!({"env": {"SESSIONS": sessions, "PARENTS": parents}})).await;
    assert_eq!(lab.counts(Order::of(&["sub/test_a.py"])).await, PASSED);
    // Another engine begins later, and does what engines do in pauses: this one has had its pause by then.
    let clock = Lab::resident(&[("test_clock.py", "def test(): pass\n")]).await;
    let mut log = clock.log();
    assert_eq!(clock.collect().await, 1);
    clock.project.write("test_late.py", "def test_late(): pass\n");
    let is_late = |event: &EventPayload| match event {
        EventPayload::Inventory(delta) => {
            delta.upserts.iter().any(|item| item.id.ends_with("::test_late")).then_some(())
        }
        _ => None,
    };
    log.until("a collection in a pause", is_late).await;
    assert_eq!(pids(&sessions).len(), 1, "the run's own session, and none after it");
    clock.close().await;
    lab.close().await;
}
