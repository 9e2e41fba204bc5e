//! Ids of runs: unique among the engines of a machine, numbered within one.

use std::sync::atomic::{AtomicU64, Ordering};

/// Generates the ids of an engine's runs.
#[derive(Debug)]
pub(crate) struct RunIds {
    next: AtomicU64,
    /// Distinguishes this engine's ids from those of others.
    epoch: u64,
}

impl RunIds {
    /// `epoch`: the start of the engine, Unix time in milliseconds.
    pub(crate) fn new(epoch: u64) -> Self {
        RunIds { next: AtomicU64::new(1), epoch }
    }

    /// A new run's id, and its number within this engine.
    pub(crate) fn next(&self) -> (String, u64) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        (format!("run-{:x}-{number}", self.epoch), number)
    }
}
