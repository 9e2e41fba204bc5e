//! Names, counts, status and exit status.

use proptest::prelude::*;
use pytest_lens_plan::outcome::{Counts, Outcome, RunStatus, exit_code, run_status};

fn outcomes() -> impl Strategy<Value = Vec<Outcome>> {
    prop::collection::vec(prop::sample::select(Outcome::ALL.to_vec()), 0..40)
}

#[test]
fn names_are_the_protocols() {
    let names: Vec<&str> = Outcome::ALL.iter().map(|outcome| outcome.as_str()).collect();
    insta::assert_snapshot!(
        names.join(" "),
        @"passed failed skipped error xfailed xpassed timed_out crashed not_run"
    );
    for outcome in Outcome::ALL {
        assert_eq!(outcome.as_str().parse(), Ok(outcome));
    }
    insta::assert_snapshot!(
        "Passed".parse::<Outcome>().unwrap_err(),
        @"unknown outcome 'Passed': expected passed, failed, skipped, error, xfailed, xpassed, timed_out, crashed or not_run"
    );
}

#[test]
fn special_kinds_are_counted_within_their_group() {
    let counts: Counts = Outcome::ALL.into_iter().collect();
    let expected = Counts {
        total: 8,
        passed: 2,
        failed: 2,
        skipped: 2,
        errors: 2,
        xfailed: 1,
        xpassed: 1,
        timed_out: 1,
        crashed: 1,
        not_run: 1,
    };
    assert_eq!(counts, expected);
}

#[test]
fn what_cut_a_run_short_outranks_its_tests() {
    let good = Counts::from_iter([Outcome::Passed, Outcome::XFailed]);
    for (outcome, expected) in [
        (Outcome::Passed, RunStatus::Passed),
        (Outcome::NotRun, RunStatus::Failed),
        (Outcome::TimedOut, RunStatus::Failed),
        (Outcome::Crashed, RunStatus::Failed),
        (Outcome::Error, RunStatus::Failed),
    ] {
        let mut counts = good;
        counts.add(outcome);
        assert_eq!(run_status(&counts, false, false, false, false, false), expected);
        assert_eq!(run_status(&counts, false, false, false, false, true), RunStatus::Failed);
        assert_eq!(run_status(&counts, true, false, false, false, true), RunStatus::Stopped);
        assert_eq!(run_status(&counts, true, false, true, false, false), RunStatus::TimedOut);
        assert_eq!(run_status(&counts, true, true, true, false, false), RunStatus::Killed);
        assert_eq!(run_status(&counts, true, true, true, true, false), RunStatus::InternalError);
    }
}

#[test]
fn exit_status_is_pytests() {
    let some = Counts::from_iter([Outcome::Passed]);
    let none = Counts::default();
    let not_run = Counts::from_iter([Outcome::NotRun]);
    let cases = [
        (RunStatus::Passed, some, 0, 0),
        (RunStatus::Passed, none, 0, 5),
        (RunStatus::Passed, not_run, 0, 0),
        (RunStatus::Failed, some, 0, 1),
        (RunStatus::TimedOut, some, 0, 1),
        (RunStatus::Stopped, some, 0, 2),
        (RunStatus::Killed, none, 0, 2),
        (RunStatus::InternalError, some, 1, 3),
        (RunStatus::Passed, some, 1, 2),
        (RunStatus::Failed, some, 2, 2),
        (RunStatus::Passed, none, 1, 2),
    ];
    for (status, counts, errors, expected) in cases {
        assert_eq!(exit_code(status, &counts, errors), expected, "{status} {counts:?} {errors}");
    }
}

proptest! {
    #[test]
    fn groups_add_up_to_the_total(outcomes in outcomes()) {
        let counts: Counts = outcomes.iter().copied().collect();
        prop_assert_eq!(counts.passed + counts.failed + counts.skipped + counts.errors, counts.total);
        prop_assert_eq!(counts.total + counts.not_run, outcomes.len());
        let failures = outcomes.iter().filter(|outcome| outcome.is_failure()).count();
        prop_assert_eq!(counts.failed + counts.errors, failures);
        prop_assert_eq!(counts.passed, outcomes.iter().filter(|outcome| outcome.is_pass()).count());
    }

    #[test]
    fn removing_takes_back_adding(outcomes in outcomes(), more in outcomes()) {
        let before: Counts = outcomes.into_iter().collect();
        let mut counts = before;
        more.iter().for_each(|outcome| counts.add(*outcome));
        more.iter().for_each(|outcome| counts.remove(*outcome));
        prop_assert_eq!(counts, before);
    }

    #[test]
    fn success_means_that_nothing_failed(outcomes in outcomes(), flags in prop::array::uniform5(any::<bool>()), errors in 0..3_usize) {
        let counts: Counts = outcomes.iter().copied().collect();
        let status = run_status(&counts, flags[0], flags[1], flags[2], flags[3], flags[4]);
        let clean = !flags.contains(&true) && counts.not_run == 0 && !outcomes.iter().any(|outcome| outcome.is_failure());
        prop_assert_eq!(status == RunStatus::Passed, clean);
        let zero = exit_code(status, &counts, errors) == 0;
        prop_assert_eq!(zero, clean && errors == 0 && !outcomes.is_empty());
    }
}

#[test]
fn statuses_have_the_names_that_runs_end_with() {
    use RunStatus::{Failed, InternalError, Killed, Passed, Stopped, TimedOut};
    let all = [Passed, Failed, Stopped, Killed, TimedOut, InternalError];
    let names = ["passed", "failed", "stopped", "killed", "timed_out", "internal_error"];
    assert_eq!(all.map(|status| status.to_string()), names);
    assert_eq!(all.map(RunStatus::as_str), names);
    assert_eq!(format!("{:>7}", Failed), " failed");
}
