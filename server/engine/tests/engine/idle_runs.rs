//! Runs that the engine makes for itself while nobody uses it, to record what tests depend on.

use std::path::{Path, PathBuf};

use pytest_lens_protocol::{EventPayload, Request, Response, TestImpact};
use serde_json::json;

use crate::common::{Lab, Order, recording_python, seen};

const CORE: (&str, &str) = ("core.py", "def f(): return 1\ndef g(): return 2\n");
const TESTS: &str = "
    import core, os, pathlib
    def note(name):
        with open(os.environ['NOTES'] + name, 'a') as file:
            file.write('ran\\n')
    def test_f():
        note('f')
        assert core.f()
    def test_g():
        note('g')
        assert core.g()
    def test_fails():
        note('fails')
        assert not core.f()
";

/// The settings with which tests are recorded, and note that they run in files with this prefix.
fn settings(notes: &Path, further: &serde_json::Value) -> serde_json::Value {
    let mut settings = json!({ "impact": { "record": "idle" }, "env": { "NOTES": notes } });
    settings.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
    settings
}

struct Notes {
    _folder: tempfile::TempDir,
    prefix: PathBuf,
}

impl Notes {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Notes { prefix: folder.path().join("note-"), _folder: folder }
    }

    /// How often a test has run.
    fn times(&self, name: &str) -> usize {
        let path = format!("{}{name}", self.prefix.display());
        std::fs::read_to_string(path).map_or(0, |text| text.lines().count())
    }
}

/// The records' file of the engine's only repository.
fn records(lab: &Lab) -> Option<PathBuf> {
    let entries = std::fs::read_dir(lab.bench.folder.path().join("state/history")).ok()?;
    entries.flatten().map(|entry| entry.path()).find(|path| path.extension().is_some_and(|end| end == "inputs"))
}

/// Each test that has a record or failed: the end of its id, and why this change reaches it.
async fn explained(lab: &Lab, changed: &str) -> Vec<String> {
    let paths = vec![changed.to_owned()];
    let request = Request::ExplainAffected { context_id: lab.context.clone(), paths };
    let Response::Affected { tests, .. } = lab.call(request).await else { panic!("not explained") };
    let show = |TestImpact { node_id, reason, .. }: TestImpact| {
        let reason = reason.map_or("no".into(), |reason| format!("{} {}", reason.kind, reason.name));
        format!("{}: {reason}", node_id.split("::").last().unwrap_or_default())
    };
    let mut told: Vec<String> = tests.into_iter().map(show).collect();
    told.sort_unstable();
    told
}

async fn outcomes_in_history(lab: &Lab) -> usize {
    match lab.call(Request::GetHistory { repo_path: lab.project.mark() }).await {
        Response::History { outcomes, .. } => outcomes,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_time_records_what_the_last_passes_depend_on_and_nobody_sees_it() {
    let Some(python) = recording_python() else { return };
    let notes = Notes::new();
    let lab = Lab::resting_on(&python, &[CORE, ("test_a.py", TESTS)], settings(&notes.prefix, &json!({}))).await;
    lab.collect().await;
    lab.run(Order::all()).await;
    seen("the records", || records(&lab)).await;
    // The answer waits for the run that records.
    assert_eq!(explained(&lab, "core.py").await, ["test_f: no", "test_fails: not_passed failed", "test_g: no"]);
    assert_eq!([notes.times("f"), notes.times("g"), notes.times("fails")], [2, 2, 1], "once, and no failure again");
    assert_eq!(outcomes_in_history(&lab).await, 3, "they are not the user's runs");
    lab.project.write("core.py", "def f(): return 3\ndef g(): return 2\n");
    let after = ["test_f: function core.py::f", "test_fails: not_passed failed", "test_g: no"];
    assert_eq!(explained(&lab, "core.py").await, after);
    lab.run(Order::of(&["test_a.py::test_f"])).await;
    // Its record is outdated, and is the only one.
    seen("the next run", || (notes.times("f") >= 4).then_some(())).await;
    seen_record(&lab, "test_f: no").await;
    assert_eq!([notes.times("g"), notes.times("fails")], [2, 1]);
    let mut log = lab.log();
    log.deltas().await;
    let is_begin = |payload: &EventPayload| matches!(payload, EventPayload::RunStarted(_));
    assert_eq!(log.events.iter().filter(|event| is_begin(&event.payload)).count(), 2, "clients see their own runs");
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_of_idle_time_has_nothing_that_only_other_tests_did() {
    let Some(python) = recording_python() else { return };
    let core = "import functools\n\
        def made(kind): return one() if kind == 1 else two()\n\
        def one(): return 1\n\
        def two(): return 2\n\
        def part(): return 3\n\
        @functools.cache\n\
        def kept(): return part()\n";
    let tests = "
        import core
        def test_one():
            assert core.made(1) and core.kept()
        def test_two():
            assert core.made(2) and core.kept()
    ";
    // Off the collection of one file no process can be forked. The values of another do no harm here.
    let threads = "import threading, time\n\
        threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n\
        def test_threads(): pass\n";
    let random = "import random, time, uuid\n\
        VALUES = random.random(), time.time(), uuid.uuid4()\n\
        def test_random(): pass\n";
    let files = [("core.py", core), ("test_a.py", tests), ("test_0.py", threads), ("test_1.py", random)];
    let lab = Lab::resting_on(&python, &files, json!({ "impact": { "record": "idle" } })).await;
    lab.collect().await;
    lab.run(Order::all()).await;
    seen("the records", || records(&lab)).await;
    seen_record(&lab, "test_random: no").await;
    lab.project.write("core.py", &core.replace("return 2", "return 4"));
    assert_eq!(
        explained(&lab, "core.py").await,
        ["test_one: no", "test_random: no", "test_two: function core.py::two"]
    );
    lab.project.write("core.py", &core.replace("return 3", "return 4"));
    let kept = ["test_one: function core.py::part", "test_random: no", "test_two: function core.py::part"];
    assert_eq!(explained(&lab, "core.py").await, kept);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tests_share_a_process_in_idle_time_where_their_fixtures_take_long() {
    let Some(python) = recording_python() else { return };
    let notes = Notes::new();
    let tests = "
        import os, pytest, time
        @pytest.fixture(scope='session')
        def slow():
            with open(os.environ['NOTES'] + 'slow', 'a') as file:
                file.write('set up\\n')
            time.sleep(1)
        @pytest.mark.parametrize('case', range(5))
        def test(slow, case):
            with open(os.environ['NOTES'] + 'test', 'a') as file:
                file.write('ran\\n')
    ";
    let lab = Lab::resting_on(&python, &[("test_a.py", tests)], settings(&notes.prefix, &json!({}))).await;
    lab.collect().await;
    lab.run(Order::all()).await;
    seen("the records", || records(&lab)).await;
    assert_eq!(notes.times("test"), 10);
    let alone = notes.times("slow") - 2;
    assert!((1..=2).contains(&alone), "the last duration of one test has this time, too: {alone}");
    lab.close().await;
}

/// Waits until the record of a test says this of a change of the module.
async fn seen_record(lab: &Lab, wanted: &str) {
    crate::common::in_time(wanted, async {
        // Each question is a request, before which a run that records ends; so they are far between.
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(500));
        loop {
            ticks.tick().await;
            if explained(lab, "core.py").await.iter().any(|told| told == wanted) {
                return;
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_ends_a_run_that_records() {
    let Some(python) = recording_python() else { return };
    let notes = Notes::new();
    let tests = "
        import os, pathlib, time
        def test_slow():
            place = os.environ['NOTES']
            if not pathlib.Path(place + 'first').exists():
                pathlib.Path(place + 'first').touch()
                return
            if not pathlib.Path(place + 'pid').exists():
                pathlib.Path(place + 'pid.new').write_text(str(os.getpid()))
                os.rename(place + 'pid.new', place + 'pid')
                time.sleep(600)
    ";
    let lab = Lab::resting_on(&python, &[("test_a.py", tests)], settings(&notes.prefix, &json!({}))).await;
    lab.collect().await;
    assert_eq!(lab.run(Order::all()).await.outcomes(), ["test_a.py::test_slow passed"]);
    let pid = format!("{}pid", notes.prefix.display());
    let pid = seen("the run that records", || std::fs::read_to_string(&pid).ok()).await;
    assert_eq!(lab.run(Order::all()).await.outcomes(), ["test_a.py::test_slow passed"]);
    seen("the end of its process", || (!Path::new("/proc").join(&pid).exists()).then_some(())).await;
    // A test that was broken off is tried again.
    seen("the record", || records(&lab)).await;
    assert_eq!(outcomes_in_history(&lab).await, 2, "they are not the user's runs");
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_runs_by_itself_where_that_is_not_safe_or_not_wished() {
    let Some(python) = recording_python() else { return };
    let (untrusted, reusing, in_runs, idle) = (Notes::new(), Notes::new(), Notes::new(), Notes::new());
    let files = [CORE, ("test_a.py", TESTS)];
    let lab = Lab::resting_on(&python, &files, settings(&idle.prefix, &json!({}))).await;
    let mut others = Vec::new();
    for (notes, further) in [
        (&untrusted, json!({})),
        (&reusing, json!({ "fixtureReuse": { "enabled": true } })),
        (&in_runs, json!({ "impact": { "record": "run" } })),
    ] {
        let other = lab.beside(&files, &python).await;
        other.configure(settings(&notes.prefix, &further)).await;
        others.push(other);
    }
    let request = Request::Trust { repo_path: others[0].project.mark(), trusted: Some(false) };
    assert!(matches!(lab.call(request).await, Response::Trust { untrusted: Some(_) }));
    for other in &others {
        other.collect().await;
        other.run(Order::all()).await;
    }
    // All projects are looked at between two runs of this one.
    for round in 1..3 {
        lab.project.write("core.py", &format!("def f(): return {round}\ndef g(): return 2\n"));
        lab.collect().await;
        lab.run(Order::all()).await;
        seen("the run that records", || (idle.times("f") >= 2 * round).then_some(())).await;
        seen_record(&lab, "test_f: no").await;
    }
    assert_eq!([&untrusted, &reusing, &in_runs].map(|notes| notes.times("f")), [1, 1, 1]);
    lab.close().await;
}
