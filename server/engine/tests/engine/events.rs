//! The event log apart from single runs. Rules for every run are checked wherever a test waits for one.

use pytest_lens_protocol::{EventPayload, OutputStream, Request, Response};

use crate::common::{Lab, Order};

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_run_names_no_ids_and_a_part_does() {
    let lab = Lab::open(&[("test_a.py", "def test_1(): pass\ndef test_2(): pass")]).await;
    assert_eq!(lab.run(Order::all()).await.begun.ids, None);
    let part = lab.run(Order::of(&["test_a.py::test_2"])).await;
    assert_eq!(part.begun.ids, Some(vec!["test_a.py::test_2".to_owned()]));
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_is_told_before_the_tests_own_code_runs() {
    let text = "import pathlib, time\n\
                def test_1():\n    end = time.monotonic() + 30\n    \
                while not pathlib.Path('told').exists():\n        assert time.monotonic() < end\n        time.sleep(0.01)\n";
    let lab = Lab::open(&[("test_a.py", text)]).await;
    let run = lab.start(Order::all()).await;
    // The test ends only after its start was heard of.
    lab.log().started("test_a.py::test_1").await;
    lab.project.write("told", "");
    assert_eq!(lab.ended(&run).await.outcomes(), ["test_a.py::test_1 passed"]);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tree_comes_from_the_sources_first_and_is_confirmed_by_pytest() {
    let lab = Lab::resident(&[("test_a.py", "class TestA:\n    def test_1(self): pass\n")]).await;
    let id = "test_a.py::TestA::test_1";
    let told = |provisional: bool| {
        move |payload: &EventPayload| match payload {
            EventPayload::Inventory(delta) => {
                delta.upserts.iter().find(|item| *item.id == *id && item.provisional == provisional).cloned()
            }
            _ => None,
        }
    };
    let mut log = lab.log();
    let first = log.until("the provisional item", told(true)).await;
    assert_eq!(first.parent.as_deref(), Some("test_a.py::TestA"));
    lab.collect().await;
    let second = log.until("the confirmed item", told(false)).await;
    assert_eq!(second.range, first.range);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_waits_too_short_gets_nothing_and_keeps_its_place() {
    let lab = Lab::open(&[("test_a.py", "def test_1(): pass")]).await;
    lab.collect().await;
    let read = async |cursor: u64| match lab
        .call(Request::GetEvents { context_id: lab.context.clone(), cursor, wait_ms: 1 })
        .await
    {
        Response::Events { cursor, events } => (cursor, events),
        other => panic!("no events: {other:?}"),
    };
    let (cursor, events) = read(0).await;
    assert_eq!(cursor, events.len() as u64);
    let (next, events) = read(cursor).await;
    assert_eq!((next, events.len()), (cursor, 0));
    lab.run(Order::all()).await;
    assert_eq!(read(cursor).await.1[0].seq, cursor + 1);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_printed_past_pytests_capture_belongs_to_the_run() {
    let text = "import os, subprocess, sys\n\
                def test_1():\n    print('plainly')\n    sys.stderr.write('to stderr\\n')\n\
                def test_2():\n    subprocess.run([sys.executable, '-c', 'print(\"by a child\")'], check=True)\n";
    for mode in ["embedded", "subprocess"] {
        let lab = Lab::open_in(mode, &[("test_a.py", text)]).await;
        let ran = lab.run(Order::all().with(|options| options.arguments = vec!["-s".into()])).await;
        let text = |stream: OutputStream| {
            ran.output
                .iter()
                .filter(|output| output.stream == stream)
                .map(|output| output.text.as_str())
                .collect::<String>()
        };
        let (stdout, stderr) = (text(OutputStream::Stdout), text(OutputStream::Stderr));
        assert!(stdout.contains("plainly\n") && stdout.contains("by a child\n"), "{mode}: {:?}", ran.output);
        assert!(stderr.contains("to stderr\n"), "{mode}: {:?}", ran.output);
        lab.close().await;
    }
}
