//! Which failures are repeated.

use proptest::prelude::*;
use pytest_lens_plan::outcome::Outcome;
use pytest_lens_plan::rerun::{Policy, will_rerun};

fn policy(max_reruns: u32, only_flaky: bool) -> Policy {
    Policy { enabled: true, max_reruns, only_flaky, ..Policy::default() }
}

#[test]
fn failures_are_repeated_up_to_the_limit() {
    let attempts: Vec<bool> =
        (1..=4).map(|attempt| will_rerun(&policy(2, false), &Outcome::Failed, attempt, false)).collect();
    assert_eq!(attempts, [true, true, false, false]);
}

#[test]
fn only_known_flaky_tests_where_asked() {
    assert!(!will_rerun(&policy(1, true), &Outcome::Error, 1, false));
    assert!(will_rerun(&policy(1, true), &Outcome::Error, 1, true));
    assert!(!will_rerun(&Policy::default(), &Outcome::Failed, 1, true));
}

proptest! {
    #[test]
    fn repeating_ends_and_concerns_failures_alone(
        max_reruns in 0..20_u32,
        only_flaky in any::<bool>(),
        known_flaky in any::<bool>(),
        outcome in prop::sample::select(Outcome::ALL.to_vec()),
    ) {
        let policy = policy(max_reruns, only_flaky);
        let mut attempt = 1;
        while will_rerun(&policy, &outcome, attempt, known_flaky) {
            attempt += 1;
        }
        let repeats = outcome.is_failure() && (known_flaky || !only_flaky);
        prop_assert_eq!(attempt, if repeats { 1 + max_reruns } else { 1 });
        let off = Policy { enabled: false, ..policy };
        prop_assert!(!will_rerun(&off, &outcome, 1, known_flaky));
    }
}

#[test]
fn v3_what_passes_is_repeated_until_it_fails_or_has_run_often_enough() {
    let policy = Policy::until_failure(3);
    let again = |outcome, attempt| will_rerun(&policy, &outcome, attempt, false);
    assert_eq!([1, 2, 3].map(|attempt| again(Outcome::Passed, attempt)), [true, true, false]);
    for outcome in [Outcome::Failed, Outcome::Error, Outcome::Crashed, Outcome::TimedOut, Outcome::Skipped] {
        assert!(!again(outcome, 1), "{outcome}");
    }
    assert!(!will_rerun(&Policy::until_failure(0), &Outcome::Passed, 1, false));
}
