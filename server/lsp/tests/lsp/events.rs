//! Events as an engine sends them.

use std::sync::Arc;

use pytest_lens_protocol::{
    EventPayload, Evidence, FlakinessHints, Hint, InventoryDelta, ItemKind, Location, Phase, Range, RunCounts, RunEnd,
    RunEndStatus, RunStart, TestItem, TestOutcome, TestOutcomes, TestsStarted,
};

pub(crate) fn run_started(run: &str, ids: &[&str]) -> EventPayload {
    let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
    EventPayload::RunStarted(RunStart {
        run_id: run.into(),
        total: ids.len(),
        ids: Some(ids),
        deselected: 0,
        ..RunStart::default()
    })
}

pub(crate) fn test_started(run: &str, id: &str) -> EventPayload {
    EventPayload::TestStarted(TestsStarted { run_id: run.into(), ids: vec![id.into()] })
}

pub(crate) fn outcome(run: &str, outcome: TestOutcome) -> EventPayload {
    EventPayload::TestOutcome(TestOutcomes { run_id: run.into(), outcomes: vec![outcome] })
}

pub(crate) fn passed(id: &str) -> TestOutcome {
    TestOutcome { id: id.into(), outcome: "passed".into(), duration_ms: 12.0, attempt: 1, ..TestOutcome::default() }
}

/// A failure at a 0-based line.
pub(crate) fn failed(id: &str, uri: &str, line: u32) -> TestOutcome {
    TestOutcome {
        outcome: "failed".into(),
        phase: Some(Phase::Call),
        message: Some("assert 1 == 2".into()),
        location: Some(Location { uri: uri.into(), range: Range::of_line(line + 1) }),
        expected: Some("2".into()),
        actual: Some("1".into()),
        ..passed(id)
    }
}

pub(crate) fn run_finished(run: &str, passed: usize, failed: usize) -> EventPayload {
    EventPayload::RunFinished(RunEnd {
        run_id: run.into(),
        status: if failed > 0 { RunEndStatus::Failed } else { RunEndStatus::Passed },
        counts: RunCounts { total: passed + failed, passed, failed, ..RunCounts::default() },
        duration_ms: 20.0,
        message: None,
        debug_data: None,
        warnings: Vec::new(),
        timings: None,
        summaries: Vec::new(),
        exit_status: None,
    })
}

/// A whole run of one test.
pub(crate) fn run_of(run: &str, result: TestOutcome) -> Vec<EventPayload> {
    let id = result.id.clone();
    let bad = usize::from(result.outcome != "passed");
    vec![run_started(run, &[&id]), test_started(run, &id), outcome(run, result), run_finished(run, 1 - bad, bad)]
}

/// A collected item.
pub(crate) fn item(id: &str, parent: Option<&str>, kind: ItemKind, uri: &str) -> TestItem {
    TestItem {
        id: id.into(),
        parent: parent.map(Into::into),
        kind,
        label: id.rsplit("::").next().unwrap_or(id).into(),
        uri: uri.into(),
        range: None,
        markers: Vec::new(),
        skip: false,
        xfail: false,
        case_count: None,
        provisional: false,
    }
}

/// A file with these functions.
pub(crate) fn file(path: &str, uri: &str, functions: &[&str]) -> Vec<TestItem> {
    let function = |name: &&str| item(&format!("{path}::{name}"), Some(path), ItemKind::Function, uri);
    std::iter::once(item(path, None, ItemKind::File, uri)).chain(functions.iter().map(function)).collect()
}

pub(crate) fn inventory(upserts: Vec<TestItem>, removed: &[&str]) -> EventPayload {
    let removed = removed.iter().map(|id| (*id).to_owned()).collect();
    let upserts = upserts.into_iter().map(Arc::new).collect();
    EventPayload::Inventory(InventoryDelta { revision: 1, upserts, removed, ..InventoryDelta::default() })
}

pub(crate) fn flaky(id: &str) -> EventPayload {
    let hint = Hint {
        id: id.into(),
        is_flaky: true,
        failure_rate: 0.25,
        flips: 3,
        total_runs: 8,
        consecutive_failures: 0,
        consecutive_passes: 2,
        recent_outcomes: ["passed", "failed", "passed"].map(str::to_owned).to_vec(),
        evidence: Some(Evidence::SameCode),
    };
    EventPayload::FlakinessHint(FlakinessHints { hints: vec![hint] })
}
