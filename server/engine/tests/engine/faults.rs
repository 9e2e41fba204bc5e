//! Processes that are killed or stopped from outside or by tests, and orders that come while one hangs: every test gets
//! its outcome, and the next run is as good as the first.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use pytest_lens_engine::Connect;
use pytest_lens_protocol::{EventPayload, Request, Response, RunEndStatus};

use crate::common::{Lab, Order, Project, alive, gone, in_time, plain, python, read_suite, seen};

/// A test that sends a signal to the process that runs it, to the one above that, or further up; once.
const HARM: &str = "\
import os, signal, time

def above(steps):
    pid = os.getpid()
    for _ in range(steps):
        with open(f'/proc/{pid}/stat') as file:
            pid = int(file.read().rsplit(')', 1)[1].split()[1])
    return pid

def test_1(): pass

def test_2():
    steps, number = os.environ['HARM'].split()
    try:
        os.mkdir(os.environ['ONCE'])
    except FileExistsError:
        return
    os.kill(above(int(steps)), int(number))
    if os.environ['WAITS']:
        while True: time.sleep(0.01)

def test_3(): pass
";

const KILL: i32 = 9;
const STOP: i32 = 19;

#[tokio::test(flavor = "multi_thread")]
async fn r1_a_process_killed_or_stopped_in_mid_run_is_noticed_and_made_anew() {
    // How far above the test, by which signal, whether the test waits for its own end, and what becomes of it.
    let cases = [
        ("embedded", 0, KILL, true, "crashed"),
        ("embedded", 0, STOP, true, "crashed"),
        ("embedded", 1, KILL, true, "passed"),
        ("embedded", 1, STOP, false, "passed"),
        ("embedded", 2, KILL, false, "passed"),
        ("embedded", 2, STOP, false, "passed"),
        ("subprocess", 0, KILL, true, "crashed"),
        ("subprocess", 0, STOP, true, "crashed"),
        ("subprocess", 1, KILL, true, "crashed"),
        ("subprocess", 1, STOP, false, "passed"),
    ];
    for (mode, steps, signal, waits, becomes) in cases {
        let lab = Lab::resident_in(mode, &[("test_a.py", HARM)]).await;
        let once = lab.bench.folder.path().join("once");
        let harm = format!("{steps} {signal}");
        let waits = if waits { "1" } else { "" };
        lab.configure(serde_json::json!({ "env": { "HARM": harm, "ONCE": once, "WAITS": waits } })).await;
        let ran = lab.run(Order::all()).await;
        let told = ["test_a.py::test_1 passed", &format!("test_a.py::test_2 {becomes}"), "test_a.py::test_3 passed"];
        assert_eq!(ran.outcomes(), told, "{mode}: signal {signal} to {steps} above: {:?}", ran.of("::test_2").message);
        // The runner that stands by for the run after the next comes from the parent too.
        for _ in 0..=usize::from(steps == 1) {
            let ran = lab.run(Order::all()).await;
            assert_eq!(ran.end.counts.passed, 3, "{mode}: signal {signal} to {steps} above: {:?}", ran.outcomes());
        }
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p19_a_signal_to_the_group_of_a_test_reaches_nobody_else() {
    let text = "import os, signal\n\
                def test_1(): pass\n\
                def test_2():\n    signal.signal(signal.SIGTERM, lambda *_: None)\n    os.killpg(0, signal.SIGTERM)\n\
                def test_3():\n    signal.signal(signal.SIGTERM, signal.SIG_DFL)\n    os.killpg(0, signal.SIGTERM)\n\
                def test_4(): pass\n";
    for mode in ["embedded", "subprocess"] {
        let lab = Lab::resident_in(mode, &[("test_a.py", text)]).await;
        // Once its own handler has run, all processes of its group would be gone.
        for workers in [1, 1, 2] {
            let ran = lab.run(Order::all().workers(workers)).await;
            assert_eq!(
                ran.outcomes(),
                [
                    "test_a.py::test_1 passed",
                    "test_a.py::test_2 passed",
                    "test_a.py::test_3 crashed",
                    "test_a.py::test_4 passed"
                ],
                "{mode}"
            );
            assert!(ran.of("::test_3").message.as_deref().unwrap_or_default().contains("SIGTERM"));
        }
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r8_a_stop_and_a_kill_are_obeyed_while_a_process_starts() {
    // The interpreter that takes the place of a crashed one is held up.
    let text = "import os\n\
                def test_1():\n    open(os.environ['HOLD'], 'w').close()\n    os._exit(1)\n\
                def test_2(): pass\n";
    for kill in [false, true] {
        let lab = Lab::over_slow_interpreter("subprocess", &[("test_a.py", text)]).await;
        let (hold, waiting) = (lab.bench.folder.path().join("hold"), lab.bench.folder.path().join("waiting"));
        lab.configure(serde_json::json!({ "env": { "HOLD": hold, "WAITING": waiting } })).await;
        let run = lab.start(Order::all()).await;
        seen("an interpreter that starts", || waiting.exists().then_some(())).await;
        let status = lab.ordered(&run, kill).await;
        assert_eq!(status, if kill { RunEndStatus::Killed } else { RunEndStatus::Stopped });
        fs::remove_file(hold).unwrap();
        lab.close().await;
    }
}

/// Each session imports the test module itself, since that writes a file. The import hangs in the session that takes
/// the place of a crashed one.
const HANGS: [(&str, &str); 1] = [(
    "test_a.py",
    "import os, time\n\
     trace = os.environ['TRACE']\n\
     open(trace + '/imported', 'a').close()\n\
     if os.path.exists(trace + '/crashed'):\n    \
         open(trace + '/hangs', 'w').close()\n    \
         while True: time.sleep(0.01)\n\
     def test_1():\n    \
         open(trace + '/crashed', 'w').close()\n    \
         os._exit(1)\n\
     def test_2(): pass\n",
)];

#[tokio::test(flavor = "multi_thread")]
async fn r14_an_import_that_hangs_in_a_run_s_own_session_can_be_stopped_killed_and_has_a_limit() {
    for mode in ["embedded", "subprocess"] {
        for how in ["stop", "kill", "limit"] {
            let lab = Lab::open_in(mode, &HANGS).await;
            let trace = lab.bench.folder.path().join("trace");
            fs::create_dir(&trace).unwrap();
            // The collection before it, which does not hang, must not reach the limit on a busy machine.
            let limit = if how == "limit" { 6000 } else { 300_000 };
            lab.configure(serde_json::json!({ "env": { "TRACE": trace }, "collectTimeoutMs": limit })).await;
            let run = lab.start(Order::all()).await;
            seen("the import", || trace.join("hangs").exists().then_some(())).await;
            if how != "limit" {
                lab.ordered(&run, how == "kill").await;
            }
            let ran = lab.ended(&run).await;
            assert_eq!(ran.outcomes(), ["test_a.py::test_1 crashed", "test_a.py::test_2 not_run"]);
            let message = ran.of("::test_2").message.clone().unwrap_or_default();
            let (status, says) = match how {
                "stop" => (RunEndStatus::Stopped, "stopped"),
                "kill" => (RunEndStatus::Killed, "killed"),
                _ => (RunEndStatus::InternalError, "6000 ms, while test_a.py was being imported"),
            };
            assert_eq!(ran.status(), status, "{mode} {how}");
            assert!(message.contains(says), "{mode} {how}: {message}");
            lab.close().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r3_a_kill_in_subprocess_mode_finds_what_holds_the_pipes() {
    let text = "import os, subprocess, sys, time\n\
                def test_1():\n    \
                    if os.fork() == 0:\n        \
                        os.setsid()\n        \
                        if os.fork() == 0:\n            \
                            os.dup2(1, 900)\n            \
                            while True: time.sleep(0.01)\n        \
                        os._exit(0)\n    \
                    os.wait()\n    \
                    open('begun', 'w').close()\n    \
                    while True: time.sleep(0.01)\n";
    let lab = Lab::open_in("subprocess", &[("test_a.py", text)]).await;
    let run = lab.start(Order::all()).await;
    seen("the test", || lab.project.read("begun")).await;
    assert_eq!(lab.ordered(&run, true).await, RunEndStatus::Killed);
    gone(&lab.project.mark()).await;
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r3_a_test_that_closes_low_descriptors_spoils_no_other() {
    let text = "import os\n\
                def test_1(): pass\n\
                def test_2(): os.closerange(0, 256)\n\
                def test_3(capfd):\n    os.write(1, b'x')\n    assert capfd.readouterr().out == 'x'\n\
                def test_4(): print('said')\n";
    for mode in ["embedded", "subprocess"] {
        let lab = Lab::open_in(mode, &[("test_a.py", text)]).await;
        let ran = lab.run(Order::all()).await;
        for id in ["::test_1", "::test_3", "::test_4"] {
            assert_eq!(ran.of(id).outcome, "passed", "{mode}: {:#?}", ran.attempts);
        }
        lab.close().await;
    }
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn r16_files_of_the_worker_that_a_full_disk_has_cut_are_made_anew() {
    let mut lab = Lab::open(&[("test_a.py", "def test_1(): pass")]).await;
    // By then Python has compiled the files.
    assert_eq!(lab.counts(Order::all()).await, [1, 1, 0, 0, 0]);
    for ending in [".pyc", ".py"] {
        lab = lab
            .again(|folder| {
                let worker = files(&folder.join("cache")).into_iter().filter(|path| {
                    let path = path.to_string_lossy();
                    path.contains("/worker-") && path.ends_with(ending)
                });
                let cut = worker.map(|path| {
                    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
                    file.set_len(file.metadata().unwrap().len() / 2).unwrap();
                });
                assert!(cut.count() > 10);
            })
            .await;
        assert_eq!(lab.counts(Order::all()).await, [1, 1, 0, 0, 0]);
    }
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_nobody_else_can_read_or_change_what_the_engine_runs() {
    let lab = Lab::open(&[("test_a.py", "def test_1(): pass")]).await;
    let lab = lab
        .again(|folder| {
            for file in files(&folder.join("cache")) {
                fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
                fs::set_permissions(file.parent().unwrap(), fs::Permissions::from_mode(0o777)).unwrap();
            }
        })
        .await;
    assert_eq!(lab.counts(Order::all()).await, [1, 1, 0, 0, 0]);
    let cache = lab.bench.folder.path().join("cache");
    assert_eq!(fs::metadata(&cache).unwrap().mode() & 0o777, 0o700);
    for file in files(&cache).into_iter().filter(|file| file.to_string_lossy().ends_with(".py")) {
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700), "{}", file.display());
    }
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r18_a_folder_for_caches_that_is_of_no_use_is_passed_over() {
    let in_the_way = |folder: &Path| fs::write(folder.join("file"), "").unwrap();
    let lab = Lab::with_cache("file/cache", &[("test_a.py", "def test_1(): pass")], in_the_way).await;
    assert_eq!(lab.counts(Order::all()).await, [1, 1, 0, 0, 0]);
    lab.close().await;
}

/// Prints, says who it and those above it are, and never ends; from its second attempt on it passes.
const PRINTS: &str = "\
import os, sys, time

def above(pid):
    with open(f'/proc/{pid}/stat') as file:
        return int(file.read().rsplit(')', 1)[1].split()[1])

def test_1(tmp_path):
    print('printed', flush=True)
    here = os.environ['HERE']
    try:
        os.mkdir(here)
    except FileExistsError:
        return
    parent = above(os.getpid())
    with open(here + '/part', 'w') as file:
        print(os.getpid(), parent, above(parent), file=file)
    os.rename(here + '/part', here + '/pids')
    end = time.monotonic() + 20
    while not os.path.exists(here + '/go') and time.monotonic() < end: time.sleep(0.001)

def test_2(): print('printed')
";

#[tokio::test(flavor = "multi_thread")]
async fn r6_readers_hear_the_end_and_no_artifact_stays_whoever_is_killed() {
    let lab = Lab::resident(&[("test_a.py", PRINTS)]).await;
    let here = lab.bench.folder.path().join("here");
    lab.configure(serde_json::json!({ "env": { "HERE": here } })).await;
    let rounds = std::env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(2);
    for round in 0..rounds {
        for (steps, signal) in [(0, KILL), (1, KILL), (2, KILL), (0, STOP), (1, STOP), (2, STOP)] {
            let _ = fs::remove_dir_all(&here);
            let built = lab.build(vec![plain("test_a.py")]).await;
            let reader = {
                let (session, suite) = (lab.bench.engine.session(), built.suites[0].clone());
                tokio::spawn(async move { read_suite(&*session, &suite).await })
            };
            let pids = seen("the test", || fs::read_to_string(here.join("pids")).ok()).await;
            let victim = pids.split_whitespace().nth(steps).unwrap().to_owned();
            let killed = std::process::Command::new("kill").arg(format!("-{signal}")).arg(&victim).status().unwrap();
            assert!(killed.success());
            fs::write(here.join("go"), "").unwrap();
            let what = format!("round {round}: the end, after signal {signal} to {steps} above");
            let told = in_time(&what, reader).await.unwrap();
            in_time(&what, lab.run_told(&built.run)).await;
            assert_eq!(told.cases().len(), 2, "{what}: {told:?}");
            for case in ["test_1", "test_2"] {
                if let Some(artifact) = told.stream(case, "stdout") {
                    assert_eq!(lab.text(&artifact).await, "printed\n", "{what}");
                }
            }
            // The tree is whole again.
            assert_eq!(lab.counts(Order::all()).await, [2, 2, 0, 0, 0], "{what}");
        }
    }
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_processes_of_projects_that_nobody_uses_are_let_go_and_come_back() {
    let lab = Lab::open(&[("test_a.py", "def test_1(): pass")]).await;
    lab.collect().await;
    let status = || lab.call(Request::GetContextStatus { context_id: lab.context.clone() });
    let before = status().await;
    let others: Vec<Project> = (0..4).map(|_| Project::new(&[("test_b.py", "def test_2(): pass")])).collect();
    for other in &others {
        let response = lab.bench.init(&other.root, &python(), None).await;
        assert!(matches!(response, Response::ContextReady { .. }), "{response:?}");
    }
    gone(&lab.project.mark()).await;
    assert_eq!(status().await, before, "what was known still is");
    assert!(others.iter().all(|other| !alive(&other.mark()).is_empty()), "the last few stay warm");
    assert_eq!(lab.counts(Order::all()).await, [1, 1, 0, 0, 0]);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_a_project_that_is_left_alone_keeps_what_its_next_run_needs() {
    let text = "def test_1(): pass";
    let lab = Lab::resting(&[("test_a.py", text), ("sub/test_b.py", text), ("sub/deep/test_c.py", text)]).await;
    for _ in 0..2 {
        for file in ["test_a.py", "sub/test_b.py", "sub/deep/test_c.py"] {
            assert_eq!(lab.counts(Order::of(&[file])).await, [1, 1, 0, 0, 0]);
        }
        // A keeper and a base, twice if it has just been replaced, and two sessions, each with a fork.
        seen("the other processes' end", || (alive(&lab.project.mark()).len() <= 8).then_some(())).await;
    }
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r20_a_kill_from_outside_is_no_proof_of_flakiness() {
    let text = "import os, signal\n\
                def test_1():\n    \
                    try: os.mkdir(os.environ['ONCE'])\n    \
                    except FileExistsError: return\n    \
                    os.kill(os.getpid(), signal.SIGKILL)\n";
    let lab = Lab::open(&[("test_a.py", text)]).await;
    lab.configure(serde_json::json!({ "env": { "ONCE": lab.bench.folder.path().join("once") } })).await;
    let ran = lab.run(Order::all().with(|options| options.reruns = Some(1))).await;
    let outcomes: Vec<&str> = ran.attempts.iter().map(|attempt| attempt.outcome.as_str()).collect();
    assert_eq!(outcomes, ["crashed", "passed"]);
    let hint = |payload: &EventPayload| match payload {
        EventPayload::FlakinessHint(told) => told.hints.first().cloned(),
        _ => None,
    };
    let hint = lab.log().until("a hint", hint).await;
    assert!(!hint.is_flaky && hint.flips == 1, "{hint:?}");
    lab.close().await;
}
