//! Laws of the fold.

use std::collections::HashSet;

use proptest::prelude::*;
use pytest_lens_protocol::{ItemKind, RunCounts, RunEnd, RunEndStatus, RunStart, TestItem, TestOutcomes, TestsStarted};

use super::*;
use crate::workspaces::lazy_outline::LazyOutline;

/// Ids of a small tree: folder, file, class, function, case.
const IDS: [&str; 9] =
    ["d", "d/a.py", "d/a.py::T", "d/a.py::T::x", "d/a.py::T::x[1]", "d/a.py::T::x[2]", "d/a.py::y", "b.py", "b.py::z"];

const FILES: [&str; 2] = ["d/a.py", "b.py"];

fn parent_of(id: &str) -> Option<String> {
    let cut = id.rfind('[').or_else(|| id.rfind("::")).or_else(|| id.rfind('/'))?;
    Some(id[..cut].to_owned())
}

fn item(id: &str, provisional: bool, label: u8) -> TestItem {
    TestItem {
        id: id.into(),
        parent: parent_of(id).map(Arc::from),
        kind: ItemKind::Function,
        label: label.to_string().into(),
        uri: "".into(),
        range: None,
        markers: Vec::new(),
        skip: false,
        xfail: false,
        case_count: None,
        provisional,
    }
}

/// Items with all their ancestors, parents first.
fn items() -> impl Strategy<Value = Vec<Arc<TestItem>>> {
    proptest::collection::vec((0..IDS.len(), any::<bool>(), 0u8..3), 0..9).prop_map(|picks| {
        let mut wanted: Vec<String> = Vec::new();
        for (index, _, _) in &picks {
            let mut id = Some(IDS[*index].to_owned());
            while let Some(inner) = id {
                id = parent_of(&inner);
                if !wanted.contains(&inner) {
                    wanted.push(inner);
                }
            }
        }
        wanted.sort();
        // A confirmed item has no provisional ancestor.
        let style = |id: &String| {
            let known = picks.iter().find(|(index, _, _)| IDS[*index] == id);
            let told = picks.iter().any(|(index, provisional, _)| !provisional && IDS[*index].starts_with(id.as_str()));
            (!told, known.map_or(0, |(_, _, label)| *label))
        };
        wanted.iter().map(|id| Arc::new(item(id, style(id).0, style(id).1))).collect()
    })
}

fn delta() -> impl Strategy<Value = InventoryDelta> {
    let removed = proptest::collection::vec((0..IDS.len()).prop_map(|index| IDS[index].to_owned()), 0..3);
    (items(), removed).prop_map(|(upserts, removed)| InventoryDelta {
        revision: 1,
        upserts,
        removed,
        ..InventoryDelta::default()
    })
}

fn sorted(view: &View) -> Vec<Arc<TestItem>> {
    let mut items: Vec<Arc<TestItem>> = view.preorder().into_iter().cloned().collect();
    items.sort_by(|a, b| a.id.cmp(&b.id));
    items
}

/// Makes the tree hold exactly these items; returns the delta.
fn replace(view: &mut View, items: Vec<Arc<TestItem>>) -> InventoryDelta {
    let delta = view.difference(items);
    view.apply(&inventory(delta.clone()));
    delta
}

/// A test of a file has an event: a client that requests tests file by file receives the file, unless it knows it.
fn ask(ours: &View, client: &mut View, outline: &mut LazyOutline, file: &str) {
    let event = outcome(&format!("{file}::y"), "passed");
    for delta in outline.before(ours, &event) {
        client.apply(&inventory(delta));
    }
}

fn inventory(delta: InventoryDelta) -> EventPayload {
    EventPayload::Inventory(delta)
}

fn outcome(id: &str, outcome: &str) -> EventPayload {
    let outcome = TestOutcome { id: id.into(), outcome: outcome.into(), attempt: 1, ..TestOutcome::default() };
    EventPayload::TestOutcome(TestOutcomes { run_id: "r".into(), outcomes: vec![outcome] })
}

proptest! {
    #[test]
    fn the_tree_stays_a_tree(deltas in proptest::collection::vec(delta(), 0..6)) {
        let mut view = View::default();
        for delta in deltas {
            view.apply(&inventory(delta));
            let walked = view.preorder();
            let mut above = HashSet::new();
            for item in &walked {
                prop_assert!(item.parent.as_ref().is_none_or(|parent| above.contains(parent)), "parents come first");
                prop_assert!(above.insert(item.id.clone()), "each item comes once");
                let siblings = view.children(item.parent.as_deref());
                prop_assert_eq!(siblings.iter().filter(|sibling| sibling.id == item.id).count(), 1);
            }
        }
    }

    #[test]
    fn a_delta_told_twice_is_told_once(first in delta(), second in delta()) {
        let (mut once, mut twice) = (View::default(), View::default());
        once.apply(&inventory(first.clone()));
        once.apply(&inventory(second.clone()));
        twice.apply(&inventory(first));
        twice.apply(&inventory(second.clone()));
        twice.apply(&inventory(second));
        prop_assert_eq!(sorted(&once), sorted(&twice));
    }

    #[test]
    fn a_client_that_applies_our_deltas_has_our_tree(
        first in items(), all in items(), live in items(), again in items(),
    ) {
        let (mut ours, mut client) = (View::default(), View::default());
        let of_file = |items: Vec<Arc<TestItem>>| -> Vec<Arc<TestItem>> {
            let is_inside = |item: &Arc<TestItem>| "d/a.py".starts_with(&*item.id) || item.id.starts_with("d/a.py");
            let inside = items.into_iter().filter(is_inside).map(Arc::unwrap_or_clone);
            inside.map(|item| Arc::new(TestItem { provisional: true, ..item })).collect()
        };
        let deltas = [
            replace(&mut ours, first),
            ours.replace_provisional("d/a.py", of_file(live)),
            replace(&mut ours, all.clone()),
            ours.replace_provisional("d/a.py", of_file(again)),
        ];
        for delta in deltas {
            client.apply(&inventory(delta));
        }
        prop_assert_eq!(sorted(&ours), sorted(&client));
        let confirmed = |item: &&Arc<TestItem>| !item.provisional;
        let kept: Vec<Arc<TestItem>> = sorted(&ours).iter().filter(confirmed).cloned().collect();
        let mut told: Vec<Arc<TestItem>> = all.iter().filter(confirmed).cloned().collect();
        told.sort_by(|a, b| a.id.cmp(&b.id));
        prop_assert_eq!(kept, told, "what pytest said is never overruled");
    }

    #[test]
    fn a_client_that_asks_file_by_file_has_our_tree_of_these_files(
        steps in proptest::collection::vec((items(), any::<bool>(), 0..4usize), 1..6),
    ) {
        let (mut ours, mut client, mut outline) = (View::default(), View::default(), LazyOutline::default());
        for (mut wanted, reversed, step) in steps {
            if reversed {
                // Siblings change places; parents still come first.
                wanted.sort_by_key(|item| (item.id.matches("::").count(), std::cmp::Reverse(item.id.clone())));
            }
            for item in &mut wanted {
                Arc::make_mut(item).kind = match &*item.id.clone() {
                    "d" => ItemKind::Dir,
                    id if id.ends_with(".py") => ItemKind::File,
                    _ => ItemKind::Function,
                };
            }
            let delta = replace(&mut ours, wanted);
            let told = outline.narrow(&delta);
            told.into_iter().for_each(|delta| { client.apply(&inventory(delta)); });
            if step < 2 {
                ask(&ours, &mut client, &mut outline, FILES[step]);
            }
        }
        // A file that the client knows is not sent again, and is right.
        for file in FILES {
            ask(&ours, &mut client, &mut outline, file);
            prop_assert_eq!(ours.within(file), client.within(file), "in the same order");
        }
        prop_assert_eq!(sorted(&ours), sorted(&client));
    }

    #[test]
    fn what_is_removed_takes_everything_known_of_it_along(all in items(), index in 0..IDS.len()) {
        let mut view = View::default();
        replace(&mut view, all);
        for id in IDS.iter().filter(|id| view.item(id).is_some()).copied().collect::<Vec<_>>() {
            view.apply(&outcome(id, "failed"));
        }
        let id = IDS[index];
        let removed = vec![id.to_owned()];
        view.apply(&inventory(InventoryDelta { removed, ..InventoryDelta::default() }));
        prop_assert!(view.item(id).is_none());
        prop_assert_eq!(view.results_within(id).count(), 0);
    }

    #[test]
    fn a_run_leaves_nothing_running(steps in proptest::collection::vec((0..IDS.len(), 0u8..4), 0..20)) {
        let mut view = View::default();
        let start = RunStart { run_id: "r".into(), total: steps.len(), ids: None, deselected: 0, ..RunStart::default() };
        view.apply(&EventPayload::RunStarted(start));
        let mut finals = 0;
        for (index, step) in steps {
            let id = IDS[index].to_owned();
            match step {
                0 => {
                    view.apply(&EventPayload::TestStarted(TestsStarted { run_id: "r".into(), ids: vec![id] }));
                }
                1 => {
                    let again = TestOutcome { id, will_rerun: true, outcome: "failed".into(), ..TestOutcome::default() };
                    let again = TestOutcomes { run_id: "r".into(), outcomes: vec![again] };
                    view.apply(&EventPayload::TestOutcome(again));
                }
                2 => { finals += 1; view.apply(&outcome(&id, "passed")); }
                _ => { finals += 1; view.apply(&outcome(&id, "not_run")); }
            }
        }
        prop_assert_eq!(view.runs()["r"].done(), finals);
        let counts = RunCounts::default();
        let status = RunEndStatus::Passed;
        let end = RunEnd { run_id: "r".into(), status, counts, duration_ms: 0.0, message: None, debug_data: None, warnings: Vec::new(), timings: None, summaries: Vec::new(), exit_status: None };
        view.apply(&EventPayload::RunFinished(end));
        prop_assert!(IDS.iter().all(|id| !view.is_running(id)));
        prop_assert!(view.runs().is_empty());
        prop_assert!(view.failed().is_empty(), "an attempt that is repeated is no outcome");
    }
}

#[test]
fn a_test_that_was_not_run_keeps_its_last_outcome() {
    let mut view = View::default();
    view.apply(&outcome("a.py::t", "failed"));
    view.apply(&outcome("a.py::t", "not_run"));
    assert_eq!(view.failed(), ["a.py::t"]);
}

#[test]
fn what_lies_within_an_id_is_found_by_its_joints() {
    let mut view = View::default();
    for id in ["a.py::t", "a.py::t[1]", "a.py::tt", "a.py::T::t", "d/a.py::t"] {
        view.apply(&outcome(id, "passed"));
    }
    let within = |id: &str| view.results_within(id).map(|result| result.id.clone()).collect::<Vec<_>>();
    assert_eq!(within("a.py::t"), ["a.py::t", "a.py::t[1]"]);
    assert_eq!(within("a.py::T"), ["a.py::T::t"]);
    assert_eq!(within("a.py").len(), 4);
    assert_eq!(within("d"), ["d/a.py::t"]);
}

#[test]
fn b11_a_run_of_which_more_is_known_keeps_what_is_done() {
    let mut view = View::default();
    let start = |total: usize, id: &str| RunStart {
        run_id: "r".into(),
        total,
        ids: Some(vec![id.to_owned()]),
        deselected: 0,
        ..RunStart::default()
    };
    view.apply(&EventPayload::RunStarted(start(1, "a/test_a.py::t")));
    view.apply(&outcome("a/test_a.py::t", "passed"));
    view.apply(&EventPayload::RunStarted(start(2, "b/test_b.py::t")));
    assert_eq!((view.runs()["r"].done(), view.runs()["r"].total), (1, 2));
    assert_eq!(view.last_run().unwrap(), &["a/test_a.py::t", "b/test_b.py::t"]);
}
