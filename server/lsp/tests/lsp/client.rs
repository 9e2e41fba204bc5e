//! A language client for tests: speaks over an in-memory pipe, answers the server's requests, and keeps its messages.
//!
//! It is not the client of `testkit`: that one blocks a thread while it waits for a real process. Here the clock is
//! paused, and tokio moves it only while its own tasks wait.

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pytest_lens_protocol::EventPayload;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};

use crate::engine::FakeEngine;

/// Far more than anything takes. The tests' clock is paused, so a wait that fails ends at once.
const DEADLINE: Duration = Duration::from_secs(60);

/// The client, its folder and its engine.
pub(crate) struct Client {
    pub(crate) engine: FakeEngine,
    folder: TempDir,
    input: ReadHalf<DuplexStream>,
    output: WriteHalf<DuplexStream>,
    inbox: VecDeque<Value>,
    answers: HashMap<i64, Value>,
    /// Codes of errors that name no request.
    pub(crate) refusals: Vec<i64>,
    /// The answers to the server's requests; null if none is set.
    pub(crate) replies: HashMap<String, Value>,
    /// Methods of requests that stay without an answer.
    pub(crate) silent: Vec<&'static str>,
    next: i64,
    /// The capabilities that the client sent in `initialize`.
    said: Value,
}

/// Requests of the server, each with the capability of a client that accepts it.
const TAKEN: [(&str, &[&str]); 6] = [
    ("window/workDoneProgress/create", &["/capabilities/window/workDoneProgress"]),
    ("window/showDocument", &["/capabilities/window/showDocument/support"]),
    ("workspace/configuration", &["/capabilities/workspace/configuration"]),
    ("workspace/codeLens/refresh", &["/capabilities/workspace/codeLens/refreshSupport"]),
    ("workspace/inlayHint/refresh", &["/capabilities/workspace/inlayHint/refreshSupport"]),
    (
        "client/registerCapability",
        &[
            "/capabilities/workspace/didChangeWatchedFiles/dynamicRegistration",
            "/capabilities/textDocument/synchronization/dynamicRegistration",
        ],
    ),
];

/// The capability of a client that accepts the custom notifications.
const CUSTOM: [&str; 2] = ["/initializationOptions/pytestLens", "/capabilities/experimental/pytestLens"];

impl Client {
    /// A server with an engine behind it, not yet initialized.
    pub(crate) fn start() -> Self {
        let engine = FakeEngine::new();
        let (near, far) = tokio::io::duplex(1 << 20);
        let (server_input, server_output) = tokio::io::split(far);
        let connect = Arc::new(engine.clone());
        tokio::spawn(async move {
            pytest_lens_lsp::serve(connect, server_input, server_output).await;
        });
        let (input, output) = tokio::io::split(near);
        Client {
            engine,
            folder: tempfile::tempdir().unwrap(),
            input,
            output,
            inbox: VecDeque::new(),
            answers: HashMap::new(),
            refusals: Vec::new(),
            replies: HashMap::new(),
            silent: Vec::new(),
            next: 0,
            said: Value::Null,
        }
    }

    /// An initialized server with one folder, for a client with all capabilities.
    pub(crate) async fn ready() -> Self {
        let mut client = Client::start();
        client.open_folder(json!({ "pytestLens": true, "settings": {} })).await;
        client
    }

    /// Initializes with one folder, whose context the engine opens.
    pub(crate) async fn open_folder(&mut self, options: Value) {
        let folders = json!([{ "uri": self.uri(""), "name": "repo" }]);
        self.initialize(json!({ "workspaceFolders": folders, "initializationOptions": options })).await;
        self.idle().await;
    }

    /// Sends `initialize`, with all capabilities unless given, and `initialized`.
    pub(crate) async fn initialize(&mut self, mut params: Value) -> Value {
        let map = params.as_object_mut().unwrap();
        map.entry("capabilities").or_insert_with(full_capabilities);
        map.entry("processId").or_insert(Value::Null);
        map.entry("rootUri").or_insert(Value::Null);
        self.said = params.clone();
        let result = self.request("initialize", params).await.unwrap();
        self.notify("initialized", json!({})).await;
        result
    }

    /// Waits until the server has ended.
    pub(crate) async fn ended(&mut self) {
        let reading = async { while self.input.read(&mut [0; 4096]).await.is_ok_and(|read| read > 0) {} };
        tokio::time::timeout(DEADLINE, reading).await.unwrap();
    }

    /// The root of the folder.
    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    /// The URI of a path below the folder.
    pub(crate) fn uri(&self, path: &str) -> String {
        let uri = format!("file://{}/{path}", self.root().display());
        uri.trim_end_matches('/').to_owned()
    }

    /// The engine's context of the folder.
    pub(crate) fn context(&self) -> String {
        format!("context-{}", self.root().file_name().unwrap().to_string_lossy())
    }

    /// Writes a file into the folder.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Opens a document.
    pub(crate) async fn open(&mut self, path: &str, text: &str) {
        let item = json!({ "uri": self.uri(path), "languageId": "python", "version": 1, "text": text });
        self.notify("textDocument/didOpen", json!({ "textDocument": item })).await;
    }

    /// Edits a document: each change is `[line, character, line, character, text]`, or a text for all of it.
    pub(crate) async fn change(&mut self, path: &str, version: i32, changes: Value) {
        let changes: Vec<Value> = changes
            .as_array()
            .unwrap()
            .iter()
            .map(|change| match change.as_array() {
                Some(at) => json!({
                    "range": {
                        "start": { "line": at[0], "character": at[1] },
                        "end": { "line": at[2], "character": at[3] },
                    },
                    "text": at[4],
                }),
                None => json!({ "text": change }),
            })
            .collect();
        let document = json!({ "uri": self.uri(path), "version": version });
        let params = json!({ "textDocument": document, "contentChanges": changes });
        self.notify("textDocument/didChange", params).await;
    }

    /// Saves a document; with a text, also writes it to disk.
    pub(crate) async fn save(&mut self, path: &str) {
        self.notify("textDocument/didSave", json!({ "textDocument": { "uri": self.uri(path) } })).await;
    }

    /// Closes a document.
    pub(crate) async fn close(&mut self, path: &str) {
        self.notify("textDocument/didClose", json!({ "textDocument": { "uri": self.uri(path) } })).await;
    }

    /// The lenses of a document: `line: title`.
    pub(crate) async fn lenses(&mut self, path: &str) -> Vec<String> {
        let params = json!({ "textDocument": { "uri": self.uri(path) } });
        let lenses = self.request("textDocument/codeLens", params).await.unwrap();
        let line = |lens: &Value| {
            let title = lens["command"]["title"].as_str().unwrap_or_default().to_owned();
            format!("{}: {title}", lens["range"]["start"]["line"])
        };
        lenses.as_array().unwrap().iter().map(line).collect()
    }

    /// Executes a command with one argument.
    pub(crate) async fn command(&mut self, command: &str, argument: Value) -> Result<Value, Value> {
        self.request("workspace/executeCommand", json!({ "command": command, "arguments": [argument] })).await
    }

    /// Emits events of the folder's context, after the server has handled everything that was sent.
    pub(crate) async fn emit(&mut self, payloads: impl IntoIterator<Item = EventPayload>) {
        self.lenses("nothing.py").await;
        self.engine.emit(&self.context(), payloads);
    }

    /// Sends a notification.
    pub(crate) async fn notify(&mut self, method: &str, params: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params })).await;
    }

    /// Sends a request and waits for its answer.
    pub(crate) async fn request(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        let id = self.ask(method, params).await;
        self.answer(id).await
    }

    /// Waits for the answer to a request.
    pub(crate) async fn answer(&mut self, id: i64) -> Result<Value, Value> {
        loop {
            if let Some(answer) = self.answers.remove(&id) {
                return match answer.get("error") {
                    Some(error) => Err(error.clone()),
                    None => Ok(answer["result"].clone()),
                };
            }
            self.read_one("an answer").await;
        }
    }

    /// Answers a request of the server that was left without an answer.
    pub(crate) async fn reply(&mut self, method: &str, result: Value) {
        let asked = self.inbox.iter().find(|message| message["method"] == method).unwrap();
        let answer = json!({ "jsonrpc": "2.0", "id": asked["id"], "result": result });
        self.send(&answer).await;
    }

    /// Sends a request without waiting.
    pub(crate) async fn ask(&mut self, method: &str, params: Value) -> i64 {
        self.next += 1;
        let id = self.next;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })).await;
        id
    }

    /// The next message of this method, sent already or later; those before it stay.
    pub(crate) async fn wait(&mut self, method: &str) -> Value {
        loop {
            let known = self.inbox.iter().position(|message| message["method"] == method);
            if let Some(message) = known.and_then(|index| self.inbox.remove(index)) {
                return message["params"].clone();
            }
            self.read_one(method).await;
        }
    }

    /// Reads until the server has nothing more to do: all its timers have run out, and it sends nothing.
    pub(crate) async fn idle(&mut self) {
        while let Ok(message) = tokio::time::timeout(Duration::from_secs(5), self.read()).await {
            self.take(message).await;
        }
    }

    /// All messages since the last transcript, one in each line.
    pub(crate) async fn transcript(&mut self) -> String {
        self.idle().await;
        let lines: Vec<String> = self.inbox.drain(..).map(|message| line(&message)).collect();
        self.clean(&lines.join("\n"))
    }

    /// The same, for some methods only.
    pub(crate) async fn transcript_of(&mut self, methods: &[&str]) -> String {
        self.idle().await;
        let ours = |message: &Value| methods.iter().any(|method| message["method"] == *method);
        let (wanted, rest): (Vec<Value>, Vec<Value>) = self.inbox.drain(..).partition(ours);
        rest.iter().for_each(pass_over);
        let lines: Vec<String> = wanted.iter().map(line).collect();
        self.clean(&lines.join("\n"))
    }

    /// The custom notifications: method and parameters. All other messages are dropped.
    pub(crate) fn take_custom(&mut self) -> Vec<(String, Value)> {
        let ours = |message: Value| {
            pass_over(&message);
            let method = message["method"].as_str()?.to_owned();
            method.starts_with("pytestLens/").then(|| (method, message["params"].clone()))
        };
        self.inbox.drain(..).filter_map(ours).collect()
    }

    /// The parameters of all messages of a method that were not taken.
    pub(crate) fn seen(&self, method: &str) -> Vec<Value> {
        let ours = self.inbox.iter().filter(|message| message["method"] == method);
        ours.map(|message| message["params"].clone()).collect()
    }

    /// The same; the test has then looked at them.
    pub(crate) fn take_seen(&mut self, method: &str) -> Vec<Value> {
        let seen = self.seen(method);
        self.inbox.retain(|message| message["method"] != method);
        seen
    }

    /// Drops all messages. An error among them fails the test.
    pub(crate) fn take_all(&mut self) {
        self.inbox.drain(..).for_each(|message| pass_over(&message));
    }

    /// A text without the name of this test's folder.
    pub(crate) fn clean(&self, text: &str) -> String {
        let root = self.root().to_string_lossy().into_owned();
        let name = self.root().file_name().unwrap().to_string_lossy().into_owned();
        text.replace(&root, "/repo").replace(&name, "repo")
    }

    async fn read_one(&mut self, awaited: &str) {
        let Ok(message) = tokio::time::timeout(DEADLINE, self.read()).await else {
            let seen: Vec<String> = self.inbox.iter().map(line).collect();
            panic!("{awaited} did not come; unread were:\n{}", seen.join("\n"));
        };
        self.take(message).await;
    }

    async fn take(&mut self, message: Value) {
        let Some(method) = message["method"].as_str().map(str::to_owned) else {
            match message["id"].as_i64() {
                Some(id) => drop(self.answers.insert(id, message)),
                None => self.refusals.push(message["error"]["code"].as_i64().unwrap()),
            }
            return;
        };
        self.check_is_taken(&method, message.get("id").is_some());
        if let Some(id) = message.get("id").filter(|_| !self.silent.contains(&method.as_str())) {
            let result = self.replies.get(&method).cloned().unwrap_or_default();
            let answer = json!({ "jsonrpc": "2.0", "id": id, "result": result });
            self.send(&answer).await;
        }
        self.inbox.push_back(message);
    }

    /// The server sends only messages that the client's capabilities accept.
    fn check_is_taken(&self, method: &str, is_request: bool) {
        let says = |names: &[&str]| {
            names.iter().any(|name| self.said.pointer(name).is_some_and(|value| !value.is_null() && value != false))
        };
        let taken = TAKEN.iter().find(|(name, _)| *name == method);
        if is_request {
            assert!(taken.is_some_and(|(_, names)| says(names)), "nobody takes the request {method}");
        } else if method.starts_with("pytestLens/") {
            assert!(says(&CUSTOM), "nobody takes the notification {method}");
        }
    }

    async fn send(&mut self, message: &Value) {
        let body = message.to_string();
        self.send_raw(format!("Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).await;
    }

    /// Sends raw bytes.
    pub(crate) async fn send_raw(&mut self, bytes: &[u8]) {
        self.output.write_all(bytes).await.unwrap();
    }

    async fn read(&mut self) -> Value {
        let mut header = Vec::new();
        while !header.ends_with(b"\r\n\r\n") {
            header.push(self.input.read_u8().await.unwrap());
        }
        let header = String::from_utf8(header).unwrap();
        let length = header.trim().strip_prefix("Content-Length: ").unwrap().parse().unwrap();
        let mut body = vec![0; length];
        self.input.read_exact(&mut body).await.unwrap();
        serde_json::from_slice(&body).unwrap()
    }
}

impl Drop for Client {
    /// An error that no test looked at is a fault.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        self.inbox.iter().for_each(pass_over);
        let errors: Vec<&Value> = self.answers.values().filter(|answer| answer.get("error").is_some()).collect();
        assert!(errors.is_empty(), "no test looked at the errors {errors:?}");
        assert!(self.refusals.is_empty(), "no test looked at the refusals {:?}", self.refusals);
    }
}

/// Accepts a message that no test looks at, if it reports no error.
fn pass_over(message: &Value) {
    let is_error = message["method"] == "window/showMessage" && message["params"]["type"] == 1;
    assert!(!is_error, "no test expected {}", line(message));
}

fn line(message: &Value) -> String {
    let params = message.get("params").map(Value::to_string).unwrap_or_default();
    format!("{} {params}", message["method"].as_str().unwrap_or_default()).trim_end().to_owned()
}

/// A client with all capabilities.
pub(crate) fn full_capabilities() -> Value {
    json!({
        "general": { "positionEncodings": ["utf-16"] },
        "window": { "workDoneProgress": true },
        "workspace": {
            "configuration": true,
            "codeLens": { "refreshSupport": true },
            "inlayHint": { "refreshSupport": true },
            "didChangeWatchedFiles": { "dynamicRegistration": true },
        },
        "textDocument": {
            "synchronization": { "dynamicRegistration": true, "didSave": true },
            "codeAction": { "codeActionLiteralSupport": { "codeActionKind": { "valueSet": ["source"] } } },
            "publishDiagnostics": { "relatedInformation": true },
        },
    })
}
