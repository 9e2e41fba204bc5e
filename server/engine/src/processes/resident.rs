//! A resident: a runner that stays between runs, with the fixtures that its tests have set up.

use std::sync::{Arc, Weak};
use std::time::Duration;

use pytest_lens_protocol::FixtureReuseSettings;
use tokio::time::Instant;

use crate::processes::collected_session::CollectedSession;
use crate::processes::disk_snapshot::{Changes, Snapshot};
use crate::processes::invalidation::{Invalidation, ProjectFiles, judge};
use crate::processes::resident_pool::ResidentPool;
use crate::processes::runner::{Read, Runner};

/// A runner, and its state as a resident.
pub(crate) struct Resident {
    pub runner: Runner,
    pub state: Box<ResidentState>,
}

/// The state that a resident has in addition to a runner.
pub(crate) struct ResidentState {
    /// Everything that its session has read.
    pub snapshot: Snapshot,
    /// Its reads for fixtures and for modules while it ran tests.
    pub kept_reads: Snapshot,
    /// Test modules to reload in its next run.
    pub changed: Vec<String>,
    pub scopes: Vec<String>,
    pub lease: SlotLease,
    pub born: Instant,
    /// The session from which it was forked, whose end would end it, and which has its arguments.
    pub collected: Arc<CollectedSession>,
    /// The pool's generation in which it was made.
    pub generation: u64,
    /// Distinguishes its current idle time from earlier ones.
    pub idle_period: u64,
}

impl Resident {
    /// Returns whether it ended while it stood by.
    pub(crate) fn is_gone(&mut self) -> bool {
        self.runner.drain(|read| self.state.add(read))
    }
}

impl ResidentState {
    /// Its worker index, from 0, the same in every run.
    pub(crate) fn slot(&self) -> usize {
        self.lease.slot
    }

    /// Adds later reads.
    pub(crate) fn add(&mut self, read: Read) {
        match read {
            Read::Collecting(read) => self.snapshot.add(Snapshot::new(read)),
            // The worker reports each path once, so the state in which it was read first counts.
            Read::Running(read) => self.kept_reads.add(Snapshot::new(read)),
        }
    }

    /// The consequence of the changes since its reads. Blocks.
    pub(crate) fn judge(
        &mut self,
        project: &ProjectFiles<'_>,
        rules: &FixtureReuseSettings,
    ) -> (Changes, Invalidation) {
        let changes = self.snapshot.changes();
        let invalidation = if self.collected.base.is_unchanged() {
            match judge(project, &self.snapshot, &changes, rules) {
                Invalidation::Stays(_) if !self.kept_reads.is_fresh() => Invalidation::EndsBeforeNextRun,
                invalidation => invalidation,
            }
        } else {
            Invalidation::Ends
        };
        (changes, invalidation)
    }

    /// The time at which it is too old; `None`: never.
    pub(crate) fn expiry(&self, rules: &FixtureReuseSettings) -> Option<Instant> {
        self.born.checked_add(Duration::try_from_secs_f64(rules.max_age_seconds).ok()?)
    }

    pub(crate) fn is_expired(&self, rules: &FixtureReuseSettings) -> bool {
        self.expiry(rules).is_some_and(|at| at <= Instant::now())
    }
}

/// Holds a slot; dropping it frees the slot.
pub(crate) struct SlotLease {
    slot: usize,
    pool: Weak<ResidentPool>,
}

impl SlotLease {
    pub(crate) fn new(slot: usize, pool: &Arc<ResidentPool>) -> Self {
        SlotLease { slot, pool: Arc::downgrade(pool) }
    }
}

impl Drop for SlotLease {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.upgrade() {
            pool.free(self.slot);
        }
    }
}
