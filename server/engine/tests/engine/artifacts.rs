//! Artifacts of tests: output read while they run, logs in both forms, folders, coverage.

use std::os::unix::fs::MetadataExt as _;

use pytest_lens_protocol::{Artifact, LaunchErrorCode, LogsIteratorOption, Request, Response, SuiteStatus};
use serde_json::Value;

use crate::common::{Lab, Order, WAITING, in_time, plain, seen, suite};
use pytest_lens_engine::Connect;

const PRINTING: &str = "\
import logging, os, sys, subprocess
from waiting import wait_for

def test_prints():
    print('out of python')
    os.write(1, b'out of the descriptor\\n')
    subprocess.run(['sh', '-c', 'echo err of a child >&2'])
    logging.getLogger('a.b').warning('a %s', 'record')
    wait_for('go')
    print('the end')

def test_silent(): pass

def test_prints_too():
    print('another')
    assert False
";

#[tokio::test(flavor = "multi_thread")]
async fn output_is_read_while_the_test_runs() {
    for mode in ["embedded", "subprocess"] {
        let lab = Lab::open_in(mode, &[("waiting.py", WAITING), ("test_a.py", PRINTING)]).await;
        let built = lab.build(vec![plain("test_a.py")]).await;
        let session = lab.bench.engine.session();
        let mut found = std::collections::BTreeMap::new();
        while found.len() < 3 {
            let request = Request::GetSuiteEvents { suite_id: built.suites[0].clone() };
            let Response::SuiteEvents { events } = in_time("artifacts", session.call(request)).await else {
                panic!("no events")
            };
            for event in events {
                let pytest_lens_protocol::SuiteEventPayload::CaseArtifact { artifact, .. } = event.payload else {
                    continue;
                };
                match artifact {
                    Artifact::Stdout { artifact_id } => found.insert("stdout", artifact_id),
                    Artifact::Stderr { artifact_id } => found.insert("stderr", artifact_id),
                    Artifact::Log { artifact_id } => found.insert("log", artifact_id),
                    other => panic!("not expected: {other:?}"),
                };
            }
        }
        // The test still runs: there is something to read, and it is not all.
        let read = async |artifact_id: &String| {
            let request = Request::ReadArtifact { artifact_id: artifact_id.clone() };
            match in_time("output", session.call(request)).await {
                Response::ArtifactData { data, done } => (String::from_utf8(data.0).unwrap(), done),
                other => panic!("no data: {other:?}"),
            }
        };
        let (first, done) = read(&found["stdout"]).await;
        assert!(first.starts_with("out of python\n") && !done, "{first:?}");
        lab.project.write("go", "");
        let mut rest = first;
        loop {
            let (more, done) = read(&found["stdout"]).await;
            rest += &more;
            if done {
                break;
            }
        }
        assert_eq!(rest, "out of python\nout of the descriptor\nthe end\n");
        assert_eq!(lab.text(&found["stderr"]).await, "err of a child\n");
        let records: Value = serde_json::from_slice(&lab.bytes(&found["log"]).await).unwrap();
        assert_eq!(records[0]["message"], "a record");
        assert_eq!((&records[0]["level"], &records[0]["logger"]), (&"WARNING".into(), &"a.b".into()));
        let told = lab.told(&built.suites[0]).await;
        assert_eq!(told.artifacts("test_silent"), []);
        assert_eq!(lab.text(&told.stream("prints_too", "stdout").unwrap()).await, "another\n");
        // The outcomes have what was captured, as ever.
        let output =
            Request::GetOutput { context_id: lab.context.clone(), node_id: "test_a.py::test_prints_too".into() };
        match lab.call(output).await {
            Response::TestOutput { stdout, .. } => assert_eq!(stdout, "another\n"),
            other => panic!("no output: {other:?}"),
        }
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_records_or_text() {
    let text = "import logging\ndef test_logs():\n    for n in range(3): logging.error('record %d', n)\n";
    let lab = Lab::open(&[("test_a.py", text)]).await;
    let told = lab.suite(suite("test_a.py", |options| options.log_iterator = Some(LogsIteratorOption::Archive))).await;
    let log = lab.text(&told.stream("logs", "log").unwrap()).await;
    let lines: Vec<&str> = log.lines().collect();
    assert!(lines.len() == 3 && lines[1].contains("record 1") && lines[1].contains("ERROR"), "{log}");
    // A record is never sent in pieces, however long it is.
    lab.project.write("test_a.py", "import logging\ndef test_logs(): logging.error('x' * 600_000)\n");
    let told = lab.suite(plain("test_a.py")).await;
    let records: Value = serde_json::from_slice(&lab.bytes(&told.stream("logs", "log").unwrap()).await).unwrap();
    assert_eq!(records[0]["message"].as_str().map(str::len), Some(600_000));
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn output_that_is_captured_in_memory_is_an_artifact_when_the_test_is_over() {
    let text = "import logging\ndef test_prints():\n    print('printed')\n    logging.error('logged')\n";
    let lab = Lab::open(&[("test_a.py", text)]).await;
    let told = lab.suite(suite("test_a.py", |options| options.arguments = Some(vec!["--capture=sys".into()]))).await;
    assert_eq!(lab.text(&told.stream("prints", "stdout").unwrap()).await, "printed\n");
    assert!(lab.text(&told.stream("prints", "log").unwrap()).await.contains("logged"));
    // Nothing is captured: it is the suite's.
    let told = lab.suite(suite("test_a.py", |options| options.arguments = Some(vec!["-s".into()]))).await;
    let [Artifact::Stdout { artifact_id }] = &told.suite_artifacts()[..] else { panic!("{told:?}") };
    assert!(lab.text(artifact_id).await.contains("printed\n"));
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_cut_on_disk_and_says_so() {
    let text = "import os, resource\ndef test_floods():\n    part = b'x' * 65535 + b'\\n'\n    os.write(1, b'first\\n')\n    \
                for n in range(16 * 1024): os.write(1, part)\n    os.write(1, b'last\\n')\n\
                def test_memory(): assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 200 << 10\n";
    let lab = Lab::open(&[("test_a.py", text)]).await;
    let built = lab.build(vec![plain("test_a.py")]).await;
    let told = lab.told(&built.suites[0]).await;
    assert_eq!(told.status(), SuiteStatus::Passed, "a gigabyte stays out of the runner's memory");
    let used = disk_usage(lab.bench.folder.path());
    assert!(used < 100 << 20, "{used} bytes are kept on disk");
    let printed = lab.bytes(&told.stream("floods", "stdout").unwrap()).await;
    assert!(printed.starts_with(b"first\n") && printed.ends_with(b"\nlast\n"));
    assert!(printed.len() < 70 << 20, "{} bytes are kept", printed.len());
    assert!(String::from_utf8_lossy(&printed).contains("bytes left out"));
    // The outcome's text is shorter still.
    let output = Request::GetOutput { context_id: lab.context.clone(), node_id: "test_a.py::test_floods".into() };
    let Response::TestOutput { stdout, .. } = lab.call(output).await else { panic!("no output") };
    assert!(stdout.len() < 2 << 20 && stdout.contains("left out") && stdout.ends_with("last\n"));
    lab.close().await;
}

/// The disk space of the files of captured output in a folder.
fn disk_usage(folder: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(data) if data.is_dir() => disk_usage(&entry.path()),
        Ok(data) if entry.path().extension().is_some_and(|end| end == "out") => data.blocks() * 512,
        _ => 0,
    });
    sizes.sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_test_printed_before_it_crashed_or_was_killed_is_there() {
    let text = "import os, pathlib\nfrom waiting import wait_for\n\
                def test_crashes(lens_artifacts):\n    (lens_artifacts / 'a').touch()\n    print('before')\n    os._exit(1)\n\
                def test_killed():\n    print('waiting')\n    pathlib.Path('began').touch()\n    wait_for('never')\n";
    let lab = Lab::open(&[("waiting.py", WAITING), ("test_a.py", text)]).await;
    let built = lab.build(vec![plain("test_a.py")]).await;
    seen("the second test", || lab.project.read("began")).await;
    lab.call(Request::KillRun { run_id: built.run.clone() }).await;
    let told = lab.told(&built.suites[0]).await;
    assert_eq!(lab.text(&told.stream("crashes", "stdout").unwrap()).await, "before\n");
    assert!(told.artifacts("crashes").iter().any(|artifact| matches!(artifact, Artifact::Custom { .. })));
    assert_eq!(lab.text(&told.stream("killed", "stdout").unwrap()).await, "waiting\n");
    let ran = lab.run(Order::of(&["test_a.py::test_crashes"])).await;
    assert_eq!(ran.of("::test_crashes").stdout.as_deref(), Some("before\n"));
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_artifacts_lives_until_its_token_is_released() {
    let text = "import pathlib\n\
                def test_leaves(lens_artifacts):\n    assert isinstance(lens_artifacts, pathlib.Path)\n    \
                (lens_artifacts / 'picture.png').write_bytes(b'png')\n\
                def test_does_not(): pass\n";
    for mode in ["embedded", "subprocess"] {
        let lab = Lab::open_in(mode, &[("test_a.py", text)]).await;
        let built = lab.build(vec![plain("test_a.py")]).await;
        let told = lab.told(&built.suites[0]).await;
        assert_eq!(told.artifacts("does_not"), []);
        let [Artifact::Custom { directory, token, component_moniker }] = &told.artifacts("leaves")[..] else {
            panic!("{told:?}")
        };
        assert_eq!(component_moniker, "test_a.py::test_leaves");
        let folder = std::path::Path::new(directory);
        assert_eq!(std::fs::read(folder.join("picture.png")).unwrap(), b"png");
        let release = Request::ReleaseDirectory { token: token.clone() };
        assert_eq!(lab.call(release.clone()).await, Response::ControlAck);
        assert!(!folder.exists());
        assert_eq!(lab.call(release).await, Response::ControlAck, "a second time there is nothing to do");
        drop(built);
        seen("the run's folder to go", || (!folder.ancestors().nth(2).unwrap().exists()).then_some(())).await;
        assert!(matches!(lab.call(Request::ReleaseDirectory { token: token.clone() }).await, Response::Error { .. }));
        lab.close().await;
    }
}

const MEASURED: [(&str, &str); 2] = [
    (
        "lib.py",
        "def sign(n):\n    if n > 0:\n        return 'plus'\n    return 'minus'\n\ndef unused():\n    return 1\n",
    ),
    (
        "test_a.py",
        "from lib import sign\ndef test_plus(): assert sign(1) == 'plus'\ndef test_minus(): assert sign(-1) == 'minus'\n",
    ),
];

async fn debug_data(lab: &Lab, iterator_id: &str) -> std::collections::BTreeMap<String, Vec<u8>> {
    let session = lab.bench.engine.session();
    let mut files = std::collections::BTreeMap::new();
    loop {
        let request = Request::NextDebugData { iterator_id: iterator_id.to_owned() };
        match in_time("debug data", session.call(request)).await {
            Response::DebugData { data } if data.is_empty() => return files,
            Response::DebugData { data } => {
                for file in data {
                    files.insert(file.name.clone(), lab.bytes(&file.artifact_id).await);
                }
            }
            other => panic!("no debug data: {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn coverage_is_debug_data() {
    for mode in ["embedded", "subprocess"] {
        let lab = Lab::open_in(mode, &MEASURED).await;
        let options = ["--cov", "--cov-branch", "--cov-context=test"].map(str::to_owned);
        let built = lab
            .build(vec![suite("test_a.py", |set| {
                set.arguments = Some(options.to_vec());
                set.parallel = Some(2);
            })])
            .await;
        let told = lab.told(&built.suites[0]).await;
        assert_eq!(told.status(), SuiteStatus::Passed, "{told:?}");
        let [Artifact::DebugData { iterator_id }] = &told.suite_artifacts()[..] else { panic!("{told:?}") };
        let files = debug_data(&lab, iterator_id).await;
        assert!(files[".coverage"].starts_with(b"SQLite format 3"));
        let report: Value = serde_json::from_slice(&files["coverage.json"]).unwrap();
        let lib = &report["files"]["lib.py"];
        assert_eq!(lib["executed_lines"], serde_json::json!([1, 2, 3, 4, 6]));
        assert_eq!(lib["missing_lines"], serde_json::json!([7]));
        assert_eq!(lib["executed_branches"].as_array().map(Vec::len), Some(2));
        assert_eq!(lib["contexts"]["3"], serde_json::json!(["test_a.py::test_plus"]));
        // The run as a whole has it too.
        let of_run = lab.run_told(&built.run).await.into_iter().find_map(|event| match event.payload {
            pytest_lens_protocol::RunEventPayload::Artifact { artifact: Artifact::DebugData { iterator_id } } => {
                Some(iterator_id)
            }
            _ => None,
        });
        assert_eq!(debug_data(&lab, &of_run.unwrap()).await.len(), 2);
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_editors_coverage_run_names_its_data_at_its_end() {
    let lab = Lab::open(&MEASURED).await;
    let ran = lab.run(Order::all().with(|options| options.coverage = true)).await;
    let files = debug_data(&lab, &ran.end.debug_data.unwrap()).await;
    let report: Value = serde_json::from_slice(&files["coverage.json"]).unwrap();
    assert_eq!(report["files"]["lib.py"]["contexts"]["4"], serde_json::json!(["test_a.py::test_minus"]));
    assert_eq!(lab.run(Order::all()).await.end.debug_data, None, "the next run measures nothing");
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_measures_no_imports_of_other_files() {
    let lab = Lab::open(&[MEASURED[0], MEASURED[1], ("other.py", "x = 1\n"), ("test_b.py", "import other\n")]).await;
    lab.collect().await;
    let ran = lab.run(Order::of(&["test_a.py"]).with(|options| options.coverage = true)).await;
    let suite = lab.build(vec![suite("test_a.py", |set| set.arguments = Some(vec!["--cov".into()]))]).await;
    let told = lab.told(&suite.suites[0]).await;
    let [Artifact::DebugData { iterator_id }] = &told.suite_artifacts()[..] else { panic!("{told:?}") };
    for iterator_id in [iterator_id, &ran.end.debug_data.unwrap()] {
        let files = debug_data(&lab, iterator_id).await;
        let report: Value = serde_json::from_slice(&files["coverage.json"]).unwrap();
        assert_eq!(report["files"]["lib.py"]["missing_lines"], serde_json::json!([7]));
        for file in ["other.py", "test_b.py"] {
            let executed = &report["files"][file]["executed_lines"];
            assert!(executed.as_array().is_none_or(Vec::is_empty), "{file}: {executed}");
        }
    }
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_coverage_it_says_what_to_install() {
    let block = "import sys\nclass Block:\n    def find_spec(self, name, path=None, target=None):\n        \
                 if name.split('.')[0] == 'coverage': raise ModuleNotFoundError(name)\nsys.meta_path.insert(0, Block())\n";
    let lab = Lab::open(&[MEASURED[0], MEASURED[1], ("block/sitecustomize.py", block)]).await;
    lab.configure(serde_json::json!({ "env": { "PYTHONPATH": lab.project.path("block") } })).await;
    let told = lab.suite(suite("test_a.py", |options| options.arguments = Some(vec!["--cov".into()]))).await;
    let (code, message) = told.failure();
    assert_eq!(code, LaunchErrorCode::InvalidArgs);
    assert!(message.contains("-m pip install coverage"), "{message}");
    let (_, message) = lab.refusal(Order::all().with(|options| options.coverage = true)).await;
    assert!(message.contains("-m pip install coverage"), "{message}");
    lab.close().await;
}
