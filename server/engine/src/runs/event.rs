//! Events of a run's driver, and its end.

use std::path::PathBuf;

use pytest_lens_protocol::SuiteStatus;
use pytest_lens_protocol::TestOutcome;

use crate::model::file_readers::FileReads;
use crate::model::outcome::ReportedRepeat;
use crate::model::recording::ReportedInputs;
use crate::model::timings::ReportedTime;
use crate::model::warnings::ReportedWarning;
use crate::runs::artifacts::Streams;
use crate::runs::session_end::Decision;

/// An event of a run. Numbers are indices into the plan's selected tests.
#[derive(Debug)]
pub(crate) enum DriverEvent {
    Started(usize),
    /// The streams of a test that has just started.
    Streams(usize, Streams),
    /// A test's output is complete: the ends of its streams, if known, and its artifact folder.
    Streamed(usize, Option<[u64; 3]>, Option<PathBuf>),
    /// A stream of a test, by its index, has its first output.
    Printed(usize, usize),
    /// Files of the project that tests read.
    Reads(Vec<FileReads>),
    /// The inputs of a test, by the process with this pid.
    Inputs(i32, ReportedInputs),
    /// Files of debug data, by name.
    DebugData(Vec<(String, PathBuf)>),
    /// Failed attempts at a test that a plugin has repeated within the execution whose outcome follows.
    Repeats(usize, Vec<ReportedRepeat>),
    Outcome(usize, Box<TestOutcome>),
    /// The times of one of its processes.
    Timings(Vec<ReportedTime>),
    /// A round starts with this number of runners.
    Runners(usize),
    /// Warnings of one of its processes.
    Warnings(Vec<ReportedWarning>),
    /// The sections of plugins in the summary of one of its sessions.
    Summary(String),
}

/// The end of driving, apart from the outcomes.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct DriverEnd {
    pub stopped: bool,
    pub killed: bool,
    pub out_of_time: bool,
    /// A fault that kept tests from running.
    pub fault: Option<String>,
    /// A test or plugin interrupted the session.
    pub interrupted: Option<String>,
    /// The exit status that a test or hook asked for.
    pub exit_status: Option<i32>,
    /// Tests were left to a newer run.
    pub replaced: bool,
    /// A test's process may have been ended from outside.
    pub disturbed: bool,
    /// The reason why the session can't pass, whatever its outcomes.
    pub refused: Option<String>,
}

impl DriverEnd {
    /// Applies what hooks decided about the run.
    pub(crate) fn decide(&mut self, decision: Option<Decision>) {
        let Some(Decision { status, message }) = decision else { return };
        self.exit_status.get_or_insert(status);
        if status != 0 {
            self.refused.get_or_insert(message);
        }
    }

    /// The least status of the suite, whatever its cases.
    pub(crate) fn suite_status(&self, has_problems: bool) -> SuiteStatus {
        if self.fault.is_some() {
            SuiteStatus::InternalError
        } else if self.stopped || self.killed || self.replaced {
            SuiteStatus::Stopped
        } else if self.out_of_time {
            SuiteStatus::TimedOut
        } else if self.interrupted.is_some() {
            SuiteStatus::DidNotFinish
        } else if has_problems {
            SuiteStatus::Failed
        } else {
            SuiteStatus::Passed
        }
    }
}
