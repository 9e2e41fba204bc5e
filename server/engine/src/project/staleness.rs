//! Finds the tests whose last outcome is older than a change that can reach them.
//!
//! It looks after changes on disk, when nothing else goes on, and only at tests that have an outcome. If it can't be
//! known, an outcome is stale.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pytest_lens_history::{InputKind, Run};
use pytest_lens_plan::outcome::Outcome;
use pytest_lens_protocol::{NodeId, StaleOutcomes};

use crate::clock::now_ms;
use crate::model::impact::Impact;
use crate::model::test_inputs::Why;
use crate::model::versions::{Differences, RunCode, Versions, began_at};
use crate::project::Project;
use crate::project::reach::Reach;
use crate::project::recorder::Command;
use crate::project::test_records::{Judged, Reason};

/// Stale tests, with the time of the run of their outcome in milliseconds since 1970.
pub(crate) type Stale = HashMap<Arc<str>, u64>;

/// Replaces the known stale tests; returns the differences.
pub(crate) fn replace(known: &mut HashSet<Arc<str>>, present: HashSet<Arc<str>>) -> Option<StaleOutcomes> {
    let ids = |one: &HashSet<Arc<str>>, other: &HashSet<Arc<str>>| {
        let mut ids: Vec<String> = one.difference(other).map(|id| id.to_string()).collect();
        ids.sort_unstable();
        ids
    };
    let news = StaleOutcomes { stale: ids(&present, known), fresh: ids(known, &present) };
    *known = present;
    (news != StaleOutcomes::default()).then_some(news)
}

#[derive(Default)]
pub(crate) struct Staleness {
    versions: Mutex<Versions>,
    /// A client shows outcomes of earlier runs.
    is_asked_for: AtomicBool,
    /// Serializes reviews.
    busy: tokio::sync::Mutex<()>,
    /// Tests had new outcomes during the last review, of runs that were not over.
    is_partial: AtomicBool,
    /// The beginnings of runs of other processes, whose code is not noted yet.
    elsewhere: Mutex<Vec<u64>>,
}

impl Staleness {
    fn versions(&self) -> MutexGuard<'_, Versions> {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the code of a run, by its beginning in milliseconds since 1970.
    pub(crate) fn ran(&self, run_ms: u64, code: &RunCode, root: &Path) {
        self.versions().note(run_ms, code, root);
    }

    /// Other processes have recorded runs.
    pub(crate) fn ran_elsewhere(&self, runs: &[Arc<Run>]) {
        let mut elsewhere = self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner);
        elsewhere.extend(runs.iter().map(|run| run.started_ms));
    }

    fn take_elsewhere(&self) -> Vec<u64> {
        std::mem::take(&mut self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Project {
    /// Finds the stale outcomes from now on, if a client reads events.
    pub(crate) async fn show_stale_outcomes(self: &Arc<Self>) {
        if self.refresher.is_watching() || self.outer.is_some() {
            self.staleness.is_asked_for.store(true, Ordering::Relaxed);
            self.review_outcomes().await;
        }
    }

    /// After the end of a run whose outcomes a review could not judge.
    pub(crate) async fn review_rest(self: &Arc<Self>) {
        if self.staleness.is_partial.swap(false, Ordering::Relaxed) {
            self.review_outcomes().await;
        }
    }

    /// Compares the tests' last outcomes with the disk. Returns when clients know the stale ones.
    pub(crate) async fn review_outcomes(self: &Arc<Self>) {
        if !self.staleness.is_asked_for.load(Ordering::Relaxed) {
            return;
        }
        let _one = self.staleness.busy.lock().await;
        self.wait_for_pause().await;
        self.ended_runs_recorded().await;
        let project = Arc::clone(self);
        let Ok(stale) = tokio::task::spawn_blocking(move || stale(&project)).await else { return };
        let is_whole = self.record_and_wait(|done| Command::Stale { stale, done }).await.unwrap_or(true);
        self.staleness.is_partial.fetch_or(!is_whole, Ordering::Relaxed);
    }

    /// The last outcomes that are passes and not stale: the time of the run of each, in milliseconds since 1970.
    pub(crate) async fn present_passes(self: &Arc<Self>) -> HashMap<Arc<str>, u64> {
        let _one = self.staleness.busy.lock().await;
        self.ended_runs_recorded().await;
        let project = Arc::clone(self);
        let find = move || {
            let passes = project.state.history.last_outcomes();
            let passes = passes.into_iter().filter(|last| last.attempt.outcome == Outcome::Passed);
            let mut passes: HashMap<Arc<str>, u64> = passes.map(|last| (last.attempt.id, last.started_ms)).collect();
            let mut tests: BTreeMap<u64, Vec<Arc<str>>> = BTreeMap::new();
            for (id, at) in &passes {
                tests.entry(*at).or_default().push(Arc::clone(id));
            }
            let stale = stale_of(&project, tests);
            passes.retain(|id, _| !stale.contains_key(id));
            passes
        };
        tokio::task::spawn_blocking(find).await.unwrap_or_default()
    }
}

/// The stale ones of a project's tests. Blocks.
fn stale(project: &Project) -> Stale {
    let inventory = project.state.inventory.load();
    let known: HashSet<&str> = inventory.nodes().map(|node| &*node.id).collect();
    let mut tests: BTreeMap<u64, Vec<Arc<str>>> = BTreeMap::new();
    for last in project.state.history.last_outcomes() {
        if known.contains(&*last.attempt.id) {
            tests.entry(last.started_ms).or_default().push(last.attempt.id);
        }
    }
    stale_of(project, tests)
}

/// The stale ones among tests, by the time of the run of their outcome. Blocks.
fn stale_of(project: &Project, tests: BTreeMap<u64, Vec<Arc<str>>>) -> Stale {
    let elsewhere = project.staleness.take_elsewhere();
    let root = &project.state.root;
    let present = project.fingerprints.code(root, b"");
    let (changed, seen) = {
        let mut versions = project.staleness.versions();
        versions.begin(now_ms(), &present);
        for run_ms in elsewhere {
            let code = RunCode { began: began_at(run_ms), code: present.clone(), changed: BTreeSet::new() };
            versions.note(run_ms, &code, root);
        }
        let exists = |path: &&PathBuf| root.join(path).exists();
        let written = versions.missing(&present).filter(exists).cloned().collect();
        let changed = versions.changed_since(tests.keys().copied(), &present, &written);
        let seen: HashSet<u64> = tests.keys().copied().filter(|at| versions.is_noted(*at)).collect();
        (changed, seen)
    };
    judge(project, tests, &changed, &seen)
}

/// The stale ones among tests, by the time of the run of their outcome. `changed`: the files that differ from those of the
/// run; `seen`: runs that this engine has seen.
fn judge(
    project: &Project,
    tests: BTreeMap<u64, Vec<Arc<str>>>,
    changed: &BTreeMap<u64, Differences>,
    seen: &HashSet<u64>,
) -> Stale {
    let mut stale = Stale::new();
    let is_same = changed.values().all(|files| files.as_ref().is_some_and(|files| files.is_empty()));
    let has_records = || project.state.history.inputs().read().is_ok_and(|all| !all.tests.is_empty());
    if is_same && !has_records() {
        return stale;
    }
    let all: BTreeSet<&String> = changed.values().flatten().flat_map(|files| files.iter()).collect();
    let reach = Reach::new(project, all.iter().copied());
    let judged = reach.judged();
    let by_record: HashMap<&str, &Judged> = judged.iter().map(|judged| (judged.id.as_str(), judged)).collect();
    let mut reached: HashMap<(&BTreeSet<String>, bool), BTreeSet<String>> = HashMap::new();
    for (at, ids) in tests {
        let files = changed.get(&at).and_then(Option::as_deref);
        let is_seen = seen.contains(&at);
        let reached = files.map(|files| {
            &*reached.entry((files, is_seen)).or_insert_with(|| reached_by(&reach, judged.clone(), files, is_seen))
        });
        let is_stale = |id: &Arc<str>| {
            let is_reached =
                reached.is_none_or(|reached| reached.contains(&**id) || reached.contains(NodeId::new(id).file()));
            let record = by_record.get(&**id).filter(|judged| judged.at_ms >= at);
            is_reached || record.is_some_and(|judged| shows_change(judged))
        };
        stale.extend(ids.into_iter().filter(is_stale).map(|id| (id, at)));
    }
    stale
}

/// The test files that a change of these files reaches, or tests, if not all of a file. `is_seen`: the engine has seen the
/// tests read their files.
fn reached_by(reach: &Reach<'_>, judged: Vec<Judged>, changed: &BTreeSet<String>, is_seen: bool) -> BTreeSet<String> {
    let changed = reach.by_all_names(changed.iter().cloned());
    let files = if is_seen {
        reach.of_change(&changed.iter().cloned().collect::<Vec<_>>())
    } else {
        let Impact { everything, files } = reach.of_past_change(&changed);
        if everything.is_empty() { files.into_keys().collect() } else { reach.tests().clone() }
    };
    reach.narrowed(files, &reach.trusted(judged, &changed), &changed)
}

/// Whether a record shows a change that the project's files don't: of variables, packages, or sources that git ignores.
fn shows_change(judged: &Judged) -> bool {
    judged.why.iter().any(|why| match why {
        Reason::Input(Why::Environment | Why::Configuration(_) | Why::Lines(_)) => true,
        Reason::Input(Why::Changed(input)) => matches!(input.kind, InputKind::Function | InputKind::Variable),
        _ => false,
    })
}
