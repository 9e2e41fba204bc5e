//! The client's side of a daemon: every session is a connection of its own.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::StreamExt;
use pytest_lens_platform::sockets::{self, Stream};
use pytest_lens_protocol::{ErrorCode, MAX_FRAME, Request, Response, Shape, decode_response, encode_framed};
use tokio::io::AsyncWriteExt;
use tokio::sync::Mutex;
use tokio_util::codec::{Framed, LengthDelimitedCodec};

use super::server::is_own;
use crate::session::{Answer, Call, Connect};

/// A daemon behind a socket. It need not run yet.
#[derive(Debug, Clone)]
pub struct Remote {
    socket: PathBuf,
}

impl Remote {
    /// Names the daemon that listens on a socket. The first call of a session connects.
    #[must_use]
    pub fn new(socket: &Path) -> Self {
        Remote { socket: std::path::absolute(socket).unwrap_or_else(|_| socket.to_owned()) }
    }

    /// Checks that the daemon accepts connections.
    ///
    /// # Errors
    ///
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
    /// Taken out during a call. If the call is dropped, the connection is closed: the daemon notices, and no later call
    /// reads the answer.
    line: Mutex<Option<Line>>,
}

/// A connection. [`encode_framed`] frames the requests, since its error says what to do about one that is too long.
struct Line(Framed<Stream, LengthDelimitedCodec>);

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
            None => Line::new(connect(&self.socket).await?),
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
    fn new(stream: Stream) -> Self {
        let codec = LengthDelimitedCodec::builder().little_endian().max_frame_length(MAX_FRAME).new_codec();
        Line(Framed::with_capacity(stream, codec, 64 * 1024))
    }

    async fn exchange(&mut self, framed: &[u8]) -> io::Result<Response> {
        self.0.get_mut().write_all(framed).await?;
        let wrong = |error: String| {
            let message = format!("the daemon's answer can't be read ({error}): install one version of both");
            io::Error::new(ErrorKind::InvalidData, message)
        };
        match self.0.next().await {
            Some(Ok(message)) => decode_response(&message).1.map_err(|error| wrong(error.to_string())),
            Some(Err(error)) if error.kind() == ErrorKind::InvalidData => Err(wrong(error.to_string())),
            Some(Err(error)) => Err(error),
            None => Err(ErrorKind::UnexpectedEof.into()),
        }
    }
}

async fn connect(socket: &Path) -> Result<Stream, String> {
    let shown = socket.display();
    let stream = sockets::connect(socket).await.map_err(|error| match error.kind() {
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
