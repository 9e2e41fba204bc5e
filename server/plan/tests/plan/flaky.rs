//! When a test is flaky, when it is only suspected, and the figures that are shown.

use std::num::NonZeroU32;

use proptest::prelude::*;
use pytest_lens_plan::flaky::{Evidence, Observation, RECENT, Verdict, judge};
use pytest_lens_plan::outcome::Outcome;

fn seen(run: u32, code: Option<u32>, outcome: Outcome) -> Observation {
    Observation { outcome, code: code.and_then(NonZeroU32::new), run }
}

fn history(entries: &[(Option<u32>, Outcome)]) -> Vec<Observation> {
    entries.iter().zip(0..).map(|((code, outcome), run)| seen(run, *code, *outcome)).collect()
}

fn kind(verdict: &Verdict) -> (bool, bool, Option<Evidence>) {
    (verdict.is_flaky, verdict.unstable, verdict.evidence)
}

const STABLE: (bool, bool, Option<Evidence>) = (false, false, None);
const SUSPECT: (bool, bool, Option<Evidence>) = (false, true, Some(Evidence::AcrossChanges));
const FLAKY: (bool, bool, Option<Evidence>) = (true, false, Some(Evidence::SameCode));

#[test]
fn the_same_code_proves_and_changes_only_hint() {
    use Outcome::{Crashed, Error, Failed, NotRun, Passed, Skipped, TimedOut, XFailed, XPassed};
    let (a, b) = (Some(1), Some(2));
    let cases = [
        (vec![], STABLE),
        (vec![(a, Passed), (a, Passed)], STABLE),
        (vec![(a, Failed), (b, Failed)], STABLE),
        (vec![(a, Passed), (a, Failed)], FLAKY),
        (vec![(a, Failed), (b, Passed), (a, Passed)], FLAKY),
        (vec![(a, Passed), (b, Failed)], SUSPECT),
        (vec![(None, Passed), (None, Failed)], SUSPECT),
        (vec![(a, Passed), (None, Failed)], SUSPECT),
        (vec![(a, Passed), (a, Error)], FLAKY),
        (vec![(a, XPassed), (a, TimedOut)], FLAKY),
        (vec![(a, Crashed), (a, Passed)], FLAKY),
        (vec![(a, XFailed), (a, XPassed), (a, XFailed)], STABLE),
        (vec![(a, Passed), (a, Skipped), (a, NotRun)], STABLE),
        (vec![(a, NotRun), (a, Failed)], STABLE),
    ];
    for (entries, expected) in cases {
        assert_eq!(kind(&judge(&history(&entries), 50)), expected, "{entries:?}");
    }
}

#[test]
fn a_rerun_within_a_run_is_evidence() {
    let verdict = judge(&[seen(1, Some(1), Outcome::Failed), seen(1, Some(1), Outcome::Passed)], 1);
    assert_eq!(kind(&verdict), FLAKY);
    assert_eq!((verdict.total_runs, verdict.flips), (2, 1));
}

#[test]
fn figures_count_executions_in_the_window() {
    use Outcome::{Failed, NotRun, Passed, Skipped};
    let outcomes = [Failed, Passed, Skipped, NotRun, Passed, Failed, Skipped, Failed];
    let entries: Vec<_> = outcomes.iter().map(|outcome| (None, *outcome)).collect();
    let verdict = judge(&history(&entries), 50);
    assert_eq!(verdict.total_runs, 5);
    assert!((verdict.failure_rate - 0.6).abs() < 1e-9);
    assert_eq!(verdict.flips, 2);
    assert_eq!((verdict.consecutive_failures, verdict.consecutive_passes), (2, 0));
    assert_eq!(verdict.recent_outcomes, [Failed, Passed, Skipped, Passed, Failed, Skipped, Failed]);

    let narrow = judge(&history(&entries), 3);
    assert_eq!(narrow.recent_outcomes, [Failed, Skipped, Failed]);
    assert_eq!(kind(&narrow), STABLE);
    // No window is taken as the smallest one.
    assert_eq!(judge(&history(&entries), 0).recent_outcomes, [Failed]);
}

fn observations() -> impl Strategy<Value = Vec<Observation>> {
    let outcome = prop::sample::select(Outcome::ALL.to_vec());
    let one = (0..2_u32, prop::option::of(1..5_u32), outcome);
    prop::collection::vec(one, 0..80).prop_map(|steps| {
        let mut run = 0;
        let numbered = |(step, code, outcome)| {
            run += step;
            seen(run, code, outcome)
        };
        steps.into_iter().map(numbered).collect()
    })
}

proptest! {
    #[test]
    fn verdicts_are_consistent(all in observations(), window in 0..60_usize) {
        let verdict = judge(&all, window);
        prop_assert!(!(verdict.is_flaky && verdict.unstable));
        prop_assert_eq!(verdict.is_flaky || verdict.unstable, verdict.flips > 0);
        prop_assert_eq!(verdict.evidence.is_some(), verdict.flips > 0);
        prop_assert!((0.0..=1.0).contains(&verdict.failure_rate));
        prop_assert!(verdict.consecutive_failures == 0 || verdict.consecutive_passes == 0);
        prop_assert!(verdict.consecutive_failures + verdict.consecutive_passes <= verdict.total_runs);
        prop_assert!(verdict.recent_outcomes.len() <= RECENT);
        prop_assert!(!verdict.recent_outcomes.contains(&Outcome::NotRun));
    }

    #[test]
    fn proof_is_a_pass_and_a_failure_of_one_code(all in observations()) {
        let proven = (1..5).any(|code| {
            let own = || all.iter().filter(|seen| seen.code == NonZeroU32::new(code)).map(|seen| seen.outcome);
            own().any(Outcome::is_pass) && own().any(Outcome::is_failure)
        });
        prop_assert_eq!(judge(&all, usize::MAX).is_flaky, proven);
    }

    #[test]
    fn what_is_older_than_the_window_or_never_ran_does_not_matter(all in observations(), window in 1..20_usize) {
        let ran: Vec<_> = all.iter().filter(|seen| seen.outcome != Outcome::NotRun).cloned().collect();
        prop_assert_eq!(judge(&all, window), judge(&ran, window));
        let mut runs: Vec<u32> = ran.iter().map(|seen| seen.run).collect();
        runs.dedup();
        let kept = &runs[runs.len().saturating_sub(window)..];
        let recent: Vec<_> = ran.iter().filter(|seen| kept.contains(&seen.run)).cloned().collect();
        prop_assert_eq!(judge(&ran, window), judge(&recent, usize::MAX));
    }
}

#[test]
fn a_hint_has_every_figure_of_the_verdict() {
    let verdict = Verdict {
        is_flaky: true,
        unstable: false,
        evidence: Some(Evidence::SameCode),
        failure_rate: 0.25,
        flips: 3,
        total_runs: 8,
        consecutive_failures: 1,
        consecutive_passes: 2,
        recent_outcomes: vec![Outcome::XPassed, Outcome::TimedOut],
    };
    let hint = verdict.hint("a.py::t");
    assert_eq!(
        (hint.id.as_str(), hint.is_flaky, hint.evidence, hint.failure_rate, hint.flips, hint.total_runs),
        ("a.py::t", true, Some(Evidence::SameCode), 0.25, 3, 8),
    );
    assert_eq!((hint.consecutive_failures, hint.consecutive_passes), (1, 2));
    assert_eq!(hint.recent_outcomes, ["xpassed", "timed_out"]);
}
