//! The custom notifications (`pytestLens/*`): their names and parameters.

use pytest_lens_protocol::EventPayload;
use serde::Serialize;
use serde_json::Value;

/// Names of the custom notifications that the server sends.
pub(crate) const INVENTORY: &str = "pytestLens/inventory";
/// The engine accepted a run.
pub(crate) const RUN_STARTED: &str = "pytestLens/runStarted";
/// Tests are about to run.
pub(crate) const TEST_STARTED: &str = "pytestLens/testStarted";
/// Tests have an outcome.
pub(crate) const TEST_OUTCOME: &str = "pytestLens/testOutcome";
/// A process printed something.
pub(crate) const OUTPUT: &str = "pytestLens/output";
/// A run is over.
pub(crate) const RUN_FINISHED: &str = "pytestLens/runFinished";
/// Flakiness changed.
pub(crate) const FLAKINESS_HINT: &str = "pytestLens/flakinessHint";

/// Outcomes became older than their inputs, or are no longer.
pub(crate) const STALE_OUTCOMES: &str = "pytestLens/staleOutcomes";

/// The name and the parameters of an event's notification.
pub(crate) fn notification(payload: &EventPayload, workspace: &str, seq: u64) -> (&'static str, Value) {
    match payload {
        EventPayload::Inventory(inner) => (INVENTORY, params(inner, workspace, seq)),
        EventPayload::RunStarted(inner) => (RUN_STARTED, params(inner, workspace, seq)),
        EventPayload::TestStarted(inner) => (TEST_STARTED, params(inner, workspace, seq)),
        EventPayload::TestOutcome(inner) => (TEST_OUTCOME, params(inner, workspace, seq)),
        EventPayload::Output(inner) => (OUTPUT, params(inner, workspace, seq)),
        EventPayload::RunFinished(inner) => (RUN_FINISHED, params(inner, workspace, seq)),
        EventPayload::FlakinessHint(inner) => (FLAKINESS_HINT, params(inner, workspace, seq)),
        EventPayload::StaleOutcomes(inner) => (STALE_OUTCOMES, params(inner, workspace, seq)),
    }
}

fn params(inner: &impl Serialize, workspace: &str, seq: u64) -> Value {
    let mut value = serde_json::to_value(inner).unwrap_or_default();
    if let Some(map) = value.as_object_mut() {
        map.insert("workspace".into(), workspace.into());
        map.insert("seq".into(), seq.into());
    }
    value
}
