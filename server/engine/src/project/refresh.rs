//! Keeps the inventory up to date: finds the changes since files were last read, and collects only the tests that they
//! can affect.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::model::import_graph::{Affected, ImportGraph, relative};
use crate::model::scope::Scope;
use crate::processes::collected_session::{CollectFailure, CollectedSession};
use crate::processes::disk_snapshot::{Changes, Snapshot};
use crate::processes::pool::Found;
use crate::processes::project_files;
use crate::processes::worker_protocol::Purpose;
use crate::project::Project;
use crate::project::known_disk::KnownDisk;
use crate::project::recorder::Command;
use crate::project::watcher::{Hint, Noted, Watch};
use crate::timing::REFRESH_DELAY_LIMIT;
use pytest_lens_analysis::listing::NestedProject;
use pytest_lens_analysis::{is_config_file, is_settings_file};

/// Above this number of files, collecting the whole project is faster.
const MANY: usize = 200;

/// How often a refresh looks again, if runs collect the whole project at the same time.
const ATTEMPTS: usize = 3;

#[derive(Default)]
pub(crate) struct Refresher {
    known: Mutex<KnownDisk>,
    /// Serializes refreshes.
    busy: tokio::sync::Mutex<()>,
    watch: Mutex<Option<Watch>>,
}

impl Refresher {
    /// The disk as the inventory knows it.
    pub(crate) fn known(&self) -> MutexGuard<'_, KnownDisk> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn close(&self) {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Whether the disk is watched.
    pub(crate) fn is_watching(&self) -> bool {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Starts watching the disk, once.
    pub(crate) fn watch(&self, project: &Arc<Project>) {
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        if watch.is_none() {
            let (notes, looks) = (Arc::downgrade(project), Arc::downgrade(project));
            let note = move |noted| note(&notes, noted);
            *watch = Some(Watch::start(project.state.root.clone(), note, move |hint| look(looks.clone(), hint)));
        }
    }
}

/// Publishes an observation of the watcher.
fn note(project: &Weak<Project>, noted: Noted) {
    let Some(project) = project.upgrade() else { return };
    let changes = &project.state.changes;
    match noted {
        Noted::Begun => changes.begin(),
        Noted::Failed => changes.fail(),
        Noted::Lost => changes.lose(),
        Noted::Changed(paths) => changes.add(paths),
    }
}

/// Refreshes after a change of the disk, or for changes before the disk was watched. Returns whether the project is still
/// open.
async fn look(project: Weak<Project>, hint: Hint) -> bool {
    let Some(project) = project.upgrade() else { return false };
    look_into(&project, &hint).await;
    true
}

/// The same, for a project and its nested ones, which are watched together.
async fn look_into(project: &Arc<Project>, hint: &Hint) {
    if let Hint::Changed(paths) = hint
        && paths.iter().any(|path| may_make_projects(project, path))
    {
        project.renew_nested().await;
    }
    for member in project.members.list().iter() {
        if concerns(&member.project, hint) {
            Box::pin(look_into(&member.project, hint)).await;
        }
    }
    let is_own = |path: &PathBuf| {
        let inside = path.strip_prefix(&project.state.root).ok().and_then(Path::to_str).unwrap_or_default();
        project.state.pytest.load().nested.of(inside).is_none()
    };
    if matches!(hint, Hint::Changed(paths) if !paths.iter().any(is_own)) {
        return;
    }
    refresh_after(project, hint).await;
    project.review_outcomes().await;
}

/// Refreshes after a change, if the project is collected.
async fn refresh_after(project: &Arc<Project>, hint: &Hint) {
    // A client that only reads events has not requested a collection.
    let is_collected = match project.outer {
        Some(_) => project.state.inventory.load().complete,
        None => *hint != Hint::Watching || project.refresher.known().is_complete(),
    };
    if !is_collected {
        return;
    }
    refresh_in_pause(project).await;
}

/// Brings the inventory up to date for nobody in particular. It waits without the lock, so that a client that asks
/// meanwhile does not wait for the pause.
pub(crate) async fn refresh_in_pause(project: &Arc<Project>) {
    project.wait_for_pause().await;
    if let Err(failure) = refresh(project, false, Purpose::Unasked).await {
        tracing::info!(%failure, "a change could not be collected");
    }
}

/// Whether a change of a path may make a folder a nested project, or make it none.
fn may_make_projects(project: &Project, path: &Path) -> bool {
    let is_named = path.file_name().is_some_and(|name| is_config_file(name) || is_settings_file(name));
    let inside = path.strip_prefix(&project.state.root).ok().and_then(Path::to_str).unwrap_or_default();
    let pytest = project.state.pytest.load();
    let has_new_tests = || pytest.nested.of(inside).is_some_and(|(nested, _)| nested.by_default.is_none());
    let is_gone = || {
        let below = |nested: &NestedProject| nested.path == inside || Path::new(&nested.path).starts_with(inside);
        pytest.nested.projects.iter().any(below) && !path.exists()
    };
    is_named || path.is_dir() || has_new_tests() || is_gone()
}

/// Whether a hint may be about a nested project: a file in it, or one that its tests have read.
fn concerns(project: &Project, hint: &Hint) -> bool {
    let Hint::Changed(paths) = hint else { return true };
    paths.iter().any(|path| path.starts_with(&project.state.root)) || project.refresher.known().has_read(paths)
}

/// Brings the inventory up to date. `force`: collects everything, changed or not.
///
/// If the purpose allows no effects and collecting would have some, the inventory stays as it is.
pub(crate) async fn refresh(project: &Arc<Project>, force: bool, purpose: Purpose) -> Result<(), CollectFailure> {
    match bring_up_to_date(project, force, purpose).await {
        Err(CollectFailure::OnlyWhenAsked { .. }) => Ok(()),
        other => other,
    }
}

async fn bring_up_to_date(project: &Arc<Project>, force: bool, purpose: Purpose) -> Result<(), CollectFailure> {
    let _one = project.refresher.busy.lock().await;
    for _ in 0..ATTEMPTS {
        if look_once(project, force, purpose).await? {
            break;
        }
    }
    Ok(())
}

/// Compares with the disk, and collects what changed. Returns false if the whole project was collected meanwhile: then
/// what came between is not compared yet.
async fn look_once(project: &Arc<Project>, force: bool, purpose: Purpose) -> Result<bool, CollectFailure> {
    let known = project.refresher.known().whole();
    let Some((mut whole, version)) = known.filter(|_| !force) else {
        let scope = Scope::All;
        let found = if force {
            project.collect(&scope, purpose).await
        } else {
            project.session_for(&scope, &[], purpose).await
        }?;
        spawn_get_ready(project, found.collected);
        return Ok(true);
    };
    project.state.wait_idle(REFRESH_DELAY_LIMIT).await;
    let other_arguments = project.renew_settings().await;
    let ground_changed = other_arguments | project.renew_env().0 | project.renew_interpreter(false).await;
    forget_missing(project).await;
    let base = project.pool.newest_session().map(|collected| Arc::clone(&collected.base));
    let (parts, has_failed) = {
        let mut known = project.refresher.known();
        (known.take_parts(), known.has_failed())
    };
    let compared = {
        let mut parts = parts.clone();
        tokio::task::spawn_blocking(move || {
            let mut changes = whole.changes();
            changes.add(parts.changes());
            // Everything depends on the interpreter and its installed packages.
            let ground_changed = ground_changed || base.is_some_and(|base| !base.is_unchanged());
            whole.absorb(&parts);
            (whole, changes, ground_changed)
        })
    };
    let changed = match compared.await {
        Ok((known, changes, is_other_ground)) if is_other_ground || !changes.is_empty() => {
            collect_changed(project, known, changes, is_other_ground, purpose).await
        }
        // An edit that could not be collected was undone.
        Ok((known, changes, _)) if has_failed => collect_changed(project, known, changes, true, purpose).await,
        _ => {
            project.refresher.known().give_back(parts);
            return Ok(true);
        }
    };
    let refreshed = changed.map(|known| match known {
        Some(known) => project.refresher.known().refreshed(known, version),
        // Its own collection is the newest.
        None => true,
    });
    if !matches!(refreshed, Ok(true)) {
        project.refresher.known().give_back(parts);
    }
    refreshed
}

/// Collects what these changes affect. `known`: the disk as the inventory knew it before. Returns the disk as the inventory
/// knows it now, or nothing if the whole project was collected.
async fn collect_changed(
    project: &Arc<Project>,
    mut known: Snapshot,
    changes: Changes,
    ground_changed: bool,
    purpose: Purpose,
) -> Result<Option<Snapshot>, CollectFailure> {
    let is_config = |path: &PathBuf| path.file_name().is_some_and(is_config_file);
    let is_regrouped = changes.all().any(is_config) && project.renew_nested().await;
    project.pool.residents.review(&project.state.pytest.load_full()).await;
    let planned = if ground_changed || is_regrouped { None } else { plan(project, &known, &changes).await };
    let Some((targets, mut gone)) = planned else {
        let found = project.session_for(&Scope::All, &[], purpose).await?;
        spawn_get_ready(project, found.collected);
        return Ok(None);
    };
    // A run may have collected one that has come back.
    gone.retain(|path| !project.state.root.join(path).exists());
    forget(project, gone).await;
    known.accept(changes);
    if !targets.is_empty() {
        let Found { collected, .. } = project.session_for(&Scope::Paths(targets), &[], purpose).await?;
        // A change after the comparison is new to the next one, though this session may have read it.
        known.add_new(collected.snapshot());
        spawn_get_ready(project, collected);
    }
    Ok(Some(known))
}

/// Removes the tests and errors of sources that are gone. A comparison shows that a file went, but not one that came and
/// went around a collection, which then may have left an error of it.
async fn forget_missing(project: &Arc<Project>) {
    let state = Arc::clone(&project.state);
    let missing = move || state.inventory.load().missing_sources(&state.root);
    forget(project, tokio::task::spawn_blocking(missing).await.unwrap_or_default()).await;
}

async fn forget(project: &Project, files: HashSet<String>) {
    if !files.is_empty() {
        project.record_and_wait(|done| Command::Gone { files, done }).await;
    }
}

fn spawn_get_ready(project: &Arc<Project>, collected: Arc<CollectedSession>) {
    let project = Arc::clone(project);
    tokio::spawn(async move { project.get_ready(&collected).await });
}

/// The test files to collect, and the deleted ones; `None` to collect everything.
async fn plan(
    project: &Arc<Project>,
    known: &Snapshot,
    changes: &Changes,
) -> Option<(BTreeSet<String>, HashSet<String>)> {
    let project = Arc::clone(project);
    let paths: Vec<PathBuf> = known.files().map(Path::to_owned).collect();
    // Only conftests that pytest looks for by itself concern known tests.
    if changes.asked_for().any(|path| path.file_name().is_none_or(|name| name != "conftest.py")) {
        return None;
    }
    let changed: BTreeSet<PathBuf> = changes.all().cloned().collect();
    tokio::task::spawn_blocking(move || plan_blocking(&project, &paths, &changed)).await.ok().flatten()
}

fn plan_blocking(
    project: &Project,
    paths: &[PathBuf],
    changed: &BTreeSet<PathBuf>,
) -> Option<(BTreeSet<String>, HashSet<String>)> {
    let (root, pytest) = (&project.state.root, project.state.pytest.load_full());
    let mut gone = HashSet::new();
    let mut present = Vec::new();
    for path in changed {
        // The importers of a file outside of the root are unknown.
        let inside = relative(root, path)?;
        if path.is_dir() {
            present.extend(project_files::sources(root, path).filter(|path| pytest.is_test_file(Path::new(path))));
        } else if path.exists() {
            // A new file that is no source can't affect tests that were collected without it.
            let was_read = paths.contains(path);
            if was_read || inside.ends_with(".py") {
                present.push(inside);
            }
        } else {
            let inventory = project.state.inventory.load();
            gone.extend(inventory.files_within(&inside));
            present.push(inside);
        }
    }
    let own = paths.iter().filter_map(|path| relative(root, path)).filter(|path| path.ends_with(".py"));
    let files: HashMap<_, _> = own
        .chain(present.iter().filter(|path| path.ends_with(".py")).cloned())
        .filter_map(|path| project.state.analyses.of(&root.join(&path), &pytest).map(|analysis| (path, analysis)))
        .collect();
    let is_test = |path: &Path| pytest.is_test_file(path);
    // Nobody knows which tests there are in a package that could not be collected.
    if project.state.inventory.load().errors.keys().any(|path| !is_test(Path::new(&**path))) {
        return None;
    }
    let new_or_gone = |path: &String| gone.contains(path) || !root.join(path).exists();
    let is_new = |path: &str| !paths.contains(&root.join(path));
    let Affected::Files(mut reached) = ImportGraph::new(files).affected(&present, &is_new, &is_test) else {
        return None;
    };
    // Files that did not import before may do so now.
    reached.extend(project.state.inventory.load().errors.keys().map(|path| path.to_string()));
    reached.retain(|path| !new_or_gone(path) && pytest.is_test_file(Path::new(path)));
    (reached.len() <= MANY).then_some((reached, gone))
}
