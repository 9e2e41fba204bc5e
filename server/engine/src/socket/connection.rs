//! One client's connection to a daemon: a session that handles its requests in order.

use std::sync::Arc;

use pytest_lens_platform::sockets::{Stream, is_hung_up};
use pytest_lens_protocol::{
    ErrorCode, FrameError, FrameReader, MAX_FRAME, Request, Response, Shape, decode_request, encode_framed,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::session::Call;
use crate::timing::{CLIENT_INTERVAL, DRAIN_LIMIT};

/// An answer with more parts than this is encoded on another thread, so that other connections need not wait.
const LARGE: usize = 1_000;

/// The end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConnectionEnd {
    /// The client has left.
    ClientLeft,
    /// It has ended the engine.
    Shutdown,
}

/// Answers a client until it leaves.
pub(super) async fn serve_connection(stream: Stream, session: Arc<dyn Call>) -> ConnectionEnd {
    let mut line = Line { stream, reader: FrameReader::new(), chunk: vec![0; 64 * 1024], is_over: false };
    loop {
        let (shape, request) = match line.next().await {
            Next::Request(shape, request) => (shape, *request),
            Next::Lost(message) => {
                line.give_up(message).await;
                return ConnectionEnd::ClientLeft;
            }
            Next::End => return ConnectionEnd::ClientLeft,
        };
        let is_last = matches!(request, Ok(Request::Shutdown { context_id: None }));
        let response = match request {
            Ok(request) => {
                let mut answer = session.call(request);
                tokio::select! {
                    biased;
                    response = &mut answer => response,
                    // A dropped call ends with its client; a shutdown is carried out in any case.
                    () = line.left(), if !is_last => return ConnectionEnd::ClientLeft,
                }
            }
            Err(message) => Response::error(ErrorCode::InvalidRequest, message),
        };
        let is_sent = line.send(response, shape).await;
        if is_last {
            return ConnectionEnd::Shutdown;
        }
        if !is_sent {
            return ConnectionEnd::ClientLeft;
        }
    }
}

enum Next {
    Request(Shape, Box<Result<Request, String>>),
    /// The stream is unreadable from here on.
    Lost(String),
    End,
}

struct Line {
    stream: Stream,
    reader: FrameReader,
    chunk: Vec<u8>,
    /// The client sends nothing more; it may still wait for answers.
    is_over: bool,
}

impl Line {
    async fn next(&mut self) -> Next {
        loop {
            match self.reader.next_message() {
                Ok(Some(message)) => {
                    let (shape, request) = decode_request(message);
                    return Next::Request(shape, Box::new(request.map_err(|error| error.to_string())));
                }
                Ok(None) if self.is_over => {
                    let cut = "the connection ended inside a frame; send all the bytes that it announces";
                    return if self.reader.is_partial() { Next::Lost(cut.into()) } else { Next::End };
                }
                Ok(None) => self.read().await,
                Err(oversized) => return Next::Lost(oversized.to_string()),
            }
        }
    }

    async fn read(&mut self) {
        match self.stream.read(&mut self.chunk).await {
            Ok(0) | Err(_) => self.is_over = true,
            Ok(count) => self.reader.push(&self.chunk[..count]),
        }
    }

    /// Returns when the client has gone. Meanwhile it buffers the client's requests, up to the size of a frame.
    async fn left(&mut self) {
        loop {
            if self.is_over || self.reader.pending() > MAX_FRAME {
                if is_hung_up(&self.stream) {
                    return;
                }
                tokio::time::sleep(CLIENT_INTERVAL).await;
            } else {
                self.read().await;
            }
        }
    }

    /// Sends an answer, or an error with advice if the answer is too long for a frame. Returns `false` if the client
    /// has gone.
    async fn send(&mut self, response: Response, shape: Shape) -> bool {
        let tag = response.tag();
        let encoded = if is_large(&response) {
            tokio::task::spawn_blocking(move || encode_framed(&response, shape)).await.ok()
        } else {
            Some(encode_framed(&response, shape))
        };
        let framed = match encoded {
            Some(Ok(framed)) => Some(framed),
            Some(Err(FrameError::Oversized(oversized))) => {
                let message = format!(
                    "the answer `{tag}` has {} bytes, and a frame can have {MAX_FRAME}: ask for less, as `list` with an expression, `get_shard` or `get_events` let you",
                    oversized.0
                );
                encode_framed(&Response::error(ErrorCode::InvalidRequest, message), shape).ok()
            }
            Some(Err(FrameError::Encode(error))) => {
                tracing::error!(%error, tag, "an answer can't be encoded");
                encode_framed(&Response::error(ErrorCode::InternalError, error.to_string()), shape).ok()
            }
            None => None,
        };
        match framed {
            Some(framed) => self.stream.write_all(&framed).await.is_ok(),
            None => false,
        }
    }

    /// Sends the reason, and closes the connection in such a way that the client can read it.
    async fn give_up(&mut self, message: String) {
        self.send(Response::error(ErrorCode::InvalidRequest, message), Shape::Named).await;
        let _ = self.stream.shutdown().await;
        let draining = async { while matches!(self.stream.read(&mut self.chunk).await, Ok(1..)) {} };
        let _ = tokio::time::timeout(DRAIN_LIMIT, draining).await;
    }
}

fn is_large(response: &Response) -> bool {
    let parts = match response {
        Response::InventoryData { nodes, .. } => nodes.len(),
        Response::TestList { node_ids } | Response::ShardedTests { node_ids, .. } => node_ids.len(),
        Response::RunProgress { results, .. } => results.len(),
        Response::FlakinessReport { flaky_tests, unstable_tests, .. } => flaky_tests.len() + unstable_tests.len(),
        Response::Events { events, .. } => {
            let items = |event: &Arc<pytest_lens_protocol::Event>| match &event.payload {
                pytest_lens_protocol::EventPayload::Inventory(delta) => delta.upserts.len(),
                _ => 1,
            };
            events.iter().map(items).sum()
        }
        _ => 0,
    };
    parts > LARGE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Answer;
    use pytest_lens_protocol::{decode_response, encode, frame};

    /// Answers `list` with more than a frame can hold.
    struct Talkative;

    impl Call for Talkative {
        fn call(&self, request: Request) -> Answer<'_> {
            Box::pin(async move {
                match request {
                    Request::List { .. } => Response::TestList { node_ids: vec!["x".repeat(MAX_FRAME)] },
                    _ => Response::Pong,
                }
            })
        }
    }

    async fn answer(stream: &mut Stream) -> Response {
        let mut length = [0; 4];
        stream.read_exact(&mut length).await.unwrap();
        let mut message = vec![0; u32::from_le_bytes(length) as usize];
        stream.read_exact(&mut message).await.unwrap();
        decode_response(&message).1.unwrap()
    }

    #[tokio::test]
    async fn an_answer_that_fits_no_frame_becomes_an_error_and_the_session_goes_on() {
        let (mut near, far) = Stream::pair().unwrap();
        let conversation = tokio::spawn(serve_connection(far, Arc::new(Talkative)));
        let list = Request::List { context_id: "c".into(), keyword: None, marker: None };
        for request in [&list, &Request::Ping] {
            let framed = frame(&encode(request, Shape::Named).unwrap()).unwrap();
            near.write_all(&framed).await.unwrap();
        }
        let Response::Error { code, message, .. } = answer(&mut near).await else { panic!("an error") };
        assert_eq!(code, ErrorCode::InvalidRequest);
        assert!(message.starts_with("the answer `test_list` has 67108"), "{message}");
        assert_eq!(answer(&mut near).await, Response::Pong);
        drop(near);
        assert_eq!(conversation.await.unwrap(), ConnectionEnd::ClientLeft);
    }
}
