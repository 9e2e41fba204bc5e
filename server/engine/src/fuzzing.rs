//! The engine's readers of input, for the fuzz targets in `fuzz/` alone.

use std::collections::BTreeMap;

use tokio_util::bytes::BytesMut;

use crate::model::node::NodeMaker;
use crate::model::outcome::of_report;
use crate::model::recording::Recording;
use crate::model::timings::{TimeBefore, Timings};
use crate::model::warnings::Warnings;
use crate::processes::frames;
use crate::processes::worker_protocol::FromWorker;
use crate::project::env_file;

/// Reads a worker's stream, which arrives in these pieces, as a run does; returns the number of messages.
pub fn worker_stream<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> usize {
    let (mut codec, mut bytes) = (frames::codec(), BytesMut::new());
    let mut run = Run::default();
    for piece in pieces {
        bytes.extend_from_slice(piece);
        loop {
            match frames::next_message(&mut codec, &mut bytes) {
                Ok(Some(message)) => run.take(message),
                Ok(None) => break,
                // The engine ends the process.
                Err(_) => return run.messages,
            }
        }
    }
    run.finish()
}

/// A run's state, made of its processes' messages.
#[derive(Default)]
struct Run {
    messages: usize,
    nodes: NodeMaker,
    recording: Recording,
    timings: Timings,
    warnings: Warnings,
}

impl Run {
    fn take(&mut self, message: FromWorker) {
        self.messages += 1;
        match message {
            FromWorker::Nodes { items } => {
                items.into_iter().for_each(|item| drop(self.nodes.make(item).located(None).info()))
            }
            FromWorker::Finished(outcome) => drop(of_report(*outcome, "test_a.py::test_a", 1)),
            FromWorker::Inputs(inputs) => self.recording.add(1, inputs),
            FromWorker::Timings { spans } => self.timings.add(spans),
            FromWorker::Done { warnings, .. } => self.warnings.add(warnings),
            FromWorker::Collected(collected) => {
                for error in &collected.errors {
                    drop((error.short(), error.sentence()));
                }
            }
            _ => {}
        }
    }

    fn finish(mut self) -> usize {
        drop(self.recording.finish());
        drop(self.timings.finish(&TimeBefore::default(), 1.0));
        drop(self.warnings.take());
        self.messages
    }
}

/// Reads an `envFile`. One variable is known outside: `OUTER`.
pub fn env_file(text: &str) -> BTreeMap<String, String> {
    env_file::parse(text, &|name| (name == "OUTER").then(|| "out".to_owned()))
}
