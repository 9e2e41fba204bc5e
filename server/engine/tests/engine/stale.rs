//! Outcomes that are older than a change of what their tests depend on.

use pytest_lens_protocol::{EventPayload, Request, Response, StaleOutcomes};

use crate::common::{Lab, Log, Order, python};

const CORE: (&str, &str) = ("core.py", "def f(): return 1\n");
const TEST_CORE: &str = "test_core.py::test_f";
const TEST_OTHER: &str = "test_other.py::test_x";

/// The tests whose last outcome is stale, as a client gets to know them that was not there before.
async fn last_stale(lab: &Lab) -> Vec<String> {
    let request = Request::GetLastOutcomes { context_id: lab.context.clone(), since_cleared: None };
    let Response::Events { events, .. } = lab.call(request).await else { panic!("no outcomes") };
    let outcomes = events.iter().flat_map(|event| match &event.payload {
        EventPayload::TestOutcome(told) => told.outcomes.clone(),
        _ => Vec::new(),
    });
    outcomes.filter(|outcome| outcome.stale).map(|outcome| outcome.id).collect()
}

/// Waits for the number of events that say which outcomes became stale or fresh; returns the last.
async fn told(log: &mut Log, number: usize) -> (Vec<String>, Vec<String>) {
    let seen = std::cell::Cell::new(0);
    let find = |payload: &EventPayload| match payload {
        EventPayload::StaleOutcomes(StaleOutcomes { stale, fresh }) => {
            seen.set(seen.get() + 1);
            (seen.get() == number).then(|| (stale.clone(), fresh.clone()))
        }
        _ => None,
    };
    log.until("stale outcomes", find).await
}

fn ids(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|&id| id.to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_is_stale_as_long_as_what_its_test_depends_on_is_another() {
    let lab = Lab::resident(&[
        CORE,
        ("test_core.py", "import core\ndef test_f(): assert core.f()\n"),
        ("test_other.py", "def test_x(): pass\n"),
    ])
    .await;
    let mut log = lab.log();
    assert_eq!(lab.collect().await, 2);
    log.deltas().await;
    assert_eq!(last_stale(&lab).await, ids(&[]));
    lab.run(Order::all()).await;
    // The answer comes when the code of the run is known: a change before that counts as one during the run.
    assert_eq!(last_stale(&lab).await, ids(&[]));
    lab.project.write("core.py", "def f(): return 2\n");
    assert_eq!(told(&mut log, 1).await, (ids(&[TEST_CORE]), ids(&[])));
    assert_eq!(last_stale(&lab).await, ids(&[TEST_CORE]));
    // It is taken back.
    lab.project.write(CORE.0, CORE.1);
    assert_eq!(told(&mut log, 2).await, (ids(&[]), ids(&[TEST_CORE])));
    lab.project.write("core.py", "def f(): return 3\n");
    assert_eq!(told(&mut log, 3).await, (ids(&[TEST_CORE]), ids(&[])));
    // A new outcome says by itself that the test is not stale.
    lab.run(Order::all()).await;
    assert_eq!(last_stale(&lab).await, ids(&[]));
    lab.project.write("test_other.py", "def test_x(): assert 1\n");
    assert_eq!(told(&mut log, 4).await, (ids(&[TEST_OTHER]), ids(&[])));
    lab.run(Order::of(&[TEST_OTHER])).await;
    // An engine that has not seen the runs goes by the times of files.
    let project = lab.project.root.clone();
    let lab = lab.restarted(true, &python(), |_| std::fs::write(project.join("core.py"), "").unwrap()).await;
    let mut log = lab.log();
    assert_eq!(lab.collect().await, 2);
    log.deltas().await;
    assert_eq!(last_stale(&lab).await, ids(&[TEST_CORE]));
    lab.close().await;
}
