//! The order of a suite's events holds for any log, and statuses rank as documented.

use proptest::prelude::*;
use pytest_lens_plan::outcome::Outcome;
use pytest_lens_plan::suite::{CaseStatus, SuiteSequence, SuiteStatus, SuiteStep, case_status, suite_status_of};

#[derive(Debug, Clone)]
enum Said {
    Begin(usize),
    Start(u32),
    Artifact(u32, u32),
    Settle(u32, Outcome),
    End(SuiteStatus),
}

const STATUSES: [SuiteStatus; 6] = [
    SuiteStatus::Passed,
    SuiteStatus::Failed,
    SuiteStatus::DidNotFinish,
    SuiteStatus::TimedOut,
    SuiteStatus::Stopped,
    SuiteStatus::InternalError,
];

fn said() -> impl Strategy<Value = Said> {
    let outcome = prop::sample::select(Outcome::ALL.to_vec());
    prop_oneof![
        1 => (0..4usize).prop_map(Said::Begin),
        4 => (0..5u32).prop_map(Said::Start),
        3 => (0..5u32, 0..9u32).prop_map(|(case, artifact)| Said::Artifact(case, artifact)),
        4 => (0..5u32, outcome).prop_map(|(case, outcome)| Said::Settle(case, outcome)),
        1 => prop::sample::select(STATUSES.to_vec()).prop_map(Said::End),
    ]
}

fn feed(order: &mut SuiteSequence, said: &Said) -> Vec<SuiteStep> {
    match *said {
        Said::Begin(cases) => order.begin(cases).collect(),
        Said::Start(case) => order.start(case).into_iter().collect(),
        Said::Artifact(case, artifact) => order.artifact(case, artifact).into_iter().collect(),
        Said::Settle(case, outcome) => order.case_over(case, outcome).into_iter().flatten().collect(),
        Said::End(status) => order.end(status),
    }
}

/// Every event of a case, in order.
fn of_case(steps: &[SuiteStep], case: u32) -> Vec<SuiteStep> {
    let own = |steps: &&SuiteStep| match steps {
        SuiteStep::Found(own)
        | SuiteStep::Started(own)
        | SuiteStep::Artifact(own, _)
        | SuiteStep::Stopped(own, _)
        | SuiteStep::Finished(own) => *own == case,
        _ => false,
    };
    steps.iter().filter(own).copied().collect()
}

proptest! {
    #[test]
    fn whatever_is_said_the_order_holds(first in 0..4usize, script in prop::collection::vec(said(), 0..40)) {
        let mut order = SuiteSequence::default();
        let mut steps: Vec<SuiteStep> = order.begin(first).collect();
        for said in &script {
            steps.extend(feed(&mut order, said));
        }
        steps.extend(order.end(SuiteStatus::Passed));
        prop_assert_eq!(steps.first(), Some(&SuiteStep::SuiteStarted));
        prop_assert!(matches!(steps.last(), Some(SuiteStep::SuiteStopped(_))));
        let count = |wanted: fn(&SuiteStep) -> bool| steps.iter().filter(|steps| wanted(steps)).count();
        prop_assert_eq!(count(|steps| matches!(steps, SuiteStep::SuiteStarted)), 1);
        prop_assert_eq!(count(|steps| matches!(steps, SuiteStep::SuiteStopped(_))), 1);
        prop_assert_eq!(count(|steps| matches!(steps, SuiteStep::Found(_))), first);
        for case in 0..6u32 {
            let own = of_case(&steps, case);
            if usize::try_from(case).unwrap() >= first {
                prop_assert_eq!(own, vec![]);
                continue;
            }
            prop_assert_eq!(own.first(), Some(&SuiteStep::Found(case)));
            prop_assert_eq!(own.last(), Some(&SuiteStep::Finished(case)));
            let stops = own.iter().filter(|steps| matches!(steps, SuiteStep::Stopped(..))).count();
            let starts = own.iter().filter(|steps| matches!(steps, SuiteStep::Started(_))).count();
            let finishes = own.iter().filter(|steps| matches!(steps, SuiteStep::Finished(_))).count();
            prop_assert!(stops == 1 && finishes == 1 && starts <= 1);
            let at = |wanted: fn(&SuiteStep) -> bool| own.iter().position(wanted);
            let (start, stop) = (at(|steps| matches!(steps, SuiteStep::Started(_))), at(|steps| matches!(steps, SuiteStep::Stopped(..))));
            prop_assert!(start.is_none() || start < stop);
        }
    }

    #[test]
    fn the_suites_status_is_the_highest_that_anything_asks_for(
        outcomes in prop::collection::vec(prop::sample::select(Outcome::ALL.to_vec()), 0..8),
        at_least in prop::sample::select(STATUSES.to_vec()),
    ) {
        let mut order = SuiteSequence::default();
        let _ = order.begin(outcomes.len()).count();
        for (case, outcome) in (0..).zip(&outcomes) {
            let _ = order.case_over(case, *outcome);
        }
        let wanted = outcomes.iter().map(|outcome| suite_status_of(*outcome)).chain([at_least]).max().unwrap();
        prop_assert_eq!(order.end(at_least), vec![SuiteStep::SuiteStopped(wanted)]);
    }
}

#[test]
fn statuses_rank_as_documented() {
    assert!(STATUSES.is_sorted());
    let table: Vec<String> = Outcome::ALL
        .iter()
        .map(|outcome| format!("{outcome}: {:?}, {:?}", case_status(*outcome), suite_status_of(*outcome)))
        .collect();
    insta::assert_snapshot!(table.join("\n"), @r"
    passed: Passed, Passed
    failed: Failed, Failed
    skipped: Skipped, Passed
    error: Error, Failed
    xfailed: Passed, Passed
    xpassed: Passed, Passed
    timed_out: TimedOut, TimedOut
    crashed: Error, DidNotFinish
    not_run: Skipped, Passed
    ");
}

#[test]
fn a_repeated_case_starts_once_and_ends_as_its_last_attempt() {
    let mut order = SuiteSequence::default();
    let _ = order.begin(1).count();
    assert_eq!(order.start(0), Some(SuiteStep::Started(0)));
    assert_eq!(order.start(0), None);
    assert_eq!(
        order.case_over(0, Outcome::Passed),
        Some([SuiteStep::Stopped(0, CaseStatus::Passed), SuiteStep::Finished(0)])
    );
    assert_eq!(order.case_over(0, Outcome::Failed), None);
    assert_eq!(order.artifact(0, 1), None);
}

#[test]
fn an_artifact_of_a_case_is_an_event_until_the_case_is_over() {
    let mut sequence = SuiteSequence::default();
    assert_eq!(sequence.begin(1).count(), 2);
    assert_eq!(sequence.start(0), Some(SuiteStep::Started(0)));
    assert_eq!(sequence.artifact(0, 7), Some(SuiteStep::Artifact(0, 7)));
}

#[test]
fn a_suites_own_artifact_may_come_at_any_time() {
    let mut sequence = SuiteSequence::default();
    assert_eq!(sequence.suite_artifact(3), SuiteStep::SuiteArtifact(3));
    assert_eq!(sequence.begin(0).count(), 1);
    assert_eq!(sequence.end(SuiteStatus::Passed), [SuiteStep::SuiteStopped(SuiteStatus::Passed)]);
    assert_eq!(sequence.suite_artifact(4), SuiteStep::SuiteArtifact(4));
}
