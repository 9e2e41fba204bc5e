//! A run of the recorder's: its tests without an outcome, and the attempts at them for the history.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use pytest_lens_history::{Attempt, Run};
use pytest_lens_plan::outcome::{Counts, Outcome};
use pytest_lens_protocol::{PluginSummary, TestOutcome};

use crate::model::outcome::ReportedRepeat;
use crate::model::recording::Recording;
use crate::model::timings::Timings;
use crate::model::warnings::Warnings;
use crate::project::remembered_failure;
use crate::project::state::ProjectState;
use crate::runs::plan::RunPlan;
use crate::runs::record::{CaseResult, RunRecord};

/// An accepted run that has not ended.
pub(super) struct OpenRun {
    pub plan: Arc<RunPlan>,
    pub record: Arc<RunRecord>,
    pub number: u64,
    pub counts: Counts,
    /// Running tests whose output goes to files.
    pub streamed: HashSet<usize>,
    /// The last attempt of each test that announced another. If none follows, it is reported again as final.
    pub promised: HashMap<usize, u32>,
    /// The number of failed attempts of each test that plugins repeated within one execution, if there are any.
    pub repeats: HashMap<usize, u32>,
    /// For the history.
    pub run: Run,
    /// No other run had its tests at the same time. Otherwise the runs may have disturbed each other, and their
    /// outcomes prove nothing.
    pub runs_alone: bool,
    pub warned: Warnings,
    pub timings: Timings,
    pub summaries: Vec<PluginSummary>,
    /// The inputs of its tests.
    pub recording: Recording,
}

impl OpenRun {
    /// Tests without a final outcome.
    pub(super) fn left(&self) -> Vec<usize> {
        let state = self.record.state();
        (0..self.plan.selected.len()).filter(|index| !state.settled.contains(index)).collect()
    }

    /// Whether it runs in a debugger: then it proves nothing about a test.
    fn is_debugged(&self) -> bool {
        self.plan.kind.debug_process().is_some()
    }

    /// Records failed attempts that a plugin has repeated, such as pytest-rerunfailures. For clients they and the last
    /// one, whose outcome follows, are one attempt, since pytest has repeated them in one execution.
    pub(super) fn note_repeats(&mut self, index: usize, repeats: &[ReportedRepeat]) {
        if self.is_debugged() {
            return;
        }
        let before = self.promised.get(&index).copied().unwrap_or(0);
        let count = self.repeats.entry(index).or_default();
        for repeat in repeats {
            *count = count.saturating_add(1);
            self.run.attempts.push(Attempt {
                id: Arc::clone(&self.plan.node(index).id),
                outcome: repeat.outcome.parse().unwrap_or(Outcome::Failed),
                attempt: before.saturating_add(*count),
                duration_ms: repeat.ms,
                failure: None,
            });
        }
    }

    /// Takes in an outcome; a final one settles the test.
    pub(super) fn settle(&mut self, published: &ProjectState, index: usize, outcome: &TestOutcome) {
        let suite_log = &self.record.suite_log;
        if self.streamed.remove(&index) {
            suite_log.close_streams(index, None, None);
        } else {
            suite_log.keep_texts(index, outcome);
        }
        let known: Outcome = outcome.outcome.parse().unwrap_or(Outcome::Error);
        let id = Arc::clone(&self.plan.node(index).id);
        let (attempt, duration_ms) = (outcome.attempt, outcome.duration_ms);
        let is_new = self.promised.insert(index, attempt) != Some(attempt);
        if known != Outcome::NotRun && !self.is_debugged() && is_new {
            let failure =
                known.is_failure().then(|| remembered_failure::kept(outcome, self.plan.node(index), &published.root));
            let failure = failure.map(Arc::new);
            let attempt = attempt.saturating_add(self.repeats.get(&index).copied().unwrap_or(0));
            self.run.attempts.push(Attempt { id: Arc::clone(&id), outcome: known, attempt, duration_ms, failure });
        }
        let mut state = self.record.state();
        if outcome.will_rerun {
            state.running.remove(&index);
            return;
        }
        self.record.suite_log.settle(index, known);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a duration is positive and short"
        )]
        state.settle(CaseResult {
            index,
            outcome: known,
            duration_ms: outcome.duration_ms.round() as u64,
            message: outcome.message.clone(),
        });
        drop(state);
        self.record.has_settled();
        self.counts.add(known);
        if known != Outcome::NotRun {
            let kept = TestOutcome { reports: Vec::new(), ..outcome.clone() };
            published.stale().remove(&id);
            published.results.insert(id.to_string(), Arc::new(kept));
        }
    }
}
