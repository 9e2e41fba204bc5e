//! The events and the status of a suite in run control, made from a run's outcomes.
//!
//! A run's log has starts, outcomes (one for each attempt) and an end. [`SuiteSequence`] makes a suite's events of
//! them: each case is found first and finished last, and starts and stops once, even if the log repeats a report, has
//! it late or lacks it.

pub use pytest_lens_protocol::{CaseStatus, SuiteStatus};
use serde::{Deserialize, Serialize};

use crate::outcome::Outcome;

/// The status of a case by its last attempt's outcome.
#[must_use]
pub fn case_status(outcome: Outcome) -> CaseStatus {
    match outcome {
        Outcome::Passed | Outcome::XFailed | Outcome::XPassed => CaseStatus::Passed,
        Outcome::Failed => CaseStatus::Failed,
        Outcome::TimedOut => CaseStatus::TimedOut,
        Outcome::Skipped | Outcome::NotRun => CaseStatus::Skipped,
        Outcome::Error | Outcome::Crashed => CaseStatus::Error,
    }
}

/// The status of a suite after a case with this outcome.
#[must_use]
pub fn suite_status_of(outcome: Outcome) -> SuiteStatus {
    match outcome {
        Outcome::Passed | Outcome::XFailed | Outcome::XPassed | Outcome::Skipped | Outcome::NotRun => {
            SuiteStatus::Passed
        }
        Outcome::Failed | Outcome::Error => SuiteStatus::Failed,
        Outcome::Crashed => SuiteStatus::DidNotFinish,
        Outcome::TimedOut => SuiteStatus::TimedOut,
    }
}

/// An event of a suite, before it is worded for clients. Cases are named by their index, artifacts by a number that the
/// caller assigns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SuiteStep {
    /// The suite started.
    SuiteStarted,
    /// A case was found.
    Found(u32),
    /// A case is about to run.
    Started(u32),
    /// A case left an artifact.
    Artifact(u32, u32),
    /// A case is over.
    Stopped(u32, CaseStatus),
    /// A case is over, and no event of it follows.
    Finished(u32),
    /// The suite left an artifact.
    SuiteArtifact(u32),
    /// The suite is over.
    SuiteStopped(SuiteStatus),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Found,
    Started,
    Finished,
}

/// Puts a run's reports into the order of a suite's events.
#[derive(Debug, Clone, Default)]
pub struct SuiteSequence {
    cases: Vec<Stage>,
    begun: bool,
    status: SuiteStatus,
    over: bool,
}

impl SuiteSequence {
    /// The suite starts, with this many cases.
    pub fn begin(&mut self, cases: usize) -> impl Iterator<Item = SuiteStep> + use<> {
        let cases = if self.begun || self.over { 0 } else { cases };
        let first = (!self.begun && !self.over).then_some(SuiteStep::SuiteStarted);
        if first.is_some() {
            self.cases = vec![Stage::Found; cases];
        }
        self.begun = true;
        first.into_iter().chain((0..u32::try_from(cases).unwrap_or(u32::MAX)).map(SuiteStep::Found))
    }

    /// An attempt of a case starts; only the first attempt gives an event.
    pub fn start(&mut self, case: u32) -> Option<SuiteStep> {
        let stage = self.stage(case)?;
        let is_first = *stage == Stage::Found;
        *stage = (*stage).max(Stage::Started);
        is_first.then_some(SuiteStep::Started(case))
    }

    /// A case left an artifact. A late one is dropped, because no event may follow a case's end.
    pub fn artifact(&mut self, case: u32, artifact: u32) -> Option<SuiteStep> {
        let open = *self.stage(case)? != Stage::Finished;
        open.then_some(SuiteStep::Artifact(case, artifact))
    }

    /// The suite left an artifact, at any time.
    #[must_use]
    pub fn suite_artifact(&self, artifact: u32) -> SuiteStep {
        SuiteStep::SuiteArtifact(artifact)
    }

    /// A case has its final outcome, and all its artifacts are known. A second outcome is dropped.
    pub fn case_over(&mut self, case: u32, outcome: Outcome) -> Option<[SuiteStep; 2]> {
        let stage = self.stage(case)?;
        if *stage == Stage::Finished {
            return None;
        }
        *stage = Stage::Finished;
        self.status = self.status.max(suite_status_of(outcome));
        Some([SuiteStep::Stopped(case, case_status(outcome)), SuiteStep::Finished(case)])
    }

    /// The suite is over, with at least this status. A case without an outcome was skipped. A second end is dropped.
    pub fn end(&mut self, at_least: SuiteStatus) -> Vec<SuiteStep> {
        if self.over {
            return Vec::new();
        }
        let count = u32::try_from(self.cases.len()).unwrap_or(u32::MAX);
        let mut steps: Vec<SuiteStep> =
            (0..count).filter_map(|case| self.case_over(case, Outcome::NotRun)).flatten().collect();
        self.over = true;
        self.cases = Vec::new();
        self.status = self.status.max(at_least);
        steps.push(SuiteStep::SuiteStopped(self.status));
        steps
    }

    fn stage(&mut self, case: u32) -> Option<&mut Stage> {
        self.cases.get_mut(usize::try_from(case).ok()?).filter(|_| !self.over)
    }
}
