//! A small blocking language client: sends requests and notifications, and waits for the server's messages.
//!
//! A thread reads the server's messages when they arrive, stamps them with their time, and answers the server's own
//! requests at once, so that a server never hangs on a busy client. Every wait has a deadline, and an error names the
//! expected message and those that came instead.

use crate::framing::{read_timed_frame, write_frame};
use crate::server_requests::answer;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// A notification or a request that the server sent.
#[derive(Clone, Debug)]
pub struct Message {
    /// The LSP method.
    pub method: String,
    /// The parameters; null if there are none.
    pub params: Value,
    /// The id of a request (the client has answered it already).
    pub id: Option<Value>,
    /// The time at which its last byte was read.
    pub at: Instant,
}

/// The error with which a server answered a request.
#[derive(Clone, Debug, PartialEq)]
pub struct ResponseError {
    /// The JSON-RPC code.
    pub code: i64,
    /// The message for the user.
    pub message: String,
    /// Further details; null if there are none.
    pub data: Value,
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (code {})", self.message, self.code)
    }
}

impl std::error::Error for ResponseError {}

type Answer = Result<Value, ResponseError>;

/// JSON-RPC's code for an unknown request.
const METHOD_NOT_FOUND: i64 = -32601;

enum Incoming {
    Response(i64, Answer, Instant),
    Call(Message),
    /// A request that no editor knows.
    Unknown(String),
    Closed(String),
}

type Writer = Arc<Mutex<Box<dyn Write + Send>>>;

/// A connection to a language server, in a child process or over any pair of streams.
pub struct LspClient {
    child: Option<Child>,
    writer: Writer,
    incoming: Receiver<Incoming>,
    /// With the times at which they came.
    answers: HashMap<i64, (Answer, Instant)>,
    messages: VecDeque<Message>,
    settings: Arc<Mutex<Value>>,
    stderr: Arc<Mutex<String>>,
    closed: Option<String>,
    next_id: i64,
    deadline: Duration,
}

impl LspClient {
    /// Starts the server as a child process; error messages include its standard error.
    pub fn spawn(mut command: Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("could not start {}", command.get_program().display()))?;
        let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            bail!("the child process has no pipes");
        };
        let mut client = Self::over(stdout, stdin);
        let kept = client.stderr.clone();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                lock(&kept).push_str(&format!("{line}\n"));
            }
        });
        client.child = Some(child);
        Ok(client)
    }

    /// Speaks to a server over streams: a socket, or pipes to a server in the same process.
    pub fn over(reader: impl Read + Send + 'static, writer: impl Write + Send + 'static) -> Self {
        let (sender, incoming) = channel();
        let writer: Writer = Arc::new(Mutex::new(Box::new(writer)));
        let settings = Arc::new(Mutex::new(Value::Null));
        let (replies, known) = (writer.clone(), settings.clone());
        thread::spawn(move || listen(BufReader::new(reader), &sender, &replies, &known));
        Self {
            child: None,
            writer,
            incoming,
            answers: HashMap::new(),
            messages: VecDeque::new(),
            settings,
            stderr: Arc::default(),
            closed: None,
            next_id: 0,
            deadline: Duration::from_secs(60),
        }
    }

    /// The time that every later wait may take (60 seconds unless set).
    pub fn set_deadline(&mut self, deadline: Duration) {
        self.deadline = deadline;
    }

    /// The settings for `workspace/configuration`: an object by section, as `{"pytestLens": {...}}`.
    pub fn set_settings(&self, settings: Value) {
        *lock(&self.settings) = settings;
    }

    /// The id of the server's process, if it is a child.
    pub fn process_id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Sends `initialize` with these parameters, then `initialized`; returns the server's answer.
    pub fn initialize(&mut self, params: Value) -> Result<Value> {
        let result = self.request("initialize", params)?;
        self.notify("initialized", json!({}))?;
        Ok(result)
    }

    /// Sends a request and waits for its answer; a [`ResponseError`] is the error's root cause.
    pub fn request(&mut self, method: &str, params: Value) -> Result<Value> {
        let id = self.send(method, params)?;
        self.response(id).with_context(|| format!("{method} failed"))
    }

    /// Sends a request that the server must refuse, and returns the refusal.
    pub fn refusal(&mut self, method: &str, params: Value) -> Result<ResponseError> {
        match self.request(method, params) {
            Ok(result) => bail!("{method} was to be refused, but answered {result}"),
            Err(error) => match error.downcast_ref::<ResponseError>() {
                Some(refusal) => Ok(refusal.clone()),
                None => Err(error),
            },
        }
    }

    /// Sends `workspace/executeCommand` with one argument.
    pub fn execute(&mut self, command: &str, argument: Value) -> Result<Value> {
        let params = json!({"command": command, "arguments": [argument]});
        self.request("workspace/executeCommand", params).with_context(|| command.to_owned())
    }

    /// Sends a request without waiting; [`LspClient::response`] takes the id.
    pub fn send(&mut self, method: &str, params: Value) -> Result<i64> {
        self.next_id += 1;
        let id = self.next_id;
        self.write(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))?;
        Ok(id)
    }

    /// Waits for the answer to the request of that id.
    pub fn response(&mut self, id: i64) -> Result<Value> {
        Ok(self.timed_response(id)?.0)
    }

    /// The same, with the time at which the answer's last byte was read: how long this client then took to parse it is
    /// not the server's time.
    pub fn timed_response(&mut self, id: i64) -> Result<(Value, Instant)> {
        let end = Instant::now() + self.deadline;
        loop {
            if let Some((answer, at)) = self.answers.remove(&id) {
                return Ok((answer?, at));
            }
            self.receive(end, || format!("the answer to request {id}"))?;
        }
    }

    /// Sends a notification.
    pub fn notify(&mut self, method: &str, params: Value) -> Result<()> {
        self.write(&json!({"jsonrpc": "2.0", "method": method, "params": params}))
    }

    /// Takes the oldest message of that method, and waits for one if there is none yet. Others stay for later.
    pub fn expect(&mut self, method: &str) -> Result<Message> {
        self.expect_where(method, |_| true)
    }

    /// Like [`LspClient::expect`], for the oldest message whose parameters match. Others stay for later.
    pub fn expect_where(&mut self, method: &str, mut suits: impl FnMut(&Value) -> bool) -> Result<Message> {
        let end = Instant::now() + self.deadline;
        let mut seen = 0;
        loop {
            while seen < self.messages.len() {
                let message = &self.messages[seen];
                if message.method == method && suits(&message.params) {
                    return self.messages.remove(seen).context("the message is gone");
                }
                seen += 1;
            }
            self.receive(end, || format!("{method} (a matching one)"))?;
        }
    }

    /// Takes the oldest message of any method, and waits until the given time; `None` if there is none.
    pub fn next_message(&mut self, until: Instant) -> Result<Option<Message>> {
        while self.messages.is_empty() {
            if !self.poll(until)? {
                return Ok(None);
            }
        }
        Ok(self.messages.pop_front())
    }

    /// Takes every message that has arrived and was not taken yet.
    pub fn take_messages(&mut self) -> Vec<Message> {
        while self.poll(Instant::now()).is_ok_and(|came| came) {}
        self.messages.drain(..).collect()
    }

    /// Sends `textDocument/didOpen` of a Python file.
    pub fn did_open(&mut self, uri: &str, text: &str) -> Result<()> {
        let document = json!({"uri": uri, "languageId": "python", "version": 1, "text": text});
        self.notify("textDocument/didOpen", json!({"textDocument": document}))
    }

    /// Sends `textDocument/didChange` with the whole new text.
    pub fn did_change(&mut self, uri: &str, version: i64, text: &str) -> Result<()> {
        let params = json!({
            "textDocument": {"uri": uri, "version": version},
            "contentChanges": [{"text": text}],
        });
        self.notify("textDocument/didChange", params)
    }

    /// Sends `textDocument/didSave`.
    pub fn did_save(&mut self, uri: &str) -> Result<()> {
        let params = json!({"textDocument": {"uri": uri}});
        self.notify("textDocument/didSave", params)
    }

    /// Sends `shutdown` and `exit`; waits until the server has closed its output, and returns its exit status. Fails if
    /// the server has reported an error that the test did not take.
    pub fn shutdown(mut self) -> Result<Option<ExitStatus>> {
        self.request("shutdown", Value::Null)?;
        self.notify("exit", Value::Null)?;
        let end = Instant::now() + self.deadline;
        while self.closed.is_none() {
            if Instant::now() >= end {
                bail!("the server still runs {:?} after `exit`", self.deadline);
            }
            self.poll(end).ok();
        }
        self.check_errors_were_seen()?;
        match self.child.take() {
            Some(mut child) => Ok(Some(child.wait()?)),
            None => Ok(None),
        }
    }

    /// Errors that the test did not take, as answers or as messages for the user.
    fn check_errors_were_seen(&self) -> Result<()> {
        let answers = self.answers.values().filter_map(|(answer, _)| answer.as_ref().err().map(ToString::to_string));
        let is_error = |message: &&Message| message.method == "window/showMessage" && message.params["type"] == 1;
        let shown = self.messages.iter().filter(is_error).map(|message| message.params["message"].to_string());
        let errors: Vec<String> = answers.chain(shown).collect();
        if errors.is_empty() { Ok(()) } else { bail!("nobody looked at what went wrong: {}", errors.join("; ")) }
    }

    /// The server's standard error so far.
    pub fn stderr(&self) -> String {
        lock(&self.stderr).clone()
    }

    fn write(&mut self, message: &Value) -> Result<()> {
        write_frame(&mut *lock(&self.writer), message)
            .with_context(|| format!("the server takes no more messages{}", self.last_words()))
    }

    /// Receives one message, or fails with the expected one.
    fn receive(&mut self, until: Instant, what: impl Fn() -> String) -> Result<()> {
        if self.poll(until).with_context(|| format!("while waiting for {}", what()))? {
            return Ok(());
        }
        let methods: Vec<&str> = self.messages.iter().map(|it| it.method.as_str()).collect();
        bail!("{} did not come within {:?}; untaken messages: {methods:?}{}", what(), self.deadline, self.last_words());
    }

    /// Receives one message; false if none came in time, an error if the server is gone.
    fn poll(&mut self, until: Instant) -> Result<bool> {
        let wait = until.saturating_duration_since(Instant::now());
        match self.incoming.recv_timeout(wait) {
            Ok(Incoming::Response(id, answer, at)) => {
                self.answers.insert(id, (answer, at));
                Ok(true)
            }
            Ok(Incoming::Call(message)) => {
                self.messages.push_back(message);
                Ok(true)
            }
            Ok(Incoming::Unknown(method)) => bail!("the server asked for {method}, which no editor takes"),
            Ok(Incoming::Closed(reason)) => {
                let error = format!("the server is gone: {reason}{}", self.last_words());
                self.closed = Some(reason);
                bail!(error)
            }
            Err(RecvTimeoutError::Timeout) => Ok(false),
            Err(RecvTimeoutError::Disconnected) => bail!("the server is gone{}", self.last_words()),
        }
    }

    /// The end of standard error, to append to an error message.
    fn last_words(&self) -> String {
        let text = self.stderr();
        let lines: Vec<&str> = text.lines().collect();
        match lines.as_slice() {
            [] => String::new(),
            lines => format!("; standard error: {}", lines[lines.len().saturating_sub(20)..].join("\n")),
        }
    }
}

impl Drop for LspClient {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // A client that is dropped in the middle (a failing test) leaves no server behind.
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// Reads the server's messages until the end, and answers its requests.
fn listen(mut reader: impl BufRead, sender: &Sender<Incoming>, writer: &Writer, settings: &Mutex<Value>) {
    let reason = loop {
        let (mut message, at) = match read_timed_frame(&mut reader) {
            Ok(Some(read)) => read,
            Ok(None) => break "it closed its output".to_owned(),
            Err(error) => break format!("it broke the framing: {error:#}"),
        };
        let incoming = match message["method"].as_str().map(str::to_owned) {
            Some(method) => {
                let id = message.get("id").cloned();
                let result = id.as_ref().map(|id| (id, answer(&method, &message["params"], &lock(settings))));
                let reply = match &result {
                    Some((id, Some(result))) => Some(json!({"jsonrpc": "2.0", "id": id, "result": result})),
                    Some((id, None)) => {
                        let error = json!({"code": METHOD_NOT_FOUND, "message": "this client knows no such request"});
                        Some(json!({"jsonrpc": "2.0", "id": id, "error": error}))
                    }
                    None => None,
                };
                if let Some(reply) = reply {
                    write_frame(&mut *lock(writer), &reply).ok();
                }
                if matches!(result, Some((_, None))) {
                    Incoming::Unknown(method)
                } else {
                    Incoming::Call(Message { method, params: message["params"].take(), id, at })
                }
            }
            None => Incoming::Response(message["id"].as_i64().unwrap_or(-1), response(message), at),
        };
        if sender.send(incoming).is_err() {
            return;
        }
    };
    sender.send(Incoming::Closed(reason)).ok();
}

fn response(mut message: Value) -> Answer {
    match message.get("error") {
        Some(error) => Err(ResponseError {
            code: error["code"].as_i64().unwrap_or_default(),
            message: error["message"].as_str().unwrap_or_default().to_owned(),
            data: error["data"].clone(),
        }),
        None => Ok(message["result"].take()),
    }
}

/// A lock whose holder panicked still guards whole messages.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The `file:` URI of an absolute path.
pub fn file_uri(path: &Path) -> Result<String> {
    match url::Url::from_file_path(path) {
        Ok(uri) => Ok(uri.into()),
        Err(()) => bail!("{} is no absolute path", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framing::read_frame;
    use std::os::unix::net::UnixStream;

    /// A client and the server's end of its connection.
    fn pair() -> (LspClient, UnixStream, BufReader<UnixStream>) {
        let (here, there) = UnixStream::pair().unwrap();
        let mut client = LspClient::over(here.try_clone().unwrap(), here);
        client.set_deadline(Duration::from_secs(10));
        (client, there.try_clone().unwrap(), BufReader::new(there))
    }

    #[test]
    fn answers_find_their_requests_in_any_order() {
        let (mut client, mut server, mut requests) = pair();
        let first = client.send("one", json!({})).unwrap();
        let second = client.send("two", json!({})).unwrap();
        for _ in 0..2 {
            read_frame(&mut requests).unwrap();
        }
        for id in [second, first] {
            write_frame(&mut server, &json!({"id": id, "result": id * 10})).unwrap();
        }
        assert_eq!(client.response(first).unwrap(), json!(first * 10));
        assert_eq!(client.response(second).unwrap(), json!(second * 10));
    }

    #[test]
    fn messages_passed_over_stay_in_order() {
        let (mut client, mut server, _requests) = pair();
        for number in 0..3 {
            write_frame(&mut server, &json!({"method": "n", "params": {"number": number}})).unwrap();
        }
        write_frame(&mut server, &json!({"method": "m", "params": null})).unwrap();
        client.expect("m").unwrap();
        let last = client.expect_where("n", |params| params["number"] == 2).unwrap();
        assert_eq!(last.params["number"], 2);
        assert_eq!(client.expect("n").unwrap().params["number"], 0);
        assert_eq!(client.expect("n").unwrap().params["number"], 1);
        assert!(client.take_messages().is_empty());
    }

    #[test]
    fn a_request_of_the_server_is_answered_at_once() {
        let (client, mut server, mut answers) = pair();
        client.set_settings(json!({"pytestLens": {"workers": 3}}));
        let params = json!({"items": [{"section": "pytestLens.workers"}]});
        let request = json!({"id": "a", "method": "workspace/configuration", "params": params});
        write_frame(&mut server, &request).unwrap();
        let answer = read_frame(&mut answers).unwrap().unwrap();
        assert_eq!(answer, json!({"jsonrpc": "2.0", "id": "a", "result": [3]}));
    }

    #[test]
    fn a_request_that_no_editor_takes_fails_what_waits() {
        let (mut client, mut server, mut answers) = pair();
        write_frame(&mut server, &json!({"id": 7, "method": "workspace/no", "params": null})).unwrap();
        assert_eq!(read_frame(&mut answers).unwrap().unwrap()["error"]["code"], METHOD_NOT_FOUND);
        let error = format!("{:#}", client.expect("x").unwrap_err());
        assert!(error.contains("workspace/no"), "{error}");
    }

    #[test]
    fn an_error_that_nobody_looked_at_fails_the_shutdown() {
        for is_seen in [true, false] {
            let (mut client, mut server, mut requests) = pair();
            let params = json!({"type": 1, "message": "no Python"});
            write_frame(&mut server, &json!({"method": "window/showMessage", "params": params})).unwrap();
            write_frame(&mut server, &json!({"method": "n", "params": null})).unwrap();
            client.expect("n").unwrap();
            if is_seen {
                client.expect("window/showMessage").unwrap();
            }
            let answering = thread::spawn(move || {
                let id = read_frame(&mut requests).unwrap().unwrap()["id"].clone();
                write_frame(&mut server, &json!({"id": id, "result": null})).unwrap();
                read_frame(&mut requests).unwrap();
                server.shutdown(std::net::Shutdown::Both).unwrap();
            });
            let ended = client.shutdown();
            assert_eq!(ended.is_ok(), is_seen, "{ended:?}");
            answering.join().unwrap();
        }
    }

    #[test]
    fn a_refusal_carries_code_and_message() {
        let (mut client, mut server, mut requests) = pair();
        let answering = thread::spawn(move || {
            let id = read_frame(&mut requests).unwrap().unwrap()["id"].clone();
            let error = json!({"code": -32602, "message": "no such test"});
            write_frame(&mut server, &json!({"id": id, "error": error})).unwrap();
        });
        let refusal = client.refusal("workspace/executeCommand", json!({})).unwrap();
        assert_eq!((refusal.code, refusal.message.as_str()), (-32602, "no such test"));
        answering.join().unwrap();
    }

    #[test]
    fn a_server_that_goes_is_an_error_with_its_last_words() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo broken config >&2; exec 2>&-; exit 1"]);
        let mut client = LspClient::spawn(command).unwrap();
        let error = format!("{:#}", client.expect("x").unwrap_err());
        assert!(error.contains("the server is gone"), "{error}");
    }
}
