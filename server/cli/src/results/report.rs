//! What is known of a run, from its events: the one place from which lines, bar, summary and exit status come.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pytest_lens_protocol::{CollectError, EventPayload, NOT_COLLECTED, RunEnd, RunEndStatus, TestOutcome};

use crate::failure::exit;
use crate::options::selectors::is_selected_file;
use crate::paths::path_of_uri;

/// A file that could not be collected.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FileError {
    /// Relative to the root where it lies in it.
    pub path: String,
    /// 1-based.
    pub line: u32,
    /// What Python or pytest said.
    pub message: String,
    /// pytest's own text of it, where it has one.
    pub longrepr: Option<String>,
}

/// What is known of a run.
#[derive(Debug)]
pub(crate) struct Report {
    root: PathBuf,
    /// What was asked for; empty means everything.
    asked: Vec<String>,
    /// Tests selected.
    pub total: usize,
    /// Final outcomes, by name.
    pub outcomes: BTreeMap<String, usize>,
    /// Attempts that were repeated.
    pub reruns: usize,
    /// Tests that were asked for and taken out.
    pub deselected: usize,
    /// Subtests that passed and that failed.
    pub subtests: (usize, usize),
    /// All final outcomes, where somebody wants to read more than the failures.
    pub all: Option<Vec<TestOutcome>>,
    /// The final outcomes that are no success, in the order in which they came.
    pub failures: Vec<TestOutcome>,
    /// Errors of collection in what was asked for.
    pub errors: Vec<FileError>,
    /// Its tests have the terminal.
    pub has_terminal: bool,
    /// What is to be said before it begins.
    pub note: Option<String>,
    /// The end, once it has come.
    pub end: Option<RunEnd>,
}

impl Report {
    /// Of a run that has not begun.
    pub(crate) fn new(root: &Path, asked: Vec<String>) -> Self {
        Report {
            root: root.to_owned(),
            asked,
            total: 0,
            outcomes: BTreeMap::new(),
            reruns: 0,
            deselected: 0,
            subtests: (0, 0),
            all: None,
            failures: Vec::new(),
            errors: Vec::new(),
            has_terminal: false,
            note: None,
            end: None,
        }
    }

    /// What was asked for; empty means everything.
    pub(crate) fn asked(&self) -> &[String] {
        &self.asked
    }

    /// Takes in an event; whether it is one of this run's.
    pub(crate) fn take(&mut self, payload: &EventPayload, run_id: &str) -> bool {
        let of = match payload {
            EventPayload::Inventory(delta) => {
                self.take_errors(delta.errors.clone());
                return false;
            }
            EventPayload::FlakinessHint(_) => return false,
            EventPayload::RunStarted(start) => &start.run_id,
            EventPayload::TestStarted(tests) => &tests.run_id,
            EventPayload::TestOutcome(tests) => &tests.run_id,
            EventPayload::Output(output) => &output.run_id,
            EventPayload::RunFinished(end) => &end.run_id,
        };
        if of != run_id {
            return false;
        }
        match payload {
            EventPayload::RunStarted(start) => {
                self.total = start.total;
                self.deselected = start.deselected;
            }
            EventPayload::TestOutcome(tests) => tests.outcomes.iter().for_each(|outcome| self.take_outcome(outcome)),
            EventPayload::RunFinished(end) => self.end = Some(end.clone()),
            _ => {}
        }
        true
    }

    fn take_outcome(&mut self, outcome: &TestOutcome) {
        if outcome.will_rerun {
            self.reruns += 1;
            return;
        }
        *self.outcomes.entry(outcome.outcome.clone()).or_default() += 1;
        let of = |wanted: &str| outcome.subtests.iter().filter(|subtest| subtest.outcome == wanted).count();
        self.subtests = (self.subtests.0 + of("passed"), self.subtests.1 + of("failed"));
        if let Some(all) = &mut self.all {
            all.push(outcome.clone());
        }
        if is_failure(&outcome.outcome) {
            self.failures.push(outcome.clone());
        }
    }

    /// Takes the errors that hold now, those of the files that were asked for.
    pub(crate) fn take_errors(&mut self, errors: Vec<CollectError>) {
        let errors = errors.into_iter().map(|error| FileError {
            path: path_of_uri(&error.uri, &self.root),
            line: error.range.start.line + 1,
            message: error.message,
            longrepr: error.longrepr,
        });
        self.errors = errors.filter(|error| is_selected_file(&self.asked, &error.path)).collect();
    }

    /// Whether a file that was asked for could not be collected.
    pub(crate) fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    /// Tests with a final outcome.
    pub(crate) fn done(&self) -> usize {
        self.outcomes.values().sum()
    }

    /// pytest's exit status.
    pub(crate) fn status(&self) -> i32 {
        let Some(end) = &self.end else { return exit::INTERNAL };
        match end.status {
            RunEndStatus::InternalError => exit::INTERNAL,
            RunEndStatus::Stopped | RunEndStatus::Killed => exit::INTERRUPTED,
            _ if self.has_errors() => exit::INTERRUPTED,
            RunEndStatus::Failed
                if end.counts.failed + end.counts.errors + end.counts.not_run == 0
                    && end.message.as_ref().is_some_and(|message| message.contains(NOT_COLLECTED)) =>
            {
                exit::INTERRUPTED
            }
            RunEndStatus::Failed | RunEndStatus::TimedOut => exit::FAILED,
            RunEndStatus::Passed if end.counts.failed + end.counts.errors > 0 => exit::FAILED,
            RunEndStatus::Passed if self.total == 0 => exit::NO_TESTS,
            RunEndStatus::Passed => exit::OK,
        }
    }
}

/// Whether an outcome makes a run fail.
pub(crate) fn is_failure(outcome: &str) -> bool {
    matches!(outcome, "failed" | "error" | "timed_out" | "crashed")
}
