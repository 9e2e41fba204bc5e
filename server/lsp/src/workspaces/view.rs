//! The view of one folder: a pure fold over the engine's events. All lenses, hints, hovers, diagnostics and tree pages
//! are answered from it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Bound;
use std::sync::Arc;

use pytest_lens_protocol::{
    CollectError, EventPayload, FileSkip, Hint, InventoryDelta, ItemKind, NodeId, RunCounts, RunStart, Siblings,
    TestItem, TestOutcome,
};

use crate::workspaces::outcome::{count, is_failure};

/// The id for the parent of the top level, which no item has.
const TOP: &str = "";

/// A run in progress.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct RunView {
    /// Number of selected tests.
    pub(crate) total: usize,
    /// The selected tests without a final outcome.
    pub(crate) left: BTreeSet<Arc<str>>,
    /// The final outcomes.
    pub(crate) counts: RunCounts,
    /// The highest attempt so far, if tests are repeated.
    pub(crate) attempt: u32,
}

impl RunView {
    /// Number of tests with a final outcome.
    pub(crate) fn done(&self) -> usize {
        self.counts.total + self.counts.not_run
    }

    /// Number of tests that failed.
    pub(crate) fn failed(&self) -> usize {
        self.counts.failed + self.counts.errors
    }
}

/// The effect of an event on documents.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Touched {
    /// Ids of tests whose outcome, state or flakiness changed.
    pub(crate) tests: BTreeSet<String>,
    /// Removed ids, including those below them.
    pub(crate) gone: Vec<String>,
    /// Tests that are there again, whose outcomes went with them.
    pub(crate) back: Vec<String>,
    /// The inventory's errors or items changed.
    pub(crate) inventory: bool,
}

/// Tree, outcomes, flakiness and runs of one workspace.
#[derive(Debug, Default)]
pub(crate) struct View {
    items: HashMap<Arc<str>, Arc<TestItem>>,
    /// The ids in each item, by its id; the top level by [`TOP`].
    children: HashMap<Arc<str>, Vec<Arc<str>>>,
    results: BTreeMap<String, TestOutcome>,
    /// Tests whose last outcome is older than a change that can reach them.
    stale: BTreeSet<String>,
    /// Removed tests that had an outcome.
    lost: BTreeSet<String>,
    running: BTreeMap<String, String>,
    /// Flakiness, also of removed tests: the engine reports it only when it changes.
    hints: BTreeMap<String, Hint>,
    runs: BTreeMap<String, RunView>,
    errors: Vec<CollectError>,
    /// Ids of items that the engine of the open context has not reported: they come from sources, or from an earlier
    /// context.
    unconfirmed: HashSet<Arc<str>>,
    last_run: Option<Vec<String>>,
    /// The last run, and the files in it that skip themselves.
    skipped_files: (String, Vec<FileSkip>),
}

impl View {
    /// Applies one event.
    pub(crate) fn apply(&mut self, payload: &EventPayload) -> Touched {
        let mut touched = Touched::default();
        match payload {
            EventPayload::Inventory(delta) => {
                touched.inventory = true;
                touched.gone = self.take(delta.clone());
                let upserts = || delta.upserts.iter().map(|item| &*item.id);
                touched.back = upserts().filter(|id| self.lost.remove(*id)).map(str::to_owned).collect();
                let changed = upserts().chain(touched.gone.iter().map(String::as_str));
                touched.tests = changed.filter(|id| self.hints.contains_key(*id)).map(str::to_owned).collect();
                self.errors.clone_from(&delta.errors);
            }
            EventPayload::RunStarted(run) => {
                self.skipped_files = (run.run_id.clone(), run.skipped_files.clone());
                self.take_start(run);
            }
            EventPayload::TestStarted(started) => {
                for id in &started.ids {
                    self.running.insert(id.clone(), started.run_id.clone());
                    touched.tests.insert(id.clone());
                }
            }
            EventPayload::TestOutcome(outcomes) => {
                for outcome in &outcomes.outcomes {
                    touched.tests.insert(outcome.id.clone());
                    self.take_outcome(&outcomes.run_id, outcome);
                }
            }
            EventPayload::Output(_) => {}
            EventPayload::RunFinished(run) => {
                self.runs.remove(&run.run_id);
                touched.tests.extend(self.running.extract_if(.., |_, by| *by == run.run_id).map(|(id, _)| id));
            }
            EventPayload::FlakinessHint(hints) => {
                for hint in &hints.hints {
                    touched.tests.insert(hint.id.clone());
                    self.hints.insert(hint.id.clone(), hint.clone());
                }
            }
            EventPayload::StaleOutcomes(told) => {
                touched.tests.extend(told.stale.iter().chain(&told.fresh).cloned());
                self.stale.retain(|id| !told.fresh.contains(id));
                self.stale.extend(told.stale.iter().cloned());
            }
        }
        touched
    }

    fn take_start(&mut self, run: &RunStart) {
        let selected: Vec<Arc<str>> = match &run.ids {
            Some(ids) => ids.iter().map(|id| id.as_str().into()).collect(),
            None => self.collected_tests().collect(),
        };
        let ids = run.ids.clone().unwrap_or_default();
        match (self.runs.get_mut(&run.run_id), &mut self.last_run) {
            // More of its tests are known.
            (Some(known), last_run) => {
                known.total = run.total;
                known.left.extend(selected);
                last_run.get_or_insert_default().extend(ids);
            }
            (None, last_run) => {
                let left = selected.into_iter().collect();
                self.runs.insert(run.run_id.clone(), RunView { total: run.total, left, ..RunView::default() });
                *last_run = Some(ids);
            }
        }
    }

    /// The tests that the engine of the open context has collected.
    fn collected_tests(&self) -> impl Iterator<Item = Arc<str>> {
        let is_test = |item: &&Arc<TestItem>| {
            let is_leaf =
                !item.kind.is_outline() && item.kind != ItemKind::Class && !self.children.contains_key(&item.id);
            is_leaf && !item.provisional && !self.unconfirmed.contains(&item.id)
        };
        self.items.values().filter(is_test).map(|item| Arc::clone(&item.id))
    }

    fn take_outcome(&mut self, run_id: &str, outcome: &TestOutcome) {
        let run = self.runs.get_mut(run_id);
        if outcome.will_rerun {
            if let Some(run) = run {
                run.attempt = run.attempt.max(outcome.attempt + 1);
            }
            return;
        }
        self.running.remove(&outcome.id);
        if let Some(run) = run {
            run.left.remove(outcome.id.as_str());
            count(&mut run.counts, &outcome.outcome);
        }
        // A test that was not run keeps its last outcome.
        if outcome.outcome != "not_run" {
            let kept = TestOutcome { stdout: None, stderr: None, log: None, longrepr: None, ..outcome.clone() };
            self.results.insert(outcome.id.clone(), kept);
            self.stale.remove(&outcome.id);
        }
    }

    /// Adds outcomes from the history for tests that have not run yet.
    pub(crate) fn apply_last_outcomes(&mut self, outcomes: &[TestOutcome]) {
        self.stale.extend(outcomes.iter().filter(|outcome| outcome.stale).map(|outcome| outcome.id.clone()));
        for outcome in outcomes {
            self.results.entry(outcome.id.clone()).or_insert_with(|| outcome.clone());
        }
    }

    /// Applies a delta of the tree; returns the removed ids, including those below them.
    pub(crate) fn take(&mut self, delta: InventoryDelta) -> Vec<String> {
        let mut gone = Vec::new();
        for id in &delta.removed {
            self.remove(id, &mut gone);
        }
        for item in delta.upserts {
            self.upsert(item);
        }
        for siblings in &delta.order {
            self.arrange(siblings);
        }
        gone
    }

    fn upsert(&mut self, item: Arc<TestItem>) {
        let old = self.items.insert(Arc::clone(&item.id), Arc::clone(&item));
        if old.as_ref().map(|old| &old.parent) != Some(&item.parent) {
            if let Some(old) = old {
                self.detach(old.parent.as_deref(), &item.id);
            }
            let parent = item.parent.clone().unwrap_or_else(|| TOP.into());
            self.children.entry(parent).or_default().push(Arc::clone(&item.id));
        }
    }

    /// Sorts the children of an item; those that are not listed come last.
    fn arrange(&mut self, siblings: &Siblings) {
        let Some(children) = self.children.get_mut(siblings.parent.as_str()) else { return };
        let places: HashMap<&str, usize> = siblings.ids.iter().enumerate().map(|(at, id)| (id.as_str(), at)).collect();
        children.sort_by_key(|id| places.get(&**id).copied().unwrap_or(usize::MAX));
    }

    fn detach(&mut self, parent: Option<&str>, id: &str) {
        let parent = parent.unwrap_or(TOP);
        if let Some(siblings) = self.children.get_mut(parent) {
            siblings.retain(|sibling| **sibling != *id);
            if siblings.is_empty() {
                self.children.remove(parent);
            }
        }
    }

    fn remove(&mut self, id: &str, gone: &mut Vec<String>) {
        let Some(item) = self.items.get(id) else { return };
        let item = Arc::clone(item);
        self.detach(item.parent.as_deref(), id);
        let mut left = vec![Arc::clone(&item.id)];
        while let Some(id) = left.pop() {
            if self.items.remove(&id).is_none() {
                continue;
            }
            left.extend(self.children.remove(&id).unwrap_or_default());
            if self.results.remove(&*id).is_some() {
                self.lost.insert(id.to_string());
            }
            self.stale.remove(&*id);
            self.running.remove(&*id);
            self.unconfirmed.remove(&id);
            gone.push(id.to_string());
        }
    }

    /// The part of the engine's delta that changes something, in the engine's order. The server may have read the sources
    /// before the engine reported their tests.
    pub(crate) fn news(&mut self, mut delta: InventoryDelta) -> InventoryDelta {
        let is_read_here = |item: &&Arc<TestItem>| self.unconfirmed.contains(NodeId::new(&item.id).file());
        let read_here: Vec<Arc<TestItem>> = delta.upserts.iter().filter(is_read_here).cloned().collect();
        delta.order.extend(Siblings::out_of_order(&read_here, |parent| self.child_ids(parent)));
        self.confirm(&delta.upserts);
        delta.upserts.retain(|item| self.items.get(&item.id) != Some(item));
        delta
    }

    /// The delta from this tree to the engine's whole tree. Unconfirmed items stay until the engine has collected.
    pub(crate) fn news_of_whole(&mut self, whole: Vec<Arc<TestItem>>) -> InventoryDelta {
        self.confirm(&whole);
        let mut delta = self.difference(whole);
        delta.removed.retain(|id| !self.unconfirmed.contains(id.as_str()));
        delta
    }

    /// Notes that the engine has these items.
    fn confirm(&mut self, items: &[Arc<TestItem>]) {
        if !self.unconfirmed.is_empty() {
            for item in items {
                self.unconfirmed.remove(&item.id);
            }
        }
    }

    /// The delta that adds items of sources, as unconfirmed items. Leaves out confirmed files, and those in `open`.
    pub(crate) fn add_sources(&mut self, items: Vec<Arc<TestItem>>, open: &HashSet<String>) -> InventoryDelta {
        let is_new = |item: &Arc<TestItem>| {
            let file = NodeId::new(&item.id).file();
            !self.items.contains_key(&item.id) && !self.is_confirmed(file) && !open.contains(file)
        };
        let upserts: Vec<Arc<TestItem>> = items.into_iter().filter(is_new).collect();
        self.unconfirmed.extend(upserts.iter().map(|item| Arc::clone(&item.id)));
        InventoryDelta { upserts, errors: self.errors.clone(), ..InventoryDelta::default() }
    }

    /// Makes the items of a file unconfirmed, with the folders that hold only this file.
    pub(crate) fn doubt(&mut self, file: &str) {
        let outermost: Arc<str> = self.without_others(file).into();
        let doubted: Vec<Arc<str>> = self.within(&outermost).iter().map(|item| Arc::clone(&item.id)).collect();
        self.unconfirmed.extend(doubted);
        self.unconfirmed.insert(outermost);
    }

    /// Makes all items unconfirmed: the context is a new one.
    pub(crate) fn doubt_all(&mut self) {
        self.unconfirmed.extend(self.items.keys().cloned());
    }

    /// The delta that removes unconfirmed items, except those that `keeps` selects.
    pub(crate) fn without_unconfirmed(&self, keeps: impl Fn(&TestItem) -> bool) -> InventoryDelta {
        match self.unconfirmed.is_empty() {
            true => self.without(|_| false),
            false => self.without(|item| self.unconfirmed.contains(&item.id) && !keeps(item)),
        }
    }

    /// The delta that removes the items that `goes` selects.
    pub(crate) fn without(&self, goes: impl Fn(&TestItem) -> bool) -> InventoryDelta {
        InventoryDelta { removed: self.roots_of(goes), errors: self.errors.clone(), ..InventoryDelta::default() }
    }

    fn child_ids(&self, parent: &str) -> Vec<&str> {
        self.children.get(parent).into_iter().flatten().map(|id| &**id).collect()
    }

    /// The delta from this tree to these items.
    fn difference(&self, items: Vec<Arc<TestItem>>) -> InventoryDelta {
        if self.items.is_empty() {
            return InventoryDelta { upserts: items, errors: self.errors.clone(), ..InventoryDelta::default() };
        }
        let wanted: HashSet<&str> = items.iter().map(|item| &*item.id).collect();
        let removed = self.roots_of(|item| !wanted.contains(&*item.id));
        let order = Siblings::out_of_order(&items, |parent| self.child_ids(parent));
        let upserts = items.into_iter().filter(|item| self.items.get(&item.id) != Some(item)).collect();
        InventoryDelta { upserts, removed, order, errors: self.errors.clone(), ..InventoryDelta::default() }
    }

    /// Replaces the provisional items of one file. Items that pytest has collected stay.
    pub(crate) fn replace_provisional(&mut self, file: &str, items: Vec<Arc<TestItem>>) -> InventoryDelta {
        let wanted: HashSet<&str> = items.iter().map(|item| &*item.id).collect();
        let goes = |item: &&&Arc<TestItem>| item.provisional && !wanted.contains(&*item.id);
        let within = self.within(file);
        let going: Vec<&str> = within.iter().filter(goes).map(|item| &*item.id).collect();
        let gone: HashSet<&str> = going.iter().copied().collect();
        let stays_above = |id: &&&str| {
            let parent = self.items.get(**id).and_then(|item| item.parent.as_deref());
            parent.is_none_or(|parent| !gone.contains(parent))
        };
        let removed: Vec<String> = match self.items.get(file) {
            Some(own) if own.provisional && wanted.is_empty() => vec![self.without_others(file).to_owned()],
            _ => going.iter().filter(stays_above).map(|id| (*id).to_owned()).collect(),
        };
        let upserts =
            items.into_iter().filter(|item| self.items.get(&item.id).is_none_or(|old| old.provisional && old != item));
        let upserts = upserts.collect();
        self.own_delta(upserts, removed)
    }

    /// The outermost folder that contains nothing but this item, or the item.
    fn without_others<'a>(&'a self, id: &'a str) -> &'a str {
        let mut outermost = id;
        while let Some(parent) = self.items.get(outermost).and_then(|item| item.parent.as_ref())
            && self.items.get(parent).is_some_and(|above| above.kind == ItemKind::Dir)
            && self.children.get(parent).is_some_and(|children| children.len() == 1)
        {
            outermost = parent;
        }
        outermost
    }

    fn own_delta(&mut self, upserts: Vec<Arc<TestItem>>, removed: Vec<String>) -> InventoryDelta {
        let delta = InventoryDelta { upserts, removed, errors: self.errors.clone(), ..InventoryDelta::default() };
        self.take(delta.clone());
        delta
    }

    /// Matching ids whose parent does not match.
    fn roots_of(&self, matches: impl Fn(&TestItem) -> bool) -> Vec<String> {
        let matching: BTreeSet<&str> = self.items.values().filter(|item| matches(item)).map(|item| &*item.id).collect();
        let is_root = |id: &&&str| {
            let parent = self.items.get(**id).and_then(|item| item.parent.as_deref());
            parent.is_none_or(|parent| !matching.contains(parent))
        };
        matching.iter().filter(is_root).map(|id| (*id).to_owned()).collect()
    }

    /// The number of items.
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// Ids of the files.
    pub(crate) fn files(&self) -> impl Iterator<Item = &str> {
        self.items.values().filter(|item| item.kind == ItemKind::File).map(|item| &*item.id)
    }

    /// The inventory's errors.
    pub(crate) fn errors(&self) -> &[CollectError] {
        &self.errors
    }

    /// Returns an item by its id.
    pub(crate) fn item(&self, id: &str) -> Option<&TestItem> {
        self.items.get(id).map(|item| &**item)
    }

    /// The direct children of an item, or the top level.
    pub(crate) fn children(&self, parent: Option<&str>) -> Vec<&Arc<TestItem>> {
        let ids = self.children.get(parent.unwrap_or(TOP));
        ids.into_iter().flatten().filter_map(|id| self.items.get(id)).collect()
    }

    /// The whole tree, parents before children.
    pub(crate) fn preorder(&self) -> Vec<&Arc<TestItem>> {
        self.within(TOP)
    }

    /// The classes and functions of a file that pytest has collected, without the cases of parametrized ones.
    pub(crate) fn confirmed_tests(&self, file: &str) -> Vec<&TestItem> {
        let mut found = Vec::new();
        let children = |id: &str| self.children.get(id).into_iter().flatten().rev();
        let mut left: Vec<&Arc<str>> = children(file).collect();
        while let Some(item) = left.pop().and_then(|id| self.item(id)) {
            if item.kind == ItemKind::Class {
                left.extend(children(&item.id));
            }
            if matches!(item.kind, ItemKind::Class | ItemKind::Function) && !item.provisional {
                found.push(item);
            }
        }
        found
    }

    /// All items within an item, parents before children.
    pub(crate) fn within(&self, id: &str) -> Vec<&Arc<TestItem>> {
        let mut found = Vec::new();
        let mut left: Vec<&Arc<str>> = self.children.get(id).into_iter().flatten().rev().collect();
        while let Some(id) = left.pop() {
            found.extend(self.items.get(id));
            left.extend(self.children.get(id).into_iter().flatten().rev());
        }
        found
    }

    /// The last result of exactly this test.
    pub(crate) fn result(&self, id: &str) -> Option<&TestOutcome> {
        self.results.get(id)
    }

    /// Results of an item and of all items within, ordered by id.
    pub(crate) fn results_within<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a TestOutcome> {
        within(&self.results, id)
    }

    /// Whether the last outcome of exactly this test is older than a change that can reach it.
    pub(crate) fn is_stale(&self, id: &str) -> bool {
        self.stale.contains(id)
    }

    /// Whether it, or an item within it, is running.
    pub(crate) fn is_running(&self, id: &str) -> bool {
        within(&self.running, id).next().is_some()
    }

    /// The flakiness of an item and of all items within.
    pub(crate) fn hints_within<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Hint> {
        within(&self.hints, id).filter(|hint| self.items.contains_key(hint.id.as_str()))
    }

    /// Ids of the tests whose last outcome is a failure.
    pub(crate) fn failed(&self) -> Vec<String> {
        self.results.values().filter(|result| is_failure(&result.outcome)).map(|result| result.id.clone()).collect()
    }

    /// The runs in progress.
    pub(crate) fn runs(&self) -> &BTreeMap<String, RunView> {
        &self.runs
    }

    /// The ids of the last run: `None` before the first run, empty for all tests.
    pub(crate) fn last_run(&self) -> Option<&Vec<String>> {
        self.last_run.as_ref()
    }

    /// The files of a run that skip themselves as a whole, if it is the last one.
    pub(crate) fn skipped_files(&self, run: &str) -> &[FileSkip] {
        let (last, files) = &self.skipped_files;
        if last == run { files } else { &[] }
    }

    /// Whether pytest has collected a file.
    pub(crate) fn is_confirmed(&self, file: &str) -> bool {
        self.items.get(file).is_some_and(|item| !item.provisional)
    }
}

/// Entries of an id and of the ids within it: its cases, its class's or file's tests, its folder's files.
fn within<'a, V>(map: &'a BTreeMap<String, V>, id: &'a str) -> impl Iterator<Item = &'a V> {
    let own = map.get(id).into_iter();
    // Most ids are those of tests with nothing within, and a file has hundreds of them.
    let next = map.range::<str, _>((Bound::Excluded(id), Bound::Unbounded)).next();
    let joints = next.filter(|(key, _)| key.starts_with(id)).map(|_| ["/", "::", "["]);
    let below = joints.into_iter().flatten().flat_map(move |joint| {
        let prefix = format!("{id}{joint}");
        let from = map.range::<str, _>((Bound::Included(prefix.as_str()), Bound::Unbounded));
        from.take_while(move |(key, _)| key.starts_with(&prefix)).map(|(_, value)| value)
    });
    own.chain(below)
}

#[cfg(test)]
mod tests;
