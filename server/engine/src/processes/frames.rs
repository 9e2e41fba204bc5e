//! A worker's connection as frames: a 4-byte little-endian length, then that many bytes of JSON.
//!
//! A runner of short tests sends thousands of frames a second, and each would wake this process. So the reader rests
//! while the runner has tests enough: a sender that has nobody to wake goes on at once, and what it sent is read
//! together. The kernel holds it meanwhile, so that nothing is lost with the runner.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pytest_lens_platform::sockets::WorkerStream;
use pytest_lens_platform::workers::{WorkerReader, WorkerWriter, split_worker};
use tokio::time::Instant;
use tokio_util::bytes::BytesMut;
use tokio_util::codec::{Decoder, LengthDelimitedCodec};

use crate::processes::worker_protocol::{FromWorker, ToWorker};
use crate::timing::{LONGEST_REST, QUICK_READ, SHORTEST_REST};

/// The longest frame of a worker, in bytes. A batch of nodes is far smaller.
const MAX_WORKER_FRAME: usize = 256 * 1024 * 1024;

/// The size of one read, in bytes.
const READ_SIZE: usize = 64 * 1024;

/// This many quick reads in a row make a runner busy.
const BUSY_READS: u32 = 8;

/// Both sides of a connection.
pub(super) fn split(stream: WorkerStream) -> io::Result<(Incoming, Outgoing)> {
    let (reader, writer) = split_worker(stream)?;
    let sent = Arc::new(AtomicUsize::new(0));
    let incoming = Incoming {
        reader,
        codec: codec(),
        buffer: BytesMut::new(),
        chunk: vec![0; READ_SIZE],
        pace: Pace { quick: 0, last: Instant::now() },
        starts: 0,
        sent: Arc::clone(&sent),
        started: 0,
    };
    Ok((incoming, Outgoing { writer, sent }))
}

/// The frames of a worker.
pub(crate) fn codec() -> LengthDelimitedCodec {
    LengthDelimitedCodec::builder().little_endian().max_frame_length(MAX_WORKER_FRAME).new_codec()
}

/// Takes the next message from the bytes that have arrived.
pub(crate) fn next_message(codec: &mut LengthDelimitedCodec, bytes: &mut BytesMut) -> io::Result<Option<FromWorker>> {
    let Some(text) = codec.decode(bytes)? else { return Ok(None) };
    serde_json::from_slice(&text).map(Some).map_err(io::Error::other)
}

/// The messages of a process.
pub(super) struct Incoming {
    reader: WorkerReader,
    codec: LengthDelimitedCodec,
    buffer: BytesMut,
    chunk: Vec<u8>,
    pace: Pace,
    /// Number of tests that began since the last read.
    starts: u32,
    /// Number of tests that the process got in all, and that it has begun.
    sent: Arc<AtomicUsize>,
    started: usize,
}

impl Incoming {
    /// The next message; `None` at the end of the stream.
    pub(super) async fn next(&mut self) -> io::Result<Option<FromWorker>> {
        loop {
            if let Some(message) = next_message(&mut self.codec, &mut self.buffer)? {
                if matches!(message, FromWorker::Started { .. }) {
                    self.starts += 1;
                }
                return Ok(Some(message));
            }
            if !self.read().await? {
                return Ok(None);
            }
        }
    }

    /// Reads more, after a rest if the process is busy. Returns false at the end of the stream.
    async fn read(&mut self) -> io::Result<bool> {
        let starts = std::mem::take(&mut self.starts);
        self.started += starts as usize;
        let left = self.sent.load(Ordering::Relaxed).saturating_sub(self.started);
        if let Some(rest) = self.pace.rest(starts, left, Instant::now()) {
            self.reader.rest();
            tokio::time::sleep(rest).await;
        }
        let from = Instant::now();
        let length = match self.reader.read(&mut self.chunk).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => 0,
            other => other?,
        };
        self.pace.note(from.elapsed());
        self.buffer.extend_from_slice(self.chunk.get(..length).unwrap_or_default());
        Ok(length > 0)
    }
}

/// The orders for a process. It reads the end of the stream when this goes.
pub(super) struct Outgoing {
    writer: WorkerWriter,
    sent: Arc<AtomicUsize>,
}

impl Outgoing {
    /// Sends one message.
    pub(super) async fn send(&mut self, message: &ToWorker) -> io::Result<()> {
        let tests = match message {
            ToWorker::Run(order) => order.feed.len(),
            ToWorker::Feed { indices, .. } => indices.len(),
            _ => 0,
        };
        self.sent.fetch_add(tests, Ordering::Relaxed);
        let mut frame = vec![0; 4];
        serde_json::to_writer(&mut frame, message)?;
        let length = u32::try_from(frame.len() - 4).map_err(io::Error::other)?;
        frame[..4].copy_from_slice(&length.to_le_bytes());
        self.writer.write_all(&frame).await
    }
}

/// How fast a runner's tests follow one another.
struct Pace {
    /// The reads in a row that hardly waited.
    quick: u32,
    /// The end of the last burst of tests.
    last: Instant,
}

impl Pace {
    /// Takes the time that a read waited for something to read.
    fn note(&mut self, waited: Duration) {
        self.quick = if waited < QUICK_READ { self.quick.saturating_add(1) } else { 0 };
    }

    /// How long to rest after this many tests have begun, with this many `left`: half of the time that they last.
    fn rest(&mut self, begun: u32, left: usize, now: Instant) -> Option<Duration> {
        if begun == 0 {
            return None;
        }
        let each = now.saturating_duration_since(self.last) / begun;
        self.last = now;
        let half = each.saturating_mul(u32::try_from(left / 2).unwrap_or(u32::MAX));
        (self.quick >= BUSY_READS && half >= SHORTEST_REST).then_some(half.min(LONGEST_REST))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::thread;

    use super::*;

    #[test]
    fn the_reader_of_a_busy_runner_rests_while_that_has_tests_enough() {
        let mut now = Instant::now();
        let mut pace = Pace { quick: 0, last: now };
        let mut after = |pace: &mut Pace, left| {
            now += Duration::from_micros(100);
            pace.rest(1, left, now)
        };
        for _ in 1..BUSY_READS {
            pace.note(Duration::ZERO);
            assert_eq!(after(&mut pace, 1000), None);
        }
        pace.note(Duration::ZERO);
        assert_eq!(after(&mut pace, 1000), Some(LONGEST_REST));
        assert_eq!(after(&mut pace, 40), Some(Duration::from_millis(2)));
        assert_eq!(after(&mut pace, 4), None, "it would wait for the next tests");
        pace.note(QUICK_READ);
        assert_eq!(after(&mut pace, 1000), None, "its tests are long");
    }

    #[tokio::test]
    async fn frames_arrive_whole_and_in_order_and_the_end_is_told() {
        let (ours, theirs) = tokio::net::UnixStream::pair().unwrap();
        let (mut incoming, mut outgoing) = split(ours).unwrap();
        let mut theirs = theirs.into_std().unwrap();
        theirs.set_nonblocking(false).unwrap();
        outgoing.send(&ToWorker::Feed { indices: (0..3000).collect(), end: true }).await.unwrap();
        let writer = thread::spawn(move || {
            for index in 0..3000 {
                let text = format!("{{\"t\":\"started\",\"i\":{index},\"after_crash\":{}}}", index % 7);
                let mut frame = u32::try_from(text.len()).unwrap().to_le_bytes().to_vec();
                frame.extend_from_slice(text.as_bytes());
                // In two parts, so that reads end anywhere.
                let (head, tail) = frame.split_at(index % frame.len());
                theirs.write_all(head).unwrap();
                theirs.write_all(tail).unwrap();
            }
            theirs
        });
        for index in 0..3000 {
            let message = incoming.next().await.unwrap().unwrap();
            assert!(matches!(message, FromWorker::Started { i, .. } if i == index));
        }
        let mut theirs = writer.join().unwrap();
        drop(outgoing);
        let mut orders = Vec::new();
        theirs.read_to_end(&mut orders).unwrap();
        assert!(orders.ends_with(b"2999],\"end\":true}"));
        drop(theirs);
        assert!(incoming.next().await.unwrap().is_none());
    }
}
