//! A resident: a runner that stays between runs, with the fixtures that its tests have set up.

use std::sync::{Arc, Weak};
use std::time::Duration;

use pytest_lens_protocol::FixtureReuseSettings;
use tokio::time::Instant;

use crate::processes::collected_session::CollectedSession;
use crate::processes::disk_snapshot::{Changes, Snapshot};
use crate::processes::invalidation::{Invalidation, ProjectFiles, judge};
use crate::processes::resident_pool::ResidentPool;
use crate::processes::runner::Runner;
use crate::processes::worker_protocol::WireRead;

/// A runner, and what makes it a resident.
pub(crate) struct Resident {
    pub runner: Runner,
    pub state: Box<ResidentState>,
}

/// What a resident has beyond an ordinary runner.
pub(crate) struct ResidentState {
    /// What its session has read.
    pub snapshot: Snapshot,
    /// Test modules that it has to take afresh in its next run.
    pub changed: Vec<String>,
    pub scopes: Vec<String>,
    pub lease: SlotLease,
    pub born: Instant,
    /// It is a fork of this one, whose end would be its own; and it has its arguments.
    pub collected: Arc<CollectedSession>,
    /// The pool's generation in which it was made.
    pub generation: u64,
    /// Tells its present idle time from earlier ones.
    pub idle_period: u64,
}

impl Resident {
    /// Whether it ended while it stood by.
    pub(crate) fn is_gone(&mut self) -> bool {
        self.runner.drain(|read| self.state.add(read))
    }
}

impl ResidentState {
    /// Which worker it is, counted from 0, in every run.
    pub(crate) fn slot(&self) -> usize {
        self.lease.slot
    }

    /// Its session has read more.
    pub(crate) fn add(&mut self, read: WireRead) {
        self.snapshot.add(Snapshot::new(read));
    }

    /// What has changed since it read it, and what becomes of it. Blocks.
    pub(crate) fn judge(
        &mut self,
        project: &ProjectFiles<'_>,
        rules: &FixtureReuseSettings,
    ) -> (Changes, Invalidation) {
        let changes = self.snapshot.changes();
        let invalidation = if self.collected.base.is_unchanged() {
            judge(project, &self.snapshot, &changes, rules)
        } else {
            Invalidation::Ends
        };
        (changes, invalidation)
    }

    /// When it is too old; `None`: never.
    pub(crate) fn expiry(&self, rules: &FixtureReuseSettings) -> Option<Instant> {
        self.born.checked_add(Duration::try_from_secs_f64(rules.max_age_seconds).ok()?)
    }

    pub(crate) fn is_expired(&self, rules: &FixtureReuseSettings) -> bool {
        self.expiry(rules).is_some_and(|at| at <= Instant::now())
    }
}

/// Holds a slot; dropped, the slot is free.
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
