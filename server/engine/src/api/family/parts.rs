//! A run over several projects: each part is planned in its own project, a few at a time, and runs once that is done.
//!
//! The run begins when its first parts are planned, with which most such runs are complete. Of a run over more projects,
//! the start is reported again as its parts become known: only a few projects have processes at a time.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use pytest_lens_protocol::{CollectError, ErrorCode, FileSkip, RunStart};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use url::Url;

use super::junit::{self, MissingCase};
use super::run::{Leaf, no_tests, of_leaf, refusal_of};
use super::split::PartArguments;
use crate::api::run::{enter, gone, handle, prepare};
use crate::api_error::Refusal;
use crate::engine::Shared;
use crate::idle_projects::{self, WARM};
use crate::model::import_graph::relative;
use crate::model::prefix::Prefix;
use crate::model::verbosity;
use crate::project::Project;
use crate::project::plan_run::RunRequest;
use crate::project::recorder::Command;
use crate::runs::joint::{JointLease, JointPart, JointRun};
use crate::runs::plan::RunPlan;

/// How many projects are collected at a time.
pub(super) fn side_by_side_plans(shared: &Shared) -> usize {
    // One process at a time has the user's terminal.
    if shared.config.terminal {
        return 1;
    }
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(WARM)
}

/// How many parts run at a time, and the number of runners of each. Several at a time need permission, as several
/// runners of one project do: tests may share a port or a file.
fn side_by_side(request: &RunRequest, parts: usize) -> (usize, Option<u32>) {
    let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let allowed = match request.workers {
        Some(workers) => workers as usize,
        None if request.options.auto_workers => cores(),
        None => return (1, None),
    };
    let at_a_time = allowed.clamp(1, parts.max(1));
    let each = request.workers.map(|workers| (workers / u32::try_from(at_a_time).unwrap_or(1)).max(1));
    (at_a_time, each)
}

/// A run whose parts are being planned and carried out.
struct Work {
    shared: Arc<Shared>,
    outer: Arc<Project>,
    run: Arc<JointRun>,
    request: RunRequest,
    makes_report: bool,
    /// The processes of its projects stay for the next run.
    stays_warm: bool,
    /// Parts that have processes, from their collection to the end of their run.
    with_processes: Semaphore,
    collecting: Semaphore,
    running: Arc<Semaphore>,
    /// Number of parts to plan before the run begins. A mistake in the request that one of them shows refuses it.
    first: usize,
    failures: Arc<AtomicU32>,
}

/// A project's part of the request.
struct Wanted {
    place: usize,
    leaf: Leaf,
    arguments: PartArguments,
}

/// The result of planning a part.
enum Found {
    Planned(Planned),
    Refused(usize, Refusal),
    /// The run was to end before.
    LeftOut,
}

/// A planned part; `part` is missing if none of its tests is selected.
struct Planned {
    place: usize,
    part: Option<(JointPart, Begins)>,
    ids: Vec<String>,
    deselected: usize,
    problems: Vec<String>,
    errors: Vec<CollectError>,
    collect_reports: Vec<String>,
    skipped_files: Vec<FileSkip>,
    /// All tests of its project are selected.
    is_whole: bool,
}

/// Starts a part: it has its turn until it drops this.
type Begins = oneshot::Sender<OwnedSemaphorePermit>;

/// The JUnit report of a part: its place, its project's folder, the file.
type Report = (usize, String, PathBuf);

/// Begins a run. `report`: the JUnit report that it is to make.
pub(super) async fn begin(
    shared: &Arc<Shared>,
    outer: &Arc<Project>,
    request: RunRequest,
    wanted: Vec<(Leaf, PartArguments)>,
    report: Option<PathBuf>,
) -> Result<(JointLease, usize), Refusal> {
    let has_terminal = shared.config.terminal;
    let (running, each) = if has_terminal { (1, None) } else { side_by_side(&request, wanted.len()) };
    // A process that waits must not have the terminal while tests of another one use it.
    let first = if has_terminal { 1 } else { WARM.min(wanted.len()) };
    let run = Arc::new(JointRun::new(handle(shared, "").suite_log.id.clone()));
    if let Some(report) = &report {
        run.set_junit(report.clone());
    }
    let lease = JointLease::of(&run);
    let work = Work {
        shared: Arc::clone(shared),
        outer: Arc::clone(outer),
        run,
        request: RunRequest { workers: each.or(request.workers), ..request },
        makes_report: report.is_some(),
        stays_warm: wanted.len() <= WARM,
        with_processes: Semaphore::new(first.max(running)),
        collecting: Semaphore::new(side_by_side_plans(shared)),
        running: Arc::new(Semaphore::new(running)),
        first,
        failures: Arc::default(),
    };
    let (begun_tx, begun) = oneshot::channel();
    let wanted = wanted.into_iter().enumerate();
    let wanted = wanted.map(|(place, (leaf, arguments))| Wanted { place, leaf, arguments }).collect();
    tokio::spawn(carry_out(Arc::new(work), wanted, report, begun_tx));
    let total = begun.await.unwrap_or_else(|_| Err(gone()))?;
    Ok((lease, total))
}

async fn carry_out(
    work: Arc<Work>,
    wanted: Vec<Wanted>,
    report: Option<PathBuf>,
    begun: oneshot::Sender<Result<usize, Refusal>>,
) {
    let (found_tx, mut found) = mpsc::unbounded_channel();
    let count = wanted.len();
    let mut parts = JoinSet::new();
    for wanted in wanted {
        parts.spawn(Arc::clone(&work).part(wanted, found_tx.clone()));
    }
    drop(found_tx);
    let (turns, waiting) = mpsc::unbounded_channel();
    tokio::spawn(give_turns(Arc::clone(&work.running), waiting));
    let mut begun = Some(begun);
    let (mut known, mut new, mut refused) = (0, Vec::new(), None);
    let mut start = RunStart { run_id: work.run.id.clone(), total: 0, ids: None, deselected: 0, ..RunStart::default() };
    let (mut is_whole, mut errors) = (true, Vec::new());
    // Those of parts for which pytest writes no report.
    let mut unreported = Vec::new();
    // Ends when all parts have.
    while let Some(found) = found.recv().await {
        known += 1;
        match found {
            Found::Planned(planned) => new.push(planned),
            Found::LeftOut => {}
            Found::Refused(place, refusal) => {
                if refusal.code == ErrorCode::InvalidRequest
                    && let Some(begun) = begun.take()
                {
                    // Planned parts are dropped.
                    return drop(begun.send(Err(refusal)));
                }
                work.run.add_problem(place, refusal.to_string());
                match refusal.errors.as_slice() {
                    [] => unreported.push(MissingCase { name: String::new(), text: refusal.message.clone() }),
                    errors => unreported.extend(errors.iter().map(|error| missing_case(&work.outer, error))),
                }
                errors.extend(refusal.errors.iter().cloned());
                refused.get_or_insert(refusal);
            }
        }
        if begun.is_some() {
            let has_tests = new.iter().any(|planned| planned.part.is_some());
            if known < count && (known < work.first || !has_tests) {
                continue;
            }
            if new.is_empty() {
                let refusal = refused.unwrap_or_else(no_tests);
                return drop(begun.map(|begun| begun.send(Err(refusal))));
            }
            is_whole = is_everything(&work.request, known == count) && refused.is_none();
            is_whole &= new.iter().all(|planned| planned.is_whole);
        }
        let mut starting = Vec::new();
        let (mut ids, mut collect_reports, mut skipped_files) = (Vec::new(), Vec::new(), Vec::new());
        let mut parts = Vec::new();
        new.sort_by_key(|planned| planned.place);
        for planned in new.drain(..) {
            planned.problems.into_iter().for_each(|problem| work.run.add_problem(planned.place, problem));
            start.total += planned.ids.len();
            start.deselected += planned.deselected;
            if planned.part.is_none() {
                unreported.extend(planned.errors.iter().map(|error| missing_case(&work.outer, error)));
            }
            ids.extend(planned.ids);
            errors.extend(planned.errors);
            collect_reports.extend(planned.collect_reports);
            skipped_files.extend(planned.skipped_files);
            if let Some((part, begins)) = planned.part {
                parts.push(part);
                starting.push(begins);
            }
        }
        if parts.is_empty() && errors.is_empty() && begun.is_none() {
            continue;
        }
        let (ids, errors) = ((!is_whole).then_some(ids), std::mem::take(&mut errors));
        let start = RunStart { ids, collect_reports, skipped_files, errors, ..start.clone() };
        let run = Arc::clone(&work.run);
        let total = start.total;
        if work.outer.record_and_wait(|done| Command::Join { run, parts, start, done }).await.is_none() {
            return;
        }
        for begins in starting {
            // The receiver lives as long as this sender.
            let _ = turns.send(begins);
        }
        begun.take().map(|begun| begun.send(Ok(total)));
    }
    if begun.is_some() {
        return;
    }
    work.run.parts_ended().await;
    if let Some(report) = report {
        let mut reports: Vec<Report> = parts.join_all().await.into_iter().flatten().collect();
        reports.sort_unstable();
        junit::write(report, reports.into_iter().map(|(_, path, file)| (path, file)).collect(), unreported).await;
    }
    work.outer.record(Command::JointEnded { run: Arc::clone(&work.run) });
}

/// An error of collection for the JUnit report, named as pytest names a file.
fn missing_case(outer: &Project, error: &CollectError) -> MissingCase {
    let path = Url::parse(&error.uri).ok().and_then(|uri| uri.to_file_path().ok());
    let name = path.and_then(|path| relative(&outer.state.root, &path)).unwrap_or_default();
    let name = name.strip_suffix(".py").unwrap_or(&name).replace('/', ".");
    MissingCase { name, text: error.longrepr.clone().unwrap_or_else(|| error.message.clone()) }
}

/// Lets parts run in their order, as many at a time as are allowed.
async fn give_turns(running: Arc<Semaphore>, mut waiting: mpsc::UnboundedReceiver<Begins>) {
    while let Some(begins) = waiting.recv().await {
        let Ok(turn) = Arc::clone(&running).acquire_owned().await else { return };
        // If its task has gone, the turn is free again.
        let _ = begins.send(turn);
    }
}

/// Whether a request selects all tests there are. If some projects are not known yet, its options must not select.
fn is_everything(request: &RunRequest, are_all_known: bool) -> bool {
    let options = &request.options;
    let is_filtered = options.keyword.is_some()
        || options.marker.is_some()
        || verbosity::without(&options.arguments).next().is_some();
    request.node_ids.is_empty() && (are_all_known || !is_filtered)
}

impl Work {
    /// Plans one part and runs it. Holds `found` until it has ended.
    async fn part(self: Arc<Self>, wanted: Wanted, found: mpsc::UnboundedSender<Found>) -> Option<Report> {
        let Wanted { place, leaf, mut arguments } = wanted;
        let _process = self.with_processes.acquire().await.ok()?;
        let junit = self.makes_report.then(|| junit::part_file(&leaf.project.pool.launcher.tmp_dir));
        junit.iter().for_each(|file| self.run.add_part_junit(file.clone()));
        arguments.arguments.extend(junit.as_ref().map(|file| format!("--junitxml={}", file.display())));
        let planned = tokio::select! {
            biased;
            () = self.ending() => None,
            planned = self.plan(&leaf, &arguments) => Some(planned),
        };
        let plan = match planned {
            Some(Ok(plan)) => plan,
            Some(Err(refusal)) => {
                let _ = found.send(Found::Refused(place, refusal_of(&leaf, refusal)));
                return None;
            }
            None => {
                self.run.leave_out(&leaf.path);
                let _ = found.send(Found::LeftOut);
                return None;
            }
        };
        let (begins_tx, begins) = oneshot::channel();
        let planned = planned_part(place, &leaf, &plan, begins_tx);
        let is_empty = planned.part.is_none();
        let _ = found.send(Found::Planned(planned));
        if is_empty {
            drop(plan);
            idle_projects::rest_now(&self.shared);
            return None;
        }
        // If the run does not begin, nobody sends.
        let _turn = begins.await.ok()?;
        let run_id = plan.run_id.clone();
        self.failures.fetch_add(plan.failures.load(Ordering::Relaxed), Ordering::Relaxed);
        let plan = RunPlan { failures: Arc::clone(&self.failures), stays_warm: self.stays_warm, ..plan };
        match enter(&leaf.project, plan).await {
            Ok((_, lease)) => {
                // A run that has begun belongs to nobody.
                if let Some(record) = lease.release() {
                    record.wait().await;
                }
            }
            Err(_) => self.run.drop_part(&run_id),
        }
        idle_projects::rest_now(&self.shared);
        junit.map(|file| (place, leaf.path, file))
    }

    async fn plan(&self, leaf: &Leaf, arguments: &PartArguments) -> Result<RunPlan, Refusal> {
        let _turn = self.collecting.acquire().await.map_err(|_| gone())?;
        let request = RunRequest { is_part: true, ..of_leaf(leaf, &self.request, arguments) };
        prepare(&self.shared, &leaf.project, request, &leaf.path).await
    }

    /// Waits until no more parts are to begin.
    async fn ending(&self) {
        let limit = if self.request.options.until_failure.is_some() { Some(1) } else { self.request.maxfail };
        let is_over = |limit: &u32| *limit > 0 && self.failures.load(Ordering::Relaxed) >= *limit;
        if limit.as_ref().is_none_or(|limit| !is_over(limit)) {
            self.run.stopping().await;
        }
    }
}

fn planned_part(place: usize, leaf: &Leaf, plan: &RunPlan, begins: Begins) -> Planned {
    let prefix = Prefix(&leaf.path);
    let total = plan.selected.len();
    let mut errors = plan.errors.clone();
    prefix.errors(&mut errors);
    let part = JointPart {
        place,
        path: leaf.path.clone(),
        context_id: leaf.project.id.clone(),
        run_id: plan.run_id.clone(),
        total,
        stop_tx: plan.stop_tx.clone(),
    };
    Planned {
        place,
        part: (total > 0).then_some((part, begins)),
        ids: (0..total).map(|index| prefix.id(&plan.node(index).id)).collect(),
        deselected: plan.deselected,
        collect_reports: plan.collect_reports.clone(),
        skipped_files: plan
            .skipped_files
            .iter()
            .map(|file| FileSkip { path: prefix.id(&file.path), ..file.clone() })
            .collect(),
        problems: plan.problems.iter().map(|problem| prefix.id(problem)).collect(),
        errors,
        is_whole: total == plan.collected.tests.nodes.len(),
    }
}
