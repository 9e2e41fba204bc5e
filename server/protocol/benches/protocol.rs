//! Benchmarks of tree deltas and of events on their way to clients.

use divan::{Bencher, black_box};
use pytest_lens_protocol::{
    Event, EventPayload, InventoryDelta, ItemKind, Response, Shape, Siblings, TestItem, TestOutcome, TestOutcomes,
    decode_response, encode_framed,
};
use std::collections::HashMap;
use std::sync::Arc;

fn main() {
    divan::main();
}

/// A tree of this many functions, 40 in each file.
fn items(count: usize) -> Vec<Arc<TestItem>> {
    let item = |id: String, parent: Option<String>, kind: ItemKind| {
        Arc::new(TestItem {
            label: id.rsplit("::").next().unwrap_or(&id).into(),
            uri: "file:///shop/tests".into(),
            range: None,
            markers: vec!["slow".to_owned()],
            skip: false,
            xfail: false,
            case_count: None,
            provisional: false,
            id: id.into(),
            parent: parent.map(Arc::from),
            kind,
        })
    };
    let mut items = Vec::new();
    for number in 0..count {
        let file = format!("tests/test_{}.py", number / 40);
        if number % 40 == 0 {
            items.push(item(file.clone(), None, ItemKind::File));
        }
        items.push(item(format!("{file}::test_{number}"), Some(file), ItemKind::Function));
    }
    items
}

/// The delta of a reader that knows all tests but one new first test in each file.
#[divan::bench(args = [1_000, 10_000])]
fn order_of_siblings(bencher: Bencher, count: usize) {
    let wanted = items(count);
    let mut known: HashMap<&str, Vec<&str>> = HashMap::new();
    for item in &wanted {
        if let Some(parent) = item.parent.as_deref() {
            known.entry(parent).or_default().push(&item.id);
        }
    }
    for ids in known.values_mut() {
        ids.remove(0);
    }
    bencher
        .bench(|| Siblings::out_of_order(black_box(&wanted), |parent| known.get(parent).cloned().unwrap_or_default()));
}

#[divan::bench(args = [1_000, 10_000])]
fn delta_in_pieces(bencher: Bencher, count: usize) {
    let upserts = items(count);
    let delta = || InventoryDelta { upserts: upserts.clone(), ..InventoryDelta::default() };
    bencher.with_inputs(delta).bench_values(|delta| delta.pieces(500));
}

/// An answer to `get_events` with this many outcomes, one in each event.
fn answer(outcomes: usize) -> Response {
    let event = |number: usize| {
        let outcome = TestOutcome {
            id: format!("tests/test_{}.py::test_{number}", number / 40),
            outcome: "passed".to_owned(),
            duration_ms: 1.25,
            attempt: 1,
            ..TestOutcome::default()
        };
        let told = TestOutcomes { run_id: "run-1".to_owned(), outcomes: vec![outcome] };
        Arc::new(Event { seq: number as u64 + 1, payload: EventPayload::TestOutcome(told) })
    };
    Response::Events { cursor: outcomes as u64, events: (0..outcomes).map(event).collect() }
}

#[divan::bench(args = [1, 1_000])]
fn encode_events(bencher: Bencher, outcomes: usize) {
    let answer = answer(outcomes);
    bencher.bench(|| encode_framed(black_box(&answer), Shape::Named));
}

#[divan::bench(args = [1, 1_000])]
fn decode_events(bencher: Bencher, outcomes: usize) {
    let framed = encode_framed(&answer(outcomes), Shape::Named).unwrap_or_default();
    bencher.bench(|| decode_response(black_box(&framed[4..])));
}
