//! Dispatches the client's messages to handlers. Handlers start in the order of their messages and then run
//! concurrently; no bad message and no panic costs more than one message.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::stream::FuturesUnordered;
use futures::{FutureExt, SinkExt, StreamExt};
use serde::Serialize;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tower_lsp::jsonrpc::{Error, ErrorCode, Request, Response};
use tower_lsp::{ClientSocket, LanguageServer, LspService};
use tower_service::Service;

use crate::timing::HANDLERS_LIMIT;
use crate::transport::frames::{Frame, Frames, header_within};
use crate::transport::messages::{Message, read, unreadable};
use crate::transport::results::{self, TextResponse};
use crate::transport::spellings::Spellings;

/// The most handlers at a time. Waiting handlers (a command that waits for its collection) must not block others.
const HANDLERS: usize = 256;

/// The most messages that wait to be sent to the client.
const QUEUE: usize = 100;

/// The most bytes that are read at a time.
const PIECE: usize = 1 << 16;

/// Serves one client until it sends `exit` or its input ends.
pub(crate) async fn serve<S: LanguageServer>(
    mut service: LspService<S>,
    socket: ClientSocket,
    input: impl AsyncRead + Unpin,
    output: impl AsyncWrite,
) {
    let (mut requests, mut answers) = socket.split();
    let (out, queue) = channel(QUEUE);
    let own = out.clone();
    let spellings = Arc::new(Mutex::new(Spellings::default()));
    let of_input = Arc::clone(&spellings);
    let asking = async move {
        while let Some(request) = requests.next().await {
            let _ = own.send(request_text(&request)).await;
        }
    };
    let handling = async move {
        let mut input = Input { input, piece: vec![0; PIECE], frames: Frames::default(), spellings: of_input };
        let mut tasks = FuturesUnordered::new();
        let exited = loop {
            // Not ready while `initialize` is being answered.
            let ready = futures::future::poll_fn(|cx| service.poll_ready(cx));
            let message = async {
                match ready.await {
                    Ok(()) => input.next().await,
                    Err(_) => None,
                }
            };
            let message = tokio::select! {
                message = message, if tasks.len() < HANDLERS => message,
                Some(()) = tasks.next(), if !tasks.is_empty() => continue,
            };
            match message {
                Some(Message::Request(request)) => {
                    let exits = request.method() == "exit";
                    let mut task = Box::pin(answer(&mut service, request, out.clone()));
                    // A handler that changes state does so before its first wait, so changes follow the order of the
                    // messages.
                    if futures::poll!(task.as_mut()).is_pending() {
                        tasks.push(task);
                    }
                    if exits {
                        break true;
                    }
                }
                Some(Message::Response(response)) => {
                    let _ = answers.send(response).await;
                }
                Some(Message::Refused(response)) => {
                    tracing::warn!("refused a message of the client: {response:?}");
                    let _ = out.send(text(&response)).await;
                }
                None => break false,
            }
        };
        if !exited {
            let rest = async { while tasks.next().await.is_some() {} };
            let _ = tokio::time::timeout(HANDLERS_LIMIT, rest).await;
        }
    };
    let writing = write(queue, output, &spellings);
    // Requests of the server end with the handlers; messages sent by then are written.
    let talking = async move {
        tokio::select! {
            () = handling => {}
            () = async { asking.await; std::future::pending().await } => {}
        }
    };
    tokio::join!(talking, writing);
}

/// Answers one request. A handler that panics gives an error response.
fn answer<S: LanguageServer>(
    service: &mut LspService<S>,
    request: Request,
    out: Sender<Vec<u8>>,
) -> impl Future<Output = ()> + use<S> {
    let (method, id) = (request.method().to_owned(), request.id().cloned());
    let called = catch_unwind(AssertUnwindSafe(|| service.call(request)));
    async move {
        let answered = match called {
            Ok(handler) => AssertUnwindSafe(results::of(handler)).catch_unwind().await,
            Err(panic) => Err(panic),
        };
        let (response, result) = match answered {
            Ok((response, result)) => (response.ok().flatten(), result),
            Err(_) => {
                tracing::error!("the handler of `{method}` panicked");
                (id.map(|id| Response::from_error(id, failed(&method))), None)
            }
        };
        if let Some(response) = response {
            let text = match result.filter(|_| response.is_ok()) {
                Some(result) => text(&TextResponse::new(response.id(), &result)),
                None => text(&response),
            };
            let _ = out.send(text).await;
        }
    }
}

fn failed(method: &str) -> Error {
    let message =
        format!("`{method}` failed inside pytest-lens, which is a bug: please report it with the server's log");
    Error { code: ErrorCode::InternalError, message: message.into(), data: None }
}

/// The client's input, message by message.
struct Input<R> {
    input: R,
    piece: Vec<u8>,
    frames: Frames,
    spellings: Arc<Mutex<Spellings>>,
}

impl<R: AsyncRead + Unpin> Input<R> {
    /// Returns the next message; `None` at the end. Cancel-safe.
    async fn next(&mut self) -> Option<Message> {
        loop {
            match self.frames.next() {
                Some(Frame::Body(body)) => return Some(self.message(body)),
                Some(Frame::BadHeader) => return Some(Message::Refused(unreadable())),
                None => {}
            }
            match self.input.read(&mut self.piece).await {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.frames.push(self.piece.get(..count).unwrap_or_default()),
            }
        }
    }

    fn message(&mut self, mut body: Vec<u8>) -> Message {
        let found = read(&body, &mut lock(&self.spellings));
        let end = found.as_ref().map_or_else(|| header_within(&body), |(_, length)| Some(*length));
        if let Some(end) = end.filter(|end| *end < body.len()) {
            self.frames.put_back(&body.split_off(end));
        }
        found.map_or_else(|| Message::Refused(unreadable()), |(message, _)| message)
    }
}

/// Writes until all senders are gone. Waiting messages go out in one write, because each write is a hop to another
/// thread. Errors of a client that no longer reads are ignored.
async fn write(mut queue: Receiver<Vec<u8>>, output: impl AsyncWrite, spellings: &Mutex<Spellings>) {
    let mut output = pin!(output);
    let mut messages = Vec::new();
    let mut bytes = Vec::new();
    let mut listens = true;
    while queue.recv_many(&mut messages, QUEUE).await > 0 {
        bytes.clear();
        for message in messages.drain(..) {
            let message = lock(spellings).restore(message);
            bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", message.len()).as_bytes());
            bytes.extend_from_slice(&message);
        }
        if listens {
            let written = async {
                output.write_all(&bytes).await?;
                output.flush().await
            };
            listens = written.await.is_ok();
        }
    }
}

fn lock(spellings: &Mutex<Spellings>) -> MutexGuard<'_, Spellings> {
    spellings.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A request to the client. JSON-RPC does not allow `null` as parameters.
fn request_text(request: &Request) -> Vec<u8> {
    if request.params() != Some(&Value::Null) {
        return text(request);
    }
    let bare = Request::build(request.method().to_owned());
    text(&match request.id() {
        Some(id) => bare.id(id.clone()).finish(),
        None => bare.finish(),
    })
}

fn text(message: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(message).unwrap_or_default()
}

/// Counts the messages in these bytes, which arrive in pieces of this length.
#[cfg(fuzzing)]
pub(crate) fn count_messages(bytes: &[u8], piece: usize) -> usize {
    let (piece, spellings) = (vec![0; piece.max(1)], Arc::default());
    let mut input = Input { input: bytes, piece, frames: Frames::default(), spellings };
    // Such an input never has to be waited for.
    std::iter::from_fn(|| input.next().now_or_never().flatten()).count()
}
