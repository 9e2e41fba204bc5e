//! The truth of a scenario: which test ran when, in which process, with which outcome.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::machine::{Cause, SimProcess};
use crate::timing::STOPPED_LIMIT;

/// One execution of one test.
#[derive(Debug)]
pub(super) struct Execution {
    pub process: Arc<SimProcess>,
    begun: Instant,
    ended: Option<Instant>,
    /// Its outcome, once it has one.
    pub outcome: Option<&'static str>,
    /// The engine has got it.
    pub is_delivered: bool,
}

/// How the process of an execution ended before the engine got an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// By itself, or by a fault.
    Crash,
    /// With its parent or its node.
    Silent,
}

impl Execution {
    /// Whether its process was lost during it, and how. A process that the engine itself has ended counts only if it
    /// stood still for too long, or if all that the engine heard of its end is the loss of its node.
    pub(super) fn loss(&self) -> Option<Loss> {
        let end = self.process.end().filter(|_| !self.is_delivered)?;
        match end.cause {
            Cause::Crash => Some(Loss::Crash),
            Cause::Engine if self.process.stood_still() >= STOPPED_LIMIT => Some(Loss::Crash),
            Cause::Lost => Some(Loss::Silent),
            Cause::Engine if self.process.is_missed() => Some(Loss::Silent),
            Cause::Done | Cause::Engine => None,
        }
    }

    /// Whether the engine asked a node to end it that did not answer, and somebody else had ended it: the engine can't know.
    pub(super) fn looks_endless(&self) -> bool {
        let was_killed = self.process.end().is_some_and(|end| end.signal == Some(9));
        was_killed && !self.is_delivered && self.process.is_doomed.load(Ordering::Relaxed)
    }

    /// How long it took, or has taken.
    pub(super) fn duration(&self) -> Duration {
        self.ended.unwrap_or_else(Instant::now).duration_since(self.begun)
    }
}

/// All executions of a scenario.
#[derive(Debug, Default)]
pub(super) struct Journal {
    /// By their serial numbers.
    executions: Vec<Execution>,
    /// Serial numbers by run and test.
    by_test: BTreeMap<(String, usize), Vec<usize>>,
    /// Running executions of each run, and the most at a time.
    running: BTreeMap<String, (usize, usize)>,
}

impl Journal {
    /// A test begins. Returns its serial number, and how often it has run in this run, itself included.
    pub(super) fn begin(&mut self, run: &str, test: usize, process: &Arc<SimProcess>) -> (usize, u32) {
        let serial = self.executions.len();
        let (process, begun) = (Arc::clone(process), Instant::now());
        self.executions.push(Execution { process, begun, ended: None, outcome: None, is_delivered: false });
        let own = self.by_test.entry((run.to_owned(), test)).or_default();
        own.push(serial);
        let nth = u32::try_from(own.len()).unwrap_or(u32::MAX);
        let (now, most) = self.running.entry(run.to_owned()).or_default();
        *now += 1;
        *most = (*most).max(*now);
        (serial, nth)
    }

    /// A test has its outcome, or its process has ended.
    pub(super) fn end(&mut self, run: &str, serial: usize, outcome: Option<&'static str>) {
        if let Some(execution) = self.executions.get_mut(serial) {
            execution.outcome = outcome;
            execution.ended = Some(Instant::now());
        }
        if let Some((now, _)) = self.running.get_mut(run) {
            *now = now.saturating_sub(1);
        }
    }

    /// The engine has got the outcome with this message.
    pub(super) fn delivered(&mut self, message: &str) {
        if let Some(execution) = serial_of(message).and_then(|serial| self.executions.get_mut(serial)) {
            execution.is_delivered = true;
        }
    }

    /// The execution that an outcome's message names, if it is one of this test in this run.
    pub(super) fn named(&self, run: &str, test: usize, message: &str) -> Option<&Execution> {
        let serial = serial_of(message)?;
        let own = self.by_test.get(&(run.to_owned(), test))?;
        own.contains(&serial).then(|| &self.executions[serial])
    }

    /// The executions of a test in a run.
    pub(super) fn of(&self, run: &str, test: usize) -> impl Iterator<Item = &Execution> {
        let own = self.by_test.get(&(run.to_owned(), test));
        own.into_iter().flatten().map(|&serial| &self.executions[serial])
    }

    /// The most tests of a run at a time.
    pub(super) fn most_at_a_time(&self, run: &str) -> usize {
        self.running.get(run).map_or(0, |(_, most)| *most)
    }
}

/// The message of an execution's outcome, by which it is found again.
pub(super) fn message_of(serial: usize) -> String {
    format!("#{serial}")
}

fn serial_of(message: &str) -> Option<usize> {
    message.strip_prefix('#')?.parse().ok()
}
