//! What a run is to do, what may be wanted of it, what it tells, and how it ended.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pytest_lens_history::Source;
use pytest_lens_plan::rerun::Policy;
use pytest_lens_plan::suite::SuiteStatus;
use pytest_lens_protocol::TestOutcome;
use tokio::sync::watch;

use crate::control::artifacts::Streams;
use crate::control::{Coverage, Tape};
use crate::debuggee::Debuggee;
use crate::host::Host;
use crate::node::Node;
use crate::pool::Special;
use crate::resident::Reuse;
use crate::runs::Awaited;

/// What a run is to do.
pub(crate) struct RunPlan {
    pub run_id: String,
    /// Where its tests' temporary folders are.
    pub temp: PathBuf,
    pub host: Arc<Host>,
    /// Indices into the host's nodes, in order.
    pub selected: Vec<usize>,
    pub workers: usize,
    pub maxfail: Option<u32>,
    pub timeout_ms: Option<u64>,
    pub run_disabled: bool,
    pub rerun: Policy,
    /// Fixtures live on behind it, in resident runners.
    pub reuse: Option<Arc<Reuse>>,
    /// Mean durations of earlier runs, by index into `selected`.
    pub durations: Vec<Option<f64>>,
    /// Which of the selected are known to be flaky; empty where nobody will ask.
    pub known_flaky: Vec<bool>,
    /// Who asked.
    pub source: Source,
    /// Moved by who stops or kills the run.
    pub lever: watch::Sender<Control>,
    /// Where run control reads of it.
    pub tape: Arc<Tape>,
    /// Limit for the whole run; whoever set it moves the lever.
    pub time_limit: Option<Duration>,
    /// What could not be collected of it, each a sentence. Such a run has not passed, whatever its tests say.
    pub problems: Vec<String>,
    /// What is to be measured.
    pub coverage: Option<Coverage>,
    /// The process that runs it under a debugger; there is no second one.
    pub debuggee: Option<Debuggee>,
    /// What it does with older runs that have tests in common with it, and newer ones with it.
    pub company: Company,
    /// Tests that it has left to a newer run.
    pub given_up: watch::Sender<Arc<BTreeSet<usize>>>,
}

/// How a run gets on with another one of the same tests. A test never runs twice at a time, unless somebody asked for
/// just that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Company {
    /// A person's in an editor: a newer one of the kind takes over the tests that have not ended, and waits for those of
    /// any other.
    Replaceable,
    /// It waits for older runs to be through with the tests that they have in common, and nobody takes them over.
    Patient,
    /// A suite of run control, or one under a debugger: its client decides what runs at the same time.
    Apart,
}

impl RunPlan {
    pub(crate) fn node(&self, index: usize) -> &Arc<Node> {
        &self.host.nodes[self.selected[index]]
    }

    /// Waits for older runs to be through with tests of this one, or until there is nothing to wait for any more: it is
    /// stopped, or a newer run has taken all of its tests over.
    pub(crate) async fn wait_for(&self, older: &[Awaited]) {
        if older.is_empty() {
            return;
        }
        let all = async {
            for run in older {
                run.wait().await;
            }
        };
        let (mut lever, mut given_up) = (self.lever.subscribe(), self.given_up.subscribe());
        tokio::select! {
            () = all => {}
            _ = lever.wait_for(|wanted| *wanted != Control::Go) => {}
            _ = given_up.wait_for(|tests| tests.len() == self.selected.len()) => {}
        }
    }

    /// Has its tests measured, in sessions that do nothing else.
    pub(crate) fn set_coverage(&mut self, coverage: Option<Coverage>) {
        self.coverage = coverage;
        if self.coverage.is_some() {
            self.reuse = None;
        }
    }

    /// Has its tests run under a debugger: in that one process, once, and without a limit of time.
    pub(crate) fn set_debuggee(&mut self, debuggee: Debuggee) {
        self.debuggee = Some(debuggee);
        self.company = Company::Apart;
        self.workers = 1;
        self.timeout_ms = None;
        self.rerun.enabled = false;
        self.reuse = None;
    }

    /// What its sessions do otherwise than the collected one did.
    pub(crate) fn special(&self) -> Option<Special> {
        let folder = self.tape.folder();
        let coverage = self.coverage.as_ref().zip(folder).map(|(coverage, folder)| coverage.measure(folder));
        (self.run_disabled || coverage.is_some()).then_some(Special { run_disabled: self.run_disabled, coverage })
    }

    /// Whether its runners are forked off the collected session, and so have that one's tests.
    pub(crate) fn is_forked(&self) -> bool {
        self.host.is_forkable() && !self.run_disabled && self.coverage.is_none() && self.debuggee.is_none()
    }

    /// What a test is told that the run's time did not suffice for.
    pub(crate) fn late(&self) -> String {
        let limit = self.time_limit.map_or(0.0, |limit| limit.as_secs_f64());
        format!("the suite took longer than {limit} s (timeout)")
    }
}

/// What a client wants of a run that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Control {
    Go,
    Stop,
    OutOfTime,
    Kill,
}

/// What happened. Numbers are indices into [`RunPlan::selected`].
#[derive(Debug)]
pub(crate) enum News {
    Started(usize),
    /// Where a test's output goes that has just started.
    Streams(usize, Streams),
    /// A test's output is complete: where it ends, if that is known, and the folder that it left.
    Streamed(usize, Option<[u64; 3]>, Option<PathBuf>),
    /// A stream of a test has something in it: the stream's place.
    Printed(usize, usize),
    /// Files of debug data, by name.
    DebugData(Vec<(String, PathBuf)>),
    Outcome(usize, Box<TestOutcome>),
}

/// How the driving ended, beside the outcomes.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Ending {
    pub stopped: bool,
    pub killed: bool,
    pub out_of_time: bool,
    /// A fault that kept tests from running.
    pub fault: Option<String>,
    /// A test or plugin interrupted the session.
    pub interrupted: Option<String>,
    /// Tests of it were left to a newer run.
    pub replaced: bool,
}

impl Ending {
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
