//! When a test is flaky, when it is only suspected, and the figures that are shown.

use proptest::prelude::*;
use pytest_lens_plan::flaky::{Evidence, Observation, RECENT, Verdict, judge};
use pytest_lens_plan::outcome::Outcome;

fn seen(run: u64, code: Option<&str>, outcome: Outcome) -> Observation<'_> {
    Observation { outcome, fingerprint: code, run, attempt: 1 }
}

fn history<'a>(entries: &[(Option<&'a str>, Outcome)]) -> Vec<Observation<'a>> {
    let one = |(run, (code, outcome)): (usize, &(Option<&'a str>, Outcome))| seen(run as u64, *code, *outcome);
    entries.iter().enumerate().map(one).collect()
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
    let (a, b) = (Some("a"), Some("b"));
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
    let first = seen(1, Some("a"), Outcome::Failed);
    let second = Observation { attempt: 2, ..seen(1, Some("a"), Outcome::Passed) };
    let verdict = judge(&[first, second], 1);
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

fn observations() -> impl Strategy<Value = Vec<(u64, Option<u8>, Outcome)>> {
    let outcome = prop::sample::select(Outcome::ALL.to_vec());
    let one = (0..2_u64, prop::option::of(0..4_u8), outcome);
    prop::collection::vec(one, 0..80).prop_map(|steps| {
        let mut run = 0;
        let numbered = |(step, code, outcome)| {
            run += step;
            (run, code, outcome)
        };
        steps.into_iter().map(numbered).collect()
    })
}

proptest! {
    #[test]
    fn verdicts_are_consistent(entries in observations(), window in 0..60_usize) {
        let codes = ["a", "b", "c", "d"];
        let all: Vec<_> = entries
            .iter()
            .map(|(run, code, outcome)| seen(*run, code.map(|code| codes[usize::from(code)]), *outcome))
            .collect();
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
    fn proof_is_a_pass_and_a_failure_of_one_code(entries in observations()) {
        let codes = ["a", "b", "c", "d"];
        let all: Vec<_> = entries
            .iter()
            .map(|(run, code, outcome)| seen(*run, code.map(|code| codes[usize::from(code)]), *outcome))
            .collect();
        let proven = codes.iter().any(|code| {
            let own = || all.iter().filter(|seen| seen.fingerprint == Some(code)).map(|seen| seen.outcome);
            own().any(Outcome::is_pass) && own().any(Outcome::is_failure)
        });
        prop_assert_eq!(judge(&all, usize::MAX).is_flaky, proven);
    }

    #[test]
    fn what_is_older_than_the_window_or_never_ran_does_not_matter(entries in observations(), window in 1..20_u64) {
        let all: Vec<_> = entries.iter().map(|(run, _, outcome)| seen(*run, Some("a"), *outcome)).collect();
        let ran: Vec<_> = all.iter().filter(|seen| seen.outcome != Outcome::NotRun).cloned().collect();
        let window = window as usize;
        prop_assert_eq!(judge(&all, window), judge(&ran, window));
        let mut runs: Vec<u64> = ran.iter().map(|seen| seen.run).collect();
        runs.dedup();
        let kept = &runs[runs.len().saturating_sub(window)..];
        let recent: Vec<_> = ran.iter().filter(|seen| kept.contains(&seen.run)).cloned().collect();
        prop_assert_eq!(judge(&ran, window), judge(&recent, usize::MAX));
    }
}
