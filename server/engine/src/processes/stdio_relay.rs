//! Forwards the output of a project's interpreters and tests that bypasses pytest's capture.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use pytest_lens_platform::stdio::OutputPipe;
use pytest_lens_protocol::OutputStream;
use tokio::sync::{mpsc, oneshot};

use crate::timing::RELAY_FLUSH_LIMIT;

/// Output that bypassed pytest's capture.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Printed {
    pub stream: OutputStream,
    pub text: String,
    /// When it came.
    pub at: Instant,
}

/// Asks a relay to forward all that is there, and to report back.
type Ask = mpsc::UnboundedSender<oneshot::Sender<()>>;

/// All relays of one project's interpreters.
pub(crate) struct StdioRelays {
    to: mpsc::UnboundedSender<Printed>,
    asks: Mutex<Vec<Ask>>,
}

impl StdioRelays {
    pub(crate) fn new(to: mpsc::UnboundedSender<Printed>) -> Self {
        StdioRelays { to, asks: Mutex::default() }
    }

    /// Forwards a pipe until its end; `heard` keeps the beginning, for error messages.
    pub(crate) fn pass_on(&self, pipe: OutputPipe, stream: OutputStream, heard: Option<Arc<Mutex<String>>>) {
        let (asks, asked) = mpsc::unbounded_channel();
        self.asks.lock().unwrap_or_else(PoisonError::into_inner).push(asks);
        tokio::spawn(StdioRelay { pipe, stream, to: self.to.clone(), heard, pending: Vec::new() }.work(asked));
    }

    /// Forwards everything that was printed so far.
    pub(crate) async fn flush(&self) {
        let asked: Vec<_> = {
            let mut asks = self.asks.lock().unwrap_or_else(PoisonError::into_inner);
            asks.retain(|ask| !ask.is_closed());
            asks.iter()
                .map(|ask| {
                    let (done, answer) = oneshot::channel();
                    let _ = ask.send(done);
                    answer
                })
                .collect()
        };
        for answer in asked {
            let _ = tokio::time::timeout(RELAY_FLUSH_LIMIT, answer).await;
        }
    }
}

/// Forwards a process's output.
struct StdioRelay {
    pipe: OutputPipe,
    stream: OutputStream,
    to: mpsc::UnboundedSender<Printed>,
    /// The beginning of the output, for error messages.
    heard: Option<Arc<Mutex<String>>>,
    /// An incomplete character at the end of the last read.
    pending: Vec<u8>,
}

impl StdioRelay {
    /// Runs until the pipe's end. Flush requests are answered when everything in the pipe has been forwarded.
    async fn work(mut self, mut asked: mpsc::UnboundedReceiver<oneshot::Sender<()>>) {
        loop {
            let answer = tokio::select! {
                ready = self.pipe.readable() => match ready {
                    Ok(()) => None,
                    Err(_) => return,
                },
                Some(answer) = asked.recv() => Some(answer),
            };
            let open = self.read_all(answer.is_some());
            if let Some(answer) = answer {
                let _ = answer.send(());
            }
            if !open {
                return;
            }
        }
    }

    /// Forwards all that is there; `false` at the end.
    ///
    /// `directly`: reads the pipe itself, which may hold output that the runtime has not noticed yet.
    fn read_all(&mut self, directly: bool) -> bool {
        let mut buffer = [0; 16 * 1024];
        loop {
            match self.pipe.try_read(&mut buffer, directly) {
                Ok(0) => return false,
                Ok(length) => {
                    self.pending.extend_from_slice(&buffer[..length]);
                    if !self.pass_on() {
                        return false;
                    }
                }
                Err(error) => return error.kind() == std::io::ErrorKind::WouldBlock,
            }
        }
    }

    fn pass_on(&mut self) -> bool {
        let whole = match std::str::from_utf8(&self.pending) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => self.pending.len(),
        };
        let text = String::from_utf8_lossy(&self.pending[..whole]).into_owned();
        self.pending.drain(..whole);
        if let Some(heard) = &self.heard {
            let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
            if heard.len() < 64 * 1024 {
                heard.push_str(&text);
            }
        }
        self.to.send(Printed { stream: self.stream, text, at: Instant::now() }).is_ok()
    }
}
