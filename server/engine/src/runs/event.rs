//! What a run's driver reports while it drives, and how that ended.

use std::path::PathBuf;

use pytest_lens_plan::suite::SuiteStatus;
use pytest_lens_protocol::TestOutcome;

use crate::model::file_readers::FileReads;
use crate::model::warnings::ReportedWarning;
use crate::runs::artifacts::Streams;

/// What happened in a run. Numbers are indices into its plan's selected tests.
#[derive(Debug)]
pub(crate) enum DriverEvent {
    Started(usize),
    /// Where a test's output goes that has just started.
    Streams(usize, Streams),
    /// A test's output is complete: where it ends, if that is known, and the folder that it left.
    Streamed(usize, Option<[u64; 3]>, Option<PathBuf>),
    /// A stream of a test has something in it: the stream's place.
    Printed(usize, usize),
    /// Files of the project that tests read.
    Reads(Vec<FileReads>),
    /// Files of debug data, by name.
    DebugData(Vec<(String, PathBuf)>),
    Outcome(usize, Box<TestOutcome>),
    /// What Python warned of in one of its processes.
    Warnings(Vec<ReportedWarning>),
}

/// How the driving ended, beside the outcomes.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct DriverEnd {
    pub stopped: bool,
    pub killed: bool,
    pub out_of_time: bool,
    /// A fault that kept tests from running.
    pub fault: Option<String>,
    /// A test or plugin interrupted the session.
    pub interrupted: Option<String>,
    /// Tests of it were left to a newer run.
    pub replaced: bool,
    /// A test's process was ended by what may have been somebody else.
    pub disturbed: bool,
    /// Why the session as a whole is not to pass, whatever its tests did.
    pub refused: Option<String>,
}

impl DriverEnd {
    /// What it makes of a suite, whatever its cases say.
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
