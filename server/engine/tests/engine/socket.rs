//! The daemon's socket: who is let in, what is answered to what, and when it ends.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pytest_lens_engine::{Address, AddressError, Connect, End, Remote, serve};
use pytest_lens_protocol::{
    ErrorCode, EventPayload, FrameReader, MAX_FRAME, Request, Response, RunEndStatus, Shape, decode_response, encode,
    frame,
};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::common::{Bench, Lab, Order, gone, in_time, refused, seen};

/// A daemon over an engine, in a folder of its own.
struct Daemon {
    folder: TempDir,
    end: Option<oneshot::Sender<()>>,
    serving: JoinHandle<End>,
}

impl Daemon {
    async fn over(bench: &Bench, idle: Option<Duration>) -> Self {
        let folder = TempDir::with_prefix("lens-socket-").unwrap();
        let address = Address::take(&folder.path().join("d.sock")).await.unwrap();
        let engine = std::sync::Arc::clone(&bench.engine);
        let (end, asked) = oneshot::channel::<()>();
        let serving = tokio::spawn(async move {
            serve(&engine, address, idle, async {
                let _ = asked.await;
            })
            .await
        });
        Daemon { folder, end: Some(end), serving }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("d.sock")
    }

    async fn client(&self) -> Client {
        Client { stream: UnixStream::connect(self.socket()).await.unwrap(), reader: FrameReader::new() }
    }

    async fn ended(self) -> End {
        drop(self.end);
        let end = in_time("the daemon's end", self.serving).await.unwrap();
        assert_eq!(std::fs::read_dir(self.folder.path()).unwrap().count(), 0, "nothing is left at the place");
        end
    }
}

/// A client that can say anything.
struct Client {
    stream: UnixStream,
    reader: FrameReader,
}

impl Client {
    async fn send(&mut self, bytes: &[u8]) {
        in_time("writing", self.stream.write_all(bytes)).await.unwrap();
    }

    /// The next answer and its shape; none at the end of the stream.
    async fn answer(&mut self) -> Option<(Shape, Response)> {
        let mut chunk = vec![0; 4096];
        loop {
            if let Some(message) = self.reader.next_message().unwrap() {
                let (shape, response) = decode_response(message);
                return Some((shape, response.unwrap()));
            }
            match in_time("an answer", self.stream.read(&mut chunk)).await.unwrap() {
                0 => return None,
                count => self.reader.push(&chunk[..count]),
            }
        }
    }

    async fn ask_in(&mut self, shape: Shape, request: &Request) -> Response {
        self.send(&frame(&encode(request, shape).unwrap()).unwrap()).await;
        let (answered, response) = self.answer().await.expect("an answer");
        assert_eq!(answered, shape, "{response:?}");
        response
    }

    async fn ask(&mut self, request: &Request) -> Response {
        self.ask_in(Shape::Compact, request).await
    }

    /// Sends a message that need not be one.
    async fn refusal(&mut self, message: &[u8]) -> String {
        self.send(&frame(message).unwrap()).await;
        let (code, message) = refused(self.answer().await.expect("an answer").1);
        assert_eq!(code, ErrorCode::InvalidRequest);
        message
    }

    async fn is_alive(&mut self) {
        assert_eq!(self.ask(&Request::Ping).await, Response::Pong);
    }
}

fn run_all(context: &str) -> Request {
    Request::Run { context_id: context.into(), node_ids: Vec::new(), workers: None, maxfail: None, options: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_comes_is_answered_in_its_shape_and_hurts_nobody_else() {
    let bench = Bench::new();
    let daemon = Daemon::over(&bench, None).await;
    let (mut client, mut other) = (daemon.client().await, daemon.client().await);
    for shape in [Shape::Named, Shape::Compact] {
        assert_eq!(client.ask_in(shape, &Request::Ping).await, Response::Pong);
        let unknown = client.ask_in(shape, &Request::GetInventory { context_id: "none".into() }).await;
        assert_eq!(refused(unknown).0, ErrorCode::ContextNotFound);
    }
    let pack = |value: serde_json::Value| encode(&value, Shape::Named).unwrap();
    for (message, says) in [
        (Vec::new(), "not a message"),
        (b"GET / HTTP/1.1".to_vec(), "not a message"),
        (pack(json!({"type": "pin"})), "did you mean \"ping\"?"),
        (pack(json!({"type": "collect", "context_id": "c"})), "field `force`: it is missing"),
        (pack(json!({"type": "collect", "context_id": 7, "force": true})), "field `context_id`"),
        (pack(json!(["get_shard", "c", [], -1, 2, "hash"])), "field `shard_index`"),
        (
            pack(json!({"type": "configure_rerun", "context_id": "c", "enabled": true, "max_reruns": 1,
                        "only_flaky": false, "delay_ms": -5})),
            "field `delay_ms`",
        ),
    ] {
        let told = client.refusal(&message).await;
        assert!(told.contains(says), "{says:?} is not in {told:?}");
        client.is_alive().await;
    }
    other.is_alive().await;
    assert_eq!(daemon.ended().await, End::Requested);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_can_not_be_followed_is_answered_and_closed() {
    let bench = Bench::new();
    let daemon = Daemon::over(&bench, None).await;
    let mut other = daemon.client().await;

    let mut greedy = daemon.client().await;
    let length = u32::try_from(MAX_FRAME + 1).unwrap();
    greedy.send(&length.to_le_bytes()).await;
    let (code, message) = refused(greedy.answer().await.expect("an answer").1);
    assert_eq!(code, ErrorCode::InvalidRequest);
    assert!(message.contains("67108865"), "{message}");
    assert!(greedy.answer().await.is_none());

    let mut cut = daemon.client().await;
    cut.send(&[100, 0, 0, 0, 0x91]).await;
    cut.stream.shutdown().await.unwrap();
    let (code, message) = refused(cut.answer().await.expect("an answer").1);
    assert_eq!(code, ErrorCode::InvalidRequest);
    assert!(message.contains("inside a frame"), "{message}");
    assert!(cut.answer().await.is_none());

    other.is_alive().await;
    daemon.ended().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_before_the_client_stopped_writing_is_answered() {
    let bench = Bench::new();
    let daemon = Daemon::over(&bench, None).await;
    let mut client = daemon.client().await;
    let ping = frame(&encode(&Request::Ping, Shape::Compact).unwrap()).unwrap();
    client.send(&ping.repeat(3)).await;
    client.stream.shutdown().await.unwrap();
    for _ in 0..3 {
        assert_eq!(client.answer().await, Some((Shape::Compact, Response::Pong)));
    }
    assert_eq!(client.answer().await, None);
    daemon.ended().await;
}

const HANGING: &str = "import time\ndef test_1():\n    open('begun', 'w').close()\n    while True: time.sleep(0.01)\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_waited_for_ends_with_its_client_and_delays_nobody() {
    let lab = Lab::open(&[("test_a.py", HANGING)]).await;
    let daemon = Daemon::over(&lab.bench, None).await;
    let mut leaver = daemon.client().await;
    leaver.send(&frame(&encode(&run_all(&lab.context), Shape::Compact).unwrap()).unwrap()).await;
    seen("the test", || lab.project.read("begun")).await;
    daemon.client().await.is_alive().await;
    drop(leaver);
    let status = lab
        .log()
        .until("the end", |payload| match payload {
            EventPayload::RunFinished(end) => Some(end.status),
            _ => None,
        })
        .await;
    assert_eq!(status, RunEndStatus::Killed);
    daemon.ended().await;
    gone(&lab.project.mark()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streaming_run_outlives_its_client_and_keeps_an_idle_daemon_alive() {
    let text = "import pathlib, time\n\
                def test_1():\n    open('begun', 'w').close()\n    end = time.monotonic() + 30\n    \
                while not pathlib.Path('go').exists():\n        assert time.monotonic() < end\n        time.sleep(0.01)\n";
    let lab = Lab::open(&[("test_a.py", text)]).await;
    // Long enough for the first client to come, and shorter than the start of a run.
    let idle = Duration::from_millis(100);
    let mut daemon = Daemon::over(&lab.bench, Some(idle)).await;
    let mut client = daemon.client().await;
    let request = Request::RunStream {
        context_id: lab.context.clone(),
        node_ids: Vec::new(),
        workers: None,
        maxfail: None,
        options: None,
    };
    let Response::RunStarted { run_id, .. } = client.ask(&request).await else { panic!("no run") };
    drop(client);
    seen("the test", || lab.project.read("begun")).await;
    // Only the run keeps it; a second client finds it there, and the run in it.
    let mut second = daemon.client().await;
    let progress = Request::GetRunProgress { context_id: lab.context.clone(), run_id };
    assert!(matches!(second.ask(&progress).await, Response::RunProgress { running: 1, done: false, .. }));
    drop(second);
    lab.project.write("go", "");
    let end = in_time("the idle end", &mut daemon.serving).await.unwrap();
    assert_eq!(end, End::Idle);
    assert!(!daemon.socket().exists());
    gone(&lab.project.mark()).await;
}

// The clock stands still, and moves on only when a task sleeps while nothing else can happen.
#[tokio::test(start_paused = true)]
async fn a_client_that_is_connected_keeps_an_idle_daemon_alive() {
    let bench = Bench::new();
    let mut daemon = Daemon::over(&bench, Some(Duration::from_secs(600))).await;
    let mut client = daemon.client().await;
    client.is_alive().await;
    tokio::time::sleep(Duration::from_secs(3_000)).await;
    client.is_alive().await;
    drop(client);
    assert_eq!((&mut daemon.serving).await.unwrap(), End::Idle);
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_is_answered_and_ends_the_daemon_and_its_processes() {
    let lab = Lab::resident(&[("test_a.py", "def test_1(): pass")]).await;
    lab.collect().await;
    let mut daemon = Daemon::over(&lab.bench, None).await;
    let mut client = daemon.client().await;
    let mut waiting = daemon.client().await;
    let events = Request::GetEvents { context_id: lab.context.clone(), cursor: 1_000, wait_ms: 60_000 };
    waiting.ask(&events).await;
    assert_eq!(client.ask(&Request::Shutdown { context_id: None }).await, Response::ShutdownAck);
    assert_eq!(in_time("the end", &mut daemon.serving).await.unwrap(), End::Shutdown);
    gone(&lab.project.mark()).await;
    assert_eq!(client.answer().await, None);
    assert!(!daemon.socket().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_the_daemon_sees_what_a_client_in_process_sees() {
    let lab = Lab::open(&[("test_a.py", "def test_1(): pass\ndef test_2(): assert 0")]).await;
    let daemon = Daemon::over(&lab.bench, None).await;
    let remote = Remote::new(&daemon.socket());
    assert!(remote.is_shared());
    let session = remote.session();
    let Response::RunComplete { passed: 1, failed: 1, .. } = session.call(run_all(&lab.context)).await else {
        panic!("no run")
    };
    for request in [
        Request::GetInventory { context_id: lab.context.clone() },
        Request::GetEvents { context_id: lab.context.clone(), cursor: 0, wait_ms: 0 },
        Request::GetContextStatus { context_id: lab.context.clone() },
        Request::GetOutput { context_id: lab.context.clone(), node_id: "test_a.py::test_2".into() },
    ] {
        assert_eq!(session.call(request.clone()).await, lab.call(request).await);
    }
    // A call that is dropped half-way does not leave its answer for the next one.
    let events = Request::GetEvents { context_id: lab.context.clone(), cursor: 6, wait_ms: 60_000 };
    let hanging = tokio::time::timeout(Duration::from_millis(1), session.call(events)).await;
    drop(hanging);
    assert_eq!(session.call(Request::Ping).await, Response::Pong);

    let socket = daemon.socket();
    daemon.ended().await;
    let (code, message) = refused(session.call(Request::Ping).await);
    assert_eq!(code, ErrorCode::InternalError);
    assert!(message.contains("has gone") && message.contains(&*socket.to_string_lossy()), "{message}");
    let (_, message) = refused(session.call(Request::Ping).await);
    assert!(message.starts_with("no daemon listens on"), "{message}");
    assert!(remote.probe().await.unwrap_err().contains("pytest-lens daemon --socket"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_late_is_told_the_whole_inventory_first() {
    let lab = Lab::open(&[("test_a.py", "def test_1(): pass"), ("d/test_b.py", "def test_2(: pass")]).await;
    lab.run(Order::of(&["test_a.py"])).await;
    lab.try_collect(false).await;
    let from = |cursor| Request::GetEvents { context_id: lab.context.clone(), cursor, wait_ms: 60_000 };
    let Response::Events { cursor, events } = lab.call(from(u64::MAX)).await else { panic!("no events") };
    let [event] = &*events else { panic!("one event: {events:?}") };
    let EventPayload::Inventory(delta) = &event.payload else { panic!("the inventory: {event:?}") };
    assert!(delta.whole && event.seq == cursor);
    let ids: Vec<&str> = delta.upserts.iter().map(|item| &*item.id).collect();
    assert_eq!(ids, ["d", "d/test_b.py", "d/test_b.py::test_2", "test_a.py", "test_a.py::test_1"]);
    assert!(delta.errors[0].uri.ends_with("d/test_b.py"));
    // And goes on from there.
    lab.run(Order::of(&["test_a.py"])).await;
    let Response::Events { events, .. } = lab.call(from(cursor)).await else { panic!("no events") };
    assert_eq!(events[0].seq, cursor + 1);
    lab.close().await;
}

async fn refused_place(path: &Path) -> AddressError {
    Address::take(path).await.expect_err("a place that can't be had")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_is_taken_by_one_and_left_to_the_next() {
    let folder = TempDir::with_prefix("lens-place-").unwrap();
    let path = folder.path().join("made/d.sock");
    // A socket that nobody listens on: what a killed daemon leaves.
    std::fs::create_dir(folder.path().join("made")).unwrap();
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let address = Address::take(&path).await.unwrap();
    assert!(UnixStream::connect(&path).await.is_ok());
    let error = in_time("the refusal", refused_place(&path)).await;
    assert!(error.to_string().starts_with(&format!("a daemon listens on {} already", path.display())), "{error}");
    drop(address);
    assert_eq!(std::fs::read_dir(folder.path().join("made")).unwrap().count(), 0);

    let (one, two) = tokio::join!(Address::take(&path), Address::take(&path));
    assert!(one.is_ok() != two.is_ok(), "exactly one: {one:?}, {two:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_can_not_be_had_is_told_with_the_way_out() {
    let folder = TempDir::with_prefix("lens-place-").unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "mine").unwrap();
    for (path, says) in [
        (folder.path().join("x".repeat(120)), "bytes"),
        (file.clone(), "is no socket"),
        (file.join("below"), "can be made"),
    ] {
        let error = refused_place(&path).await.to_string();
        assert!(error.contains(says) && error.contains("--socket"), "{error}");
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    // A socket on which somebody else listens without a lock is left alone as well.
    let path = folder.path().join("other.sock");
    let _other = std::os::unix::net::UnixListener::bind(&path).unwrap();
    assert!(matches!(refused_place(&path).await, AddressError::Taken(_)));
    assert!(path.exists());
}
