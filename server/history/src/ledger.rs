//! The history in memory: sixteen bytes for each observation, from which verdicts and durations are computed.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use pytest_lens_plan::flaky::{Observation, Verdict, judge};
use pytest_lens_plan::outcome::Outcome;

use crate::failure::Failure;
use crate::marks::Marks;
use crate::record::{Attempt, Run, Source, Uid};

/// The limits of the history's size, in memory and in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Attempts of each test: a window of runs, with room for their repeats. The oldest are dropped first.
    pub per_test: usize,
    /// Attempts of all tests. Whole runs are dropped, the oldest first.
    pub total: usize,
    /// The age of a run, in days.
    pub days: u64,
    /// Attempts that memory keeps while they can't be written.
    pub unwritten: usize,
    /// Tests whose last failure is kept, those that failed last.
    pub failures: usize,
    /// The file's size, in pages of 4 KiB.
    pub pages: u32,
}

impl Default for Limits {
    fn default() -> Self {
        // Two million attempts are 32 MB in memory and about 50 MB on disk; 5,000 failures at most 4 MB in either.
        Limits { per_test: 200, total: 2_000_000, days: 365, unwritten: 200_000, failures: 5_000, pages: 262_144 }
    }
}

/// The flakiness of all tests.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// Proven flaky: the most failures by executions first, then by id.
    pub flaky: Vec<(Arc<str>, Verdict)>,
    /// Only suspected, in the same order.
    pub unstable: Vec<(Arc<str>, Verdict)>,
    /// Number of tests that are neither.
    pub stable: usize,
    /// Number of tests with a history.
    pub tracked: usize,
}

/// The last attempt of a test.
#[derive(Debug, Clone, PartialEq)]
pub struct Last {
    /// The attempt.
    pub attempt: Attempt,
    /// When its run started, Unix time in milliseconds.
    pub started_ms: u64,
}

/// An attempt.
#[derive(Debug, Clone, Copy)]
struct Seen {
    run: u32,
    code: Option<NonZeroU32>,
    duration_us: u32,
    attempt: u16,
    outcome: Outcome,
}

const _: () = assert!(size_of::<Seen>() == 16);

#[derive(Debug)]
struct Test {
    id: Arc<str>,
    seen: Vec<Seen>,
}

#[derive(Debug, Clone)]
struct RunMeta {
    uid: Uid,
    /// Its row in the file, if it has one.
    row: Option<i64>,
    started_ms: u64,
    code: Option<NonZeroU32>,
    source: Source,
    is_imported: bool,
    is_forgotten: bool,
}

/// Rows that the file must drop, because memory dropped them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lost {
    Attempt { row: i64, id: Arc<str>, attempt: u16 },
    Run { row: i64 },
    Failure { id: Arc<str> },
}

/// Runs are numbered in the order in which they were recorded, and so are tests.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    limits: Limits,
    tests: Vec<Test>,
    index: HashMap<Arc<str>, u32>,
    runs: Vec<RunMeta>,
    codes: Vec<Arc<str>>,
    code_index: HashMap<Arc<str>, NonZeroU32>,
    len: usize,
    lost: Vec<Lost>,
    pub(crate) marks: Marks,
    /// Failures by test.
    failures: HashMap<u32, Explained>,
}

/// The failure of an attempt, and which attempt.
#[derive(Debug)]
struct Explained {
    run: u32,
    attempt: u16,
    failure: Arc<Failure>,
}

impl Ledger {
    pub(crate) fn new(limits: Limits) -> Self {
        Ledger { limits, ..Ledger::default() }
    }

    /// Adds a run; returns its number.
    pub(crate) fn add(&mut self, run: &Run, row: Option<i64>) -> u32 {
        let number = self.begin(run, row);
        for attempt in &run.attempts {
            let test = self.test(&attempt.id);
            self.observe(number, test, attempt.number(), attempt.outcome, attempt.duration_us());
            if let Some(failure) = &attempt.failure {
                self.explain(test, number, attempt.number(), Arc::clone(failure));
            }
        }
        number
    }

    /// Adds the failure of an attempt of a recorded run, unless the test failed later, too.
    fn explain(&mut self, test: u32, run: u32, attempt: u16, failure: Arc<Failure>) {
        let begun = |run: u32| self.runs.get(run as usize).map_or(0, |run| run.started_ms);
        let at = |run: u32, attempt: u16| (begun(run), run, attempt);
        let is_older = |known: &Explained| at(known.run, known.attempt) > at(run, attempt);
        if !self.failures.get(&test).is_some_and(is_older) {
            self.failures.insert(test, Explained { run, attempt, failure });
        }
    }

    /// Adds the failure of an attempt whose run has this row in the file.
    pub(crate) fn explain_row(&mut self, test: u32, row: i64, attempt: u16, failure: Arc<Failure>) {
        let is_own = |seen: &&Seen| {
            let run = self.runs.get(seen.run as usize);
            seen.attempt == attempt && run.is_some_and(|run| run.row == Some(row))
        };
        let seen = self.tests.get(test as usize).and_then(|own| own.seen.iter().rev().find(is_own));
        if let Some(run) = seen.map(|seen| seen.run) {
            self.explain(test, run, attempt, failure);
        }
    }

    /// The failure of an attempt of a test, if it is kept.
    fn explained(&self, test: u32, seen: &Seen) -> Option<Arc<Failure>> {
        let known = self.failures.get(&test)?;
        (known.run == seen.run && known.attempt == seen.attempt).then(|| Arc::clone(&known.failure))
    }

    /// Drops failures if there are too many, the oldest first.
    fn trim_failures(&mut self) {
        let many = self.failures.len().saturating_sub(self.limits.failures);
        if many == 0 {
            return;
        }
        let begun = |known: &Explained| self.runs.get(known.run as usize).map_or(0, |run| run.started_ms);
        let mut by_age: Vec<_> = self.failures.iter().map(|(test, known)| (begun(known), known.run, *test)).collect();
        by_age.sort_unstable();
        for (_, _, test) in by_age.into_iter().take(many) {
            self.failures.remove(&test);
            if let Some(test) = self.tests.get(test as usize) {
                self.lost.push(Lost::Failure { id: Arc::clone(&test.id) });
            }
        }
    }

    /// Adds a run without its outcomes, which follow; returns its number.
    pub(crate) fn begin(&mut self, run: &Run, row: Option<i64>) -> u32 {
        let number = u32::try_from(self.runs.len()).unwrap_or(u32::MAX);
        let code = run.code.as_ref().and_then(|code| self.code(code));
        let &Run { uid, started_ms, source, is_imported, .. } = run;
        self.runs.push(RunMeta { uid, row, started_ms, code, source, is_imported, is_forgotten: false });
        number
    }

    fn code(&mut self, code: &Arc<str>) -> Option<NonZeroU32> {
        if let Some(known) = self.code_index.get(code) {
            return Some(*known);
        }
        self.codes.push(Arc::clone(code));
        let number = u32::try_from(self.codes.len()).ok().and_then(NonZeroU32::new)?;
        self.code_index.insert(Arc::clone(code), number);
        Some(number)
    }

    /// The number of a test, which may be new.
    pub(crate) fn test(&mut self, id: &Arc<str>) -> u32 {
        if let Some(known) = self.index.get(id) {
            return *known;
        }
        let number = u32::try_from(self.tests.len()).unwrap_or(u32::MAX);
        self.tests.push(Test { id: Arc::clone(id), seen: Vec::new() });
        self.index.insert(Arc::clone(id), number);
        number
    }

    /// Adds an attempt. The attempts of a test are kept in the order in which their runs began.
    pub(crate) fn observe(&mut self, run: u32, test: u32, attempt: u16, outcome: Outcome, duration_us: u32) {
        let (Some(meta), Some(own)) = (self.runs.get(run as usize), self.tests.get_mut(test as usize)) else { return };
        if outcome == Outcome::NotRun {
            return;
        }
        let begun = |number: u32| self.runs.get(number as usize).map_or(0, |run| run.started_ms);
        let later = |seen: &&Seen| (begun(seen.run), seen.run) > (meta.started_ms, run);
        let at = own.seen.len() - own.seen.iter().rev().take_while(later).count();
        own.seen.insert(at, Seen { run, code: meta.code, duration_us, attempt, outcome });
        self.len += 1;
        if own.seen.len() > self.limits.per_test {
            let oldest = own.seen.remove(0);
            self.len -= 1;
            if let Some(row) = self.runs.get(oldest.run as usize).and_then(|run| run.row) {
                self.lost.push(Lost::Attempt { row, id: Arc::clone(&own.id), attempt: oldest.attempt });
            }
        }
    }

    /// A run has been written.
    pub(crate) fn written(&mut self, run: u32, row: Option<i64>) {
        if let Some(run) = self.runs.get_mut(run as usize) {
            run.row = row;
        }
    }

    /// Drops runs that are too old, and the oldest ones if there are too many attempts.
    pub(crate) fn trim(&mut self, now_ms: u64) {
        self.trim_failures();
        let oldest_ms = now_ms.saturating_sub(self.limits.days.saturating_mul(86_400_000));
        let is_old = |run: &RunMeta| run.started_ms < oldest_ms && !run.is_forgotten;
        if self.len <= self.limits.total && !self.runs.iter().any(is_old) {
            return;
        }
        let mut sizes = vec![0_usize; self.runs.len()];
        for seen in self.tests.iter().flat_map(|test| &test.seen) {
            if let Some(size) = sizes.get_mut(seen.run as usize) {
                *size += 1;
            }
        }
        let mut by_age: Vec<usize> = (0..self.runs.len()).collect();
        by_age.sort_by_key(|run| (self.runs[*run].started_ms, *run));
        // It drops somewhat more than needed, so that this happens seldom.
        let goal = if self.len > self.limits.total { self.limits.total - self.limits.total / 10 } else { self.len };
        let mut left = self.len;
        let mut gone = vec![false; self.runs.len()];
        for run in by_age {
            if self.runs[run].is_forgotten {
                continue;
            }
            if left <= goal && !is_old(&self.runs[run]) {
                break;
            }
            gone[run] = true;
            left -= sizes[run];
            self.runs[run].is_forgotten = true;
            if let Some(row) = self.runs[run].row.take() {
                self.lost.push(Lost::Run { row });
            }
        }
        let is_gone = |run: u32| gone.get(run as usize).copied().unwrap_or(false);
        for test in &mut self.tests {
            test.seen.retain(|seen| !is_gone(seen.run));
        }
        self.failures.retain(|_, known| !is_gone(known.run));
        self.len = left;
    }

    /// Takes the rows that the file must drop.
    pub(crate) fn take_lost(&mut self) -> Vec<Lost> {
        std::mem::take(&mut self.lost)
    }

    /// Adds back rows that could not be removed from the file.
    pub(crate) fn give_back(&mut self, lost: Vec<Lost>) {
        self.lost.extend(lost);
    }

    /// Releases spare memory.
    pub(crate) fn compact(&mut self) {
        for test in &mut self.tests {
            test.seen.shrink_to_fit();
        }
    }

    /// All of its content, run by run, for a new file.
    pub(crate) fn to_runs(&self) -> Vec<Run> {
        let empty = |meta: &RunMeta| Run {
            uid: meta.uid,
            started_ms: meta.started_ms,
            source: meta.source,
            is_imported: meta.is_imported,
            code: meta.code.and_then(|code| self.codes.get(code.get() as usize - 1)).cloned(),
            attempts: Vec::new(),
        };
        let mut runs: Vec<Run> = self.runs.iter().map(empty).collect();
        for (number, test) in (0..).zip(&self.tests) {
            for seen in &test.seen {
                if let Some(run) = runs.get_mut(seen.run as usize) {
                    run.attempts.push(self.attempt(number, test, seen));
                }
            }
        }
        runs.retain(|run| !run.attempts.is_empty());
        runs
    }

    fn attempt(&self, number: u32, test: &Test, seen: &Seen) -> Attempt {
        Attempt {
            id: Arc::clone(&test.id),
            outcome: seen.outcome,
            attempt: seen.attempt.into(),
            duration_ms: f64::from(seen.duration_us) / 1000.0,
            failure: self.explained(number, seen),
        }
    }

    pub(crate) fn holds(&self, uid: Uid) -> bool {
        self.runs.iter().any(|run| run.uid == uid)
    }

    pub(crate) fn uids(&self) -> impl Iterator<Item = Uid> {
        self.runs.iter().map(|run| run.uid)
    }

    /// Number of attempts.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    fn of(&self, id: &str) -> Option<&Test> {
        let number = *self.index.get(id)?;
        self.tests.get(number as usize).filter(|test| !test.seen.is_empty())
    }

    /// The flakiness of a test; `None` if it never ran.
    pub(crate) fn verdict(&self, id: &str, window: usize) -> Option<Verdict> {
        self.of(id).map(|test| test.verdict(window, &mut Vec::new()))
    }

    /// The last duration of a test that ran to its end in a run that started before `end_ms`, in milliseconds.
    pub(crate) fn duration_ms(&self, id: &str, end_ms: u64) -> Option<f64> {
        let counts = |seen: &&Seen| {
            let run = self.runs.get(seen.run as usize);
            seen.outcome != Outcome::Skipped && run.is_some_and(|run| run.started_ms < end_ms)
        };
        let seen = self.of(id)?.seen.iter().rev().find(counts)?;
        Some(f64::from(seen.duration_us) / 1000.0)
    }

    /// Tests whose last attempt since the last clearing failed, by id.
    pub(crate) fn last_failed(&self) -> Vec<Arc<str>> {
        let cleared_ms = self.marks.cleared_ms();
        let counts = |seen: &&Seen| self.runs.get(seen.run as usize).is_some_and(|run| run.started_ms >= cleared_ms);
        let failed = |test: &&Test| test.seen.last().filter(counts).is_some_and(|seen| seen.outcome.is_failure());
        let mut ids: Vec<_> = self.tests.iter().filter(failed).map(|test| Arc::clone(&test.id)).collect();
        ids.sort_unstable();
        ids
    }

    /// The last attempt of each test on this machine: other machines may run other code.
    pub(crate) fn last_outcomes(&self) -> Vec<Last> {
        let last = (0..).zip(&self.tests).filter_map(|(number, test)| {
            let (seen, run) = self.last_local(test)?;
            Some(Last { attempt: self.attempt(number, test, seen), started_ms: run.started_ms })
        });
        last.collect()
    }

    pub(crate) fn last_started_ms(&self, id: &str) -> Option<u64> {
        let test = self.tests.get(*self.index.get(id)? as usize)?;
        Some(self.last_local(test)?.1.started_ms)
    }

    /// The last attempt of a test on this machine.
    fn last_local<'a>(&'a self, test: &'a Test) -> Option<(&'a Seen, &'a RunMeta)> {
        let mut with_run = test.seen.iter().rev().filter_map(|seen| Some((seen, self.runs.get(seen.run as usize)?)));
        with_run.find(|(_, run)| !run.is_imported)
    }

    pub(crate) fn report(&self, window: usize) -> Report {
        let mut report = Report::default();
        let mut buffer = Vec::with_capacity(self.limits.per_test);
        for test in self.tests.iter().filter(|test| !test.seen.is_empty()) {
            let verdict = test.verdict(window, &mut buffer);
            report.tracked += 1;
            match (verdict.is_flaky, verdict.unstable) {
                (true, _) => report.flaky.push((Arc::clone(&test.id), verdict)),
                (false, true) => report.unstable.push((Arc::clone(&test.id), verdict)),
                (false, false) => report.stable += 1,
            }
        }
        for list in [&mut report.flaky, &mut report.unstable] {
            list.sort_by(|(a, of_a), (b, of_b)| of_b.failure_rate.total_cmp(&of_a.failure_rate).then_with(|| a.cmp(b)));
        }
        report
    }
}

impl Test {
    /// `buffer` is reused, so that a report allocates nothing for stable tests.
    fn verdict(&self, window: usize, buffer: &mut Vec<Observation>) -> Verdict {
        buffer.clear();
        buffer.extend(self.seen.iter().map(|seen| Observation {
            outcome: seen.outcome,
            code: seen.code,
            run: seen.run,
        }));
        judge(buffer, window)
    }
}

#[cfg(test)]
mod tests;
