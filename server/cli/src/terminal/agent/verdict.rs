//! The verdict on a run for a reader that can't look for itself: a program that believes it. A run has passed only if
//! everything that was requested ran, on the code that is on disk now; otherwise the verdict says what is missing.

use std::collections::BTreeMap;

use pytest_lens_protocol::{Outcome, RunEndStatus};

use crate::results::report::Report;
use crate::terminal::text::{count_of, first_line};

/// How the run ended, as the client saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It ran to its end, or the engine ended it.
    Of(RunEndStatus),
    /// The client canceled it.
    Canceled,
    /// The client's limit of time, in seconds, was over.
    OutOfTime(u64),
    /// The engine has gone; the reason.
    Lost(String),
}

/// The facts on a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    /// How it ended.
    pub ending: Ending,
    /// The engine's reason for the end.
    pub message: Option<String>,
    /// Number of selected tests.
    pub selected: usize,
    /// Number of tests with each final outcome. Words that are not known count as no outcome.
    pub outcomes: BTreeMap<Outcome, usize>,
    /// Number of subtests that failed.
    pub failed_subtests: usize,
    /// Number of requested tests that expressions or the configuration deselected.
    pub deselected: usize,
    /// Number of files that could not be collected.
    pub broken_files: usize,
    /// Requested ids without any test that ran.
    pub missing: Vec<String>,
    /// Files of code that changed while the tests ran.
    pub changed: Vec<String>,
}

/// The verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Every requested test ran, at least one passed, none failed, and the code is still the same.
    Passed,
    /// Something failed, or a file could not be collected.
    Failed,
    /// No test passed or failed.
    NothingRan,
    /// Nothing failed so far, but something did not run.
    Incomplete,
    /// Nothing failed, but on code that has changed since.
    Stale,
}

impl Verdict {
    /// The first words of an answer.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Verdict::Passed => "PASSED",
            Verdict::Failed => "FAILED",
            Verdict::NothingRan => "NO TESTS RAN",
            Verdict::Incomplete => "INCOMPLETE",
            Verdict::Stale => "OUTDATED",
        }
    }
}

impl Facts {
    /// The facts in a run's report.
    pub(crate) fn of(report: &Report, ending: Ending, changed: Vec<String>) -> Self {
        let outcomes = report.outcomes.iter().filter_map(|(word, count)| Some((word.parse().ok()?, *count)));
        Facts {
            ending,
            message: report.end.as_ref().and_then(|end| end.message.clone()),
            selected: report.total,
            outcomes: outcomes.collect(),
            failed_subtests: report.subtests.failed,
            deselected: report.deselected,
            broken_files: report.errors.len(),
            missing: Vec::new(),
            changed,
        }
    }

    fn count(&self, outcome: Outcome) -> usize {
        self.outcomes.get(&outcome).copied().unwrap_or(0)
    }

    /// Number of tests that passed.
    fn good(&self) -> usize {
        [Outcome::Passed, Outcome::XPassed].map(|outcome| self.count(outcome)).iter().sum()
    }

    /// Number of tests that failed.
    fn bad(&self) -> usize {
        self.outcomes.iter().filter(|(outcome, _)| outcome.is_failure()).map(|(_, count)| count).sum()
    }

    /// Number of selected tests without an outcome of their own.
    fn not_run(&self) -> usize {
        let done: usize = self.outcomes.values().sum();
        self.count(Outcome::NotRun) + self.selected.saturating_sub(done)
    }
}

/// Judges a run; the sentences name what did not run, and why.
pub(crate) fn judge(facts: &Facts) -> (Verdict, Vec<String>) {
    let mut reasons = Vec::new();
    match &facts.ending {
        Ending::Of(RunEndStatus::Passed | RunEndStatus::Failed) => {}
        Ending::Of(RunEndStatus::Stopped) => reasons.push("the run was stopped".to_owned()),
        Ending::Of(RunEndStatus::Killed) => reasons.push("the run was killed".to_owned()),
        Ending::Of(RunEndStatus::TimedOut) => reasons.push("the run was out of time".to_owned()),
        Ending::Of(RunEndStatus::InternalError) => reasons.push("pytest or the engine failed".to_owned()),
        Ending::Canceled => reasons.push("the run was canceled".to_owned()),
        Ending::OutOfTime(limit) => {
            let early = if facts.selected == 0 { ", before the tests were collected" } else { "" };
            reasons.push(format!("the time limit of {limit} s is over{early}"));
        }
        Ending::Lost(why) => reasons.push(format!("the engine has gone: {why}")),
    }
    let ended_early = !reasons.is_empty();
    // The engine's own sentence on files repeats what the errors below say.
    let is_plain = matches!(facts.ending, Ending::Of(_)) && facts.broken_files == 0;
    reasons.extend(facts.message.iter().filter(|_| is_plain).map(|message| first_line(message).to_owned()));
    if facts.broken_files > 0 {
        reasons.push(format!("{} could not be collected", count_of(facts.broken_files, "file")));
    }
    if facts.not_run() > 0 {
        reasons.push(format!("{} did not run", count_of(facts.not_run(), "test")));
    }
    if !facts.missing.is_empty() {
        reasons.push(format!("nothing ran for {}", some_of(&facts.missing)));
    }
    if !facts.changed.is_empty() {
        reasons.push(format!("changed while the tests ran: {}; run them again", some_of(&facts.changed)));
    }
    let is_failure = facts.bad() > 0 || facts.failed_subtests > 0 || facts.broken_files > 0;
    let is_all_expected = !is_failure && facts.good() == 0 && facts.count(Outcome::XFailed) > 0;
    if is_all_expected {
        reasons.push("no test passed, those that ran failed as expected".to_owned());
    }
    let verdict = match () {
        () if is_failure => Verdict::Failed,
        () if ended_early || facts.not_run() > 0 => Verdict::Incomplete,
        () if facts.good() == 0 && !is_all_expected => Verdict::NothingRan,
        () if !facts.missing.is_empty() => Verdict::Incomplete,
        // A gate of the project, such as for coverage.
        () if facts.ending != Ending::Of(RunEndStatus::Passed) => Verdict::Failed,
        () if !facts.changed.is_empty() => Verdict::Stale,
        () if is_all_expected => Verdict::Incomplete,
        () => Verdict::Passed,
    };
    (verdict, reasons)
}

/// The first three of several names.
pub(crate) fn some_of(names: &[String]) -> String {
    let shown = names.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(3) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn clean(passed: usize) -> Facts {
        Facts {
            ending: Ending::Of(RunEndStatus::Passed),
            message: None,
            selected: passed,
            outcomes: [(Outcome::Passed, passed)].into(),
            failed_subtests: 0,
            deselected: 0,
            broken_files: 0,
            missing: Vec::new(),
            changed: Vec::new(),
        }
    }

    #[test]
    fn each_way_not_to_pass_has_its_word() {
        let of = |change: &dyn Fn(&mut Facts)| {
            let mut facts = clean(2);
            change(&mut facts);
            let (verdict, reasons) = judge(&facts);
            format!("{}: {}", verdict.word(), reasons.join("; "))
        };
        let lines = [
            of(&|_| {}),
            of(&|facts| facts.outcomes = [(Outcome::Passed, 1), (Outcome::Failed, 1)].into()),
            of(&|facts| facts.outcomes = [(Outcome::Passed, 1), (Outcome::Crashed, 1)].into()),
            of(&|facts| facts.failed_subtests = 1),
            of(&|facts| facts.broken_files = 1),
            of(&|facts| facts.outcomes = [(Outcome::Skipped, 2)].into()),
            of(&|facts| *facts = clean(0)),
            of(&|facts| facts.outcomes = [(Outcome::Skipped, 1), (Outcome::XFailed, 1)].into()),
            of(&|facts| facts.selected = 5),
            of(&|facts| facts.outcomes = [(Outcome::Passed, 1), (Outcome::NotRun, 1)].into()),
            of(&|facts| facts.missing = vec!["t.py::x".into()]),
            of(&|facts| facts.changed = vec!["a.py".into(), "b.py".into(), "c.py".into(), "d.py".into()]),
            of(&|facts| facts.ending = Ending::Of(RunEndStatus::Stopped)),
            of(&|facts| facts.ending = Ending::Of(RunEndStatus::Killed)),
            of(&|facts| facts.ending = Ending::Of(RunEndStatus::TimedOut)),
            of(&|facts| facts.ending = Ending::Of(RunEndStatus::InternalError)),
            of(&|facts| {
                facts.ending = Ending::Of(RunEndStatus::Failed);
                facts.message = Some("coverage is 80%, below 90%".into());
            }),
            of(&|facts| facts.ending = Ending::Canceled),
            of(&|facts| facts.ending = Ending::OutOfTime(5)),
            of(&|facts| facts.ending = Ending::Lost("it was killed".into())),
        ];
        insta::assert_snapshot!(lines.join("\n"), @"
        PASSED: 
        FAILED: 
        FAILED: 
        FAILED: 
        FAILED: 1 file could not be collected
        NO TESTS RAN: 
        NO TESTS RAN: 
        INCOMPLETE: no test passed, those that ran failed as expected
        INCOMPLETE: 3 tests did not run
        INCOMPLETE: 1 test did not run
        INCOMPLETE: nothing ran for t.py::x
        OUTDATED: changed while the tests ran: a.py, b.py, c.py and 1 more; run them again
        INCOMPLETE: the run was stopped
        INCOMPLETE: the run was killed
        INCOMPLETE: the run was out of time
        INCOMPLETE: pytest or the engine failed
        FAILED: coverage is 80%, below 90%
        INCOMPLETE: the run was canceled
        INCOMPLETE: the time limit of 5 s is over
        INCOMPLETE: the engine has gone: it was killed
        ");
    }

    fn endings() -> impl Strategy<Value = Ending> {
        prop_oneof![
            4 => Just(Ending::Of(RunEndStatus::Passed)),
            1 => Just(Ending::Of(RunEndStatus::Failed)),
            1 => Just(Ending::Of(RunEndStatus::Stopped)),
            1 => Just(Ending::Of(RunEndStatus::Killed)),
            1 => Just(Ending::Of(RunEndStatus::TimedOut)),
            1 => Just(Ending::Of(RunEndStatus::InternalError)),
            1 => Just(Ending::Canceled),
            1 => Just(Ending::OutOfTime(1)),
            1 => Just(Ending::Lost("gone".into())),
        ]
    }

    prop_compose! {
        fn any_facts()(
            ending in endings(),
            message in prop_oneof![3 => Just(None), 1 => Just(Some("why".to_owned()))],
            outcomes in prop::collection::btree_map(prop::sample::select(Outcome::ALL.to_vec()), 0..3usize, 0..4),
            extra in prop_oneof![3 => Just(0), 1 => 0..3usize],
            failed_subtests in prop_oneof![3 => Just(0), 1 => 0..2usize],
            deselected in 0..3usize,
            broken_files in prop_oneof![3 => Just(0), 1 => 0..2usize],
            missing in prop::collection::vec("[a-z]{1,3}", 0..2),
            changed in prop::collection::vec("[a-z]{1,3}", 0..2),
        ) -> Facts {
            let selected = outcomes.values().sum::<usize>() + extra;
            Facts { ending, message, selected, outcomes, failed_subtests, deselected, broken_files, missing, changed }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn passed_means_that_everything_requested_ran_and_passed(facts in any_facts()) {
            let (verdict, reasons) = judge(&facts);
            let good = [Outcome::Passed, Outcome::XPassed, Outcome::XFailed, Outcome::Skipped];
            let all_good = facts.outcomes.iter().all(|(outcome, count)| *count == 0 || good.contains(outcome));
            let is_pass = |outcome: &Outcome| [Outcome::Passed, Outcome::XPassed].contains(outcome);
            let ran = facts.outcomes.iter().any(|(outcome, count)| *count > 0 && is_pass(outcome));
            let is_whole = facts.outcomes.values().sum::<usize>() == facts.selected;
            let expected = facts.ending == Ending::Of(RunEndStatus::Passed)
                && all_good && ran && is_whole
                && facts.failed_subtests + facts.broken_files == 0
                && facts.missing.is_empty() && facts.changed.is_empty();
            prop_assert_eq!(verdict == Verdict::Passed, expected);
            if matches!(verdict, Verdict::Incomplete | Verdict::Stale) {
                prop_assert!(!reasons.is_empty(), "{:?}", facts);
            }
        }

        #[test]
        fn a_further_fault_never_makes_a_run_pass(facts in any_facts(), fault in 0..6usize) {
            let mut worse = facts.clone();
            match fault {
                0 => worse.selected += 1,
                1 => *worse.outcomes.entry(Outcome::Failed).or_default() += 1,
                2 => worse.broken_files += 1,
                3 => worse.changed.push("x.py".into()),
                4 => worse.missing.push("t.py::x".into()),
                _ => worse.ending = Ending::Canceled,
            }
            prop_assert_ne!(judge(&worse).0, Verdict::Passed);
        }
    }
}
