//! The way to a daemon: every session is a connection of its own.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pytest_lens_protocol::{ErrorCode, FrameReader, Request, Response, Shape, decode_response, encode_framed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::Mutex;

use super::server::is_own;
use crate::session::{Answer, Call, Connect};

/// A daemon behind a socket, whether it is there now or not.
#[derive(Debug, Clone)]
pub struct Remote {
    socket: PathBuf,
}

impl Remote {
    /// The daemon that listens on a socket. Nothing is connected before the first call of a session.
    #[must_use]
    pub fn new(socket: &Path) -> Self {
        Remote { socket: std::path::absolute(socket).unwrap_or_else(|_| socket.to_owned()) }
    }

    /// Whether the daemon is there now.
    ///
    /// # Errors
    /// A sentence that says what to do.
    pub async fn probe(&self) -> Result<(), String> {
        connect(&self.socket).await.map(drop)
    }
}

impl Connect for Remote {
    fn session(&self) -> Arc<dyn Call> {
        Arc::new(RemoteSession { socket: self.socket.clone(), line: Mutex::default() })
    }

    fn is_shared(&self) -> bool {
        true
    }
}

struct RemoteSession {
    socket: PathBuf,
    /// Taken out for the time of a call: where a call is dropped half-way the connection is closed, which tells the
    /// daemon, and no later call reads its answer.
    line: Mutex<Option<Line>>,
}

struct Line {
    stream: UnixStream,
    reader: FrameReader,
    chunk: Vec<u8>,
}

impl Call for RemoteSession {
    fn call(&self, request: Request) -> Answer<'_> {
        Box::pin(async move {
            self.ask(&request).await.unwrap_or_else(|message| Response::error(ErrorCode::InternalError, message))
        })
    }
}

impl RemoteSession {
    async fn ask(&self, request: &Request) -> Result<Response, String> {
        let framed = encode_framed(request, Shape::Compact).map_err(|error| error.to_string())?;
        let mut held = self.line.lock().await;
        let mut line = match held.take() {
            Some(line) => line,
            None => {
                Line { stream: connect(&self.socket).await?, reader: FrameReader::new(), chunk: vec![0; 64 * 1024] }
            }
        };
        let response = line.exchange(&framed).await.map_err(|error| match error.kind() {
            ErrorKind::InvalidData => error.to_string(),
            _ => format!(
                "the daemon at {0} has gone: start `pytest-lens daemon --socket {0}` again",
                self.socket.display()
            ),
        })?;
        *held = Some(line);
        Ok(response)
    }
}

impl Line {
    async fn exchange(&mut self, framed: &[u8]) -> io::Result<Response> {
        self.stream.write_all(framed).await?;
        loop {
            let wrong = |error: String| {
                let message = format!("the daemon's answer can't be read ({error}): install one version of both");
                io::Error::new(ErrorKind::InvalidData, message)
            };
            if let Some(message) = self.reader.next_message().map_err(|error| wrong(error.to_string()))? {
                return decode_response(message).1.map_err(|error| wrong(error.to_string()));
            }
            match self.stream.read(&mut self.chunk).await? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                count => self.reader.push(&self.chunk[..count]),
            }
        }
    }
}

async fn connect(socket: &Path) -> Result<UnixStream, String> {
    let shown = socket.display();
    let stream = UnixStream::connect(socket).await.map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
            format!("no daemon listens on {shown}: start one with `pytest-lens daemon --socket {shown}`")
        }
        _ => format!("the daemon at {shown} can't be reached: {error}"),
    })?;
    if is_own(&stream) {
        Ok(stream)
    } else {
        Err(format!("the daemon at {shown} is another user's: use one of your own"))
    }
}
