//! The outcomes of a run whose session makes reports, for its later sessions: one that crashed is replaced, and tests run
//! again in a new one. The last session writes the reports, which have to be whole.

use std::collections::BTreeMap;

use pytest_lens_protocol::TestOutcome;

use crate::processes::worker_protocol::EarlierTest;

pub(super) struct SessionReports {
    /// The sessions of the run make reports.
    is_on: bool,
    sessions: usize,
    /// A session has begun, and not come to its end.
    is_open: bool,
    /// By their indices, the tests that have ended.
    ended: BTreeMap<usize, EarlierTest>,
}

impl SessionReports {
    pub(super) fn new(is_on: bool) -> Self {
        SessionReports { is_on, sessions: 0, is_open: false, ended: BTreeMap::new() }
    }

    /// A session begins; its reports have these tests, too.
    pub(super) fn begin_session(&mut self) -> Vec<EarlierTest> {
        self.sessions += 1;
        self.is_open = true;
        self.ended.values().cloned().collect()
    }

    /// A session has ended as it should: it writes its reports.
    pub(super) fn end_session(&mut self) {
        self.is_open = false;
    }

    /// Whether a session has begun before.
    pub(super) fn is_later(&self) -> bool {
        self.sessions > 0
    }

    /// Whether no session has written the reports of all tests.
    pub(super) fn are_missing(&self) -> bool {
        self.is_on && self.is_open
    }

    /// A test has ended. Clients get the outcome without the reports.
    pub(super) fn note(&mut self, index: usize, outcome: &mut TestOutcome) {
        if !self.is_on {
            return;
        }
        let reports = std::mem::take(&mut outcome.reports);
        // A hook may have handled the test without a report.
        if !reports.is_empty() || outcome.outcome == "passed" {
            self.insert(index, outcome, reports, None);
        }
    }

    /// A test has ended with its process.
    pub(super) fn note_lost(&mut self, index: usize, outcome: &TestOutcome) {
        if self.is_on {
            self.insert(index, outcome, Vec::new(), Some(outcome.message.clone().unwrap_or_default()));
        }
    }

    fn insert(&mut self, index: usize, outcome: &TestOutcome, reports: Vec<String>, message: Option<String>) {
        self.ended.insert(index, EarlierTest { id: outcome.id.clone(), ms: outcome.duration_ms, reports, message });
    }

    /// A test runs again: only its last attempt counts.
    pub(super) fn forget(&mut self, index: usize) {
        self.ended.remove(&index);
    }
}
