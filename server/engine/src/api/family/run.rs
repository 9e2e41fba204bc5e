//! Runs over several projects: each part is planned and recorded in its own project first, then the parts take their
//! turns.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use pytest_lens_analysis::listing;
use pytest_lens_protocol::{ErrorCode, Response, RunStart};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::junit;
use super::open::{check_ids, members};
use super::split::{PartArguments, Split, arguments_of, inside, is_above, split};
use crate::api::Answered;
use crate::api::run::{complete, debug, enter, handle, prepare, shut_down};
use crate::api::session::Session;
use crate::api_error::{Refusal, invalid};
use crate::engine::Shared;
use crate::idle_projects;
use crate::model::prefix::Prefix;
use crate::model::select::own_id;
use crate::project::Project;
use crate::project::plan_run::RunRequest;
use crate::project::recorder::Command;
use crate::runs::joint::{JointPart, JointRun};
use crate::runs::plan::RunPlan;
use crate::runs::record::RunLease;
use crate::runs::stop::StopLevel;

/// A part of a request: a project, its folder relative to the client's root (empty for that root), and its ids.
pub(super) struct Leaf {
    pub path: String,
    pub project: Arc<Project>,
    pub ids: Vec<String>,
}

/// The parts of ids over a root and its nested projects, at any depth.
pub(super) async fn leaves(session: &Session, project: &Arc<Project>, ids: &[String]) -> Vec<Leaf> {
    let ids: Vec<String> = ids.iter().map(|id| own_id(&project.state.root, id)).collect();
    check_ids(project, &ids).await;
    let members = members(&session.shared, project).await;
    let pytest = project.state.pytest.load_full();
    let Split { own, members: parts } = split(&pytest.nested, &ids);
    let mut found = Vec::new();
    if let Some(own) = own
        && (members.is_empty() || has_own_tests(project, &own).await)
    {
        found.push(Leaf { path: String::new(), project: Arc::clone(project), ids: own });
    }
    for (place, ids) in parts {
        let Some(member) = pytest.nested.projects.get(place) else { continue };
        let Some(member) = members.iter().find(|known| *known.path == *member.path) else { continue };
        let prefix = member.prefix();
        let inner = Box::pin(leaves(session, &member.project, &ids)).await;
        found.extend(inner.into_iter().map(|leaf| Leaf { path: prefix.id(&leaf.path), ..leaf }));
    }
    found
}

/// Whether a root with nested projects has tests of its own that these ids may name. One without is not collected: it
/// may have no interpreter with pytest.
async fn has_own_tests(project: &Arc<Project>, ids: &[String]) -> bool {
    let nested = project.state.pytest.load_full();
    let folders: Vec<&String> =
        ids.iter().filter(|id| nested.nested.left_out().any(|path| is_above(id, path))).collect();
    if folders.len() < ids.len() {
        return true;
    }
    let folders: Vec<String> = folders.into_iter().cloned().collect();
    let root = project.state.root.clone();
    let listing = tokio::task::spawn_blocking(move || {
        let files = listing::list(&root, &nested);
        let is_wanted = |path: &str| {
            folders.is_empty() || folders.iter().any(|folder| folder == "." || inside(path, folder).is_some())
        };
        let has_tests = files.iter().any(|file| !file.analysis.nodes.is_empty() && is_wanted(&file.path));
        (has_tests, folders.is_empty() && listing::has_configuration(&root))
    });
    let (has_tests, is_configured) = listing.await.unwrap_or((true, false));
    // Its configuration may have tests made of other files.
    has_tests || (is_configured && project.pool.base().await.is_ok())
}

/// A run that begins: of one project, or over several.
pub(super) enum Begun {
    One(String, RunLease),
    Joint(JointLease),
}

/// Ties a run over several projects to its client, as [`RunLease`] does one run.
pub(super) struct JointLease {
    run: Arc<JointRun>,
    total: usize,
    is_released: bool,
}

impl Drop for JointLease {
    fn drop(&mut self) {
        if !self.is_released {
            self.run.request_stop(StopLevel::Kill);
        }
    }
}

/// `run` and `run_with_rerun`.
pub(super) async fn and_wait(session: &Session, project: &Arc<Project>, request: RunRequest) -> Answered {
    let end = match begin(session, project, request).await? {
        Begun::One(_, lease) => lease.wait().await,
        Begun::Joint(mut lease) => {
            let end = lease.run.wait().await;
            lease.is_released = true;
            end
        }
    };
    end.as_ref().map(complete).ok_or_else(shut_down)
}

/// `run_stream`.
pub(super) async fn stream(session: &Session, project: &Arc<Project>, request: RunRequest) -> Answered {
    Ok(match begin(session, project, request).await? {
        Begun::One(run_id, lease) => {
            Response::RunStarted { run_id, total_tests: lease.release().map_or(0, |record| record.total) }
        }
        Begun::Joint(mut lease) => {
            lease.is_released = true;
            Response::RunStarted { run_id: lease.run.id.clone(), total_tests: lease.total }
        }
    })
}

/// `debug_run`: a debugger attaches to one process, so to one project.
pub(super) async fn debug_one(session: &Session, project: &Arc<Project>, request: RunRequest) -> Answered {
    let mut leaves = leaves(session, project, &request.node_ids).await;
    if leaves.len() > 1 {
        let names: Vec<&str> = leaves.iter().map(|leaf| name(&leaf.path)).collect();
        return Err(invalid(format!(
            "these tests belong to several projects ({}): debug one of them",
            names.join(", ")
        )));
    }
    let Some(leaf) = leaves.pop() else { return Err(invalid("there is no test to debug: write one")) };
    let part = arguments_of(&request.options.arguments, &project.state.root, &leaf.path);
    debug(session, &leaf.project, of_leaf(&leaf, &request, &part), &leaf.path).await
}

fn name(path: &str) -> &str {
    if path.is_empty() { "the root" } else { path }
}

/// A request as one of its projects gets it.
fn of_leaf(leaf: &Leaf, request: &RunRequest, part: &PartArguments) -> RunRequest {
    let mut options = request.options.clone();
    options.arguments.clone_from(&part.arguments);
    if !leaf.path.is_empty() {
        options.first = options.first.iter().filter_map(|id| inside(id, &leaf.path)).map(str::to_owned).collect();
    }
    RunRequest {
        node_ids: leaf.ids.clone(),
        workers: request.workers,
        maxfail: request.maxfail,
        options,
        repeat: request.repeat,
    }
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

/// A planned part.
struct Planned {
    leaf: Leaf,
    plan: RunPlan,
    /// The JUnit report that it makes.
    junit: Option<PathBuf>,
}

/// Plans a run and begins it.
pub(super) async fn begin(session: &Session, project: &Arc<Project>, request: RunRequest) -> Result<Begun, Refusal> {
    let root = &project.state.root;
    let arguments = &request.options.arguments;
    let mut wanted: Vec<(Leaf, PartArguments)> = leaves(session, project, &request.node_ids)
        .await
        .into_iter()
        .map(|leaf| {
            let part = arguments_of(arguments, root, &leaf.path);
            (leaf, part)
        })
        .collect();
    wanted.retain(|(_, part)| !part.is_ignored);
    let report = wanted.iter().find_map(|(_, part)| part.junit.clone()).map(|path| root.join(path));
    if wanted.len() == 1 && report.is_none() {
        let Some((leaf, part)) = wanted.pop() else { return Err(no_tests()) };
        return alone(session, leaf, &request, &part).await;
    }
    if let [(leaf, _)] = &wanted[..]
        && leaf.path.is_empty()
    {
        // The root's own session writes the report by itself.
        let (run_id, lease) = enter(project, prepare(session, project, request, "").await?).await?;
        return Ok(Begun::One(run_id, lease));
    }
    let (at_a_time, each) = match session.shared.config.terminal {
        true => (1, None),
        false => side_by_side(&request, wanted.len()),
    };
    let request = RunRequest { workers: each.or(request.workers), ..request };
    let is_many = wanted.len() > idle_projects::WARM;
    let (planned, problems) = plan_all(session, &request, wanted, report.is_some()).await?;
    let total = planned.iter().map(|part| part.plan.selected.len()).sum();
    let start = RunStart {
        run_id: handle(session, "").suite_log.id.clone(),
        total,
        ids: whole_or_ids(&request, &planned, &problems),
        deselected: planned.iter().map(|part| part.plan.deselected).sum(),
        collect_reports: planned.iter().flat_map(|part| part.plan.collect_reports.clone()).collect(),
    };
    let run = joint_run(&start.run_id, &planned, problems);
    project.record_and_wait(|done| Command::Join { run: Arc::clone(&run), done }).await.ok_or_else(gone)?;
    let lease = JointLease { run: Arc::clone(&run), total, is_released: false };
    let mut turns = Vec::new();
    let failures = Arc::new(AtomicU32::new(0));
    let mut reports = Vec::new();
    for (Planned { leaf, plan, junit }, part) in planned.into_iter().zip(&run.parts) {
        reports.extend(junit.map(|file| (leaf.path.clone(), file)));
        let plan = RunPlan {
            gate: Some(part.gate.subscribe()),
            failures: Arc::clone(&failures),
            stays_warm: !is_many,
            ..plan
        };
        // From here on its end counts as that of a part, whatever happens.
        let (_, lease) = enter(&leaf.project, plan).await?;
        turns.push((part.gate.clone(), lease));
    }
    project.record_and_wait(|done| Command::Joined { start, done }).await.ok_or_else(gone)?;
    let (shared, outer) = (Arc::clone(&session.shared), Arc::clone(project));
    tokio::spawn(async move {
        take_turns(turns, at_a_time, || idle_projects::rest_now(&shared)).await;
        run.parts_ended().await;
        if let Some(report) = report {
            junit::write(report, reports).await;
        }
        outer.record(Command::JointEnded { run });
    });
    Ok(Begun::Joint(lease))
}

fn gone() -> Refusal {
    Refusal::new(ErrorCode::ContextNotFound, "the context was shut down")
}

fn no_tests() -> Refusal {
    invalid("there is no test to run: write one, or name a folder that has some")
}

/// A run that is a part of one project only.
async fn alone(session: &Session, leaf: Leaf, request: &RunRequest, part: &PartArguments) -> Result<Begun, Refusal> {
    let plan = prepare(session, &leaf.project, of_leaf(&leaf, request, part), &leaf.path).await;
    let plan = plan.map_err(|refusal| refusal_of(&leaf, refusal))?;
    let (run_id, lease) = enter(&leaf.project, plan).await?;
    Ok(Begun::One(run_id, lease))
}

/// A refusal of a nested project, which names it.
pub(super) fn in_words_of(path: &str, refusal: Refusal) -> Refusal {
    if path.is_empty() { refusal } else { refusal.within(path) }
}

/// A refusal of a part. An id of the request in it is as the client wrote it, and names the project.
fn refusal_of(leaf: &Leaf, refusal: Refusal) -> Refusal {
    let named = leaf.ids.iter().find(|id| !leaf.path.is_empty() && refusal.message.contains(&format!("{id:?}")));
    match named {
        Some(id) => {
            let (own, whole) = (format!("{id:?}"), format!("{:?}", Prefix(&leaf.path).id(id)));
            Refusal { message: refusal.message.replace(&own, &whole), ..refusal }
        }
        None => in_words_of(&leaf.path, refusal),
    }
}

/// Plans every part. One that can't be collected is a problem of the run; a mistake in the request refuses it.
async fn plan_all(
    session: &Session,
    request: &RunRequest,
    wanted: Vec<(Leaf, PartArguments)>,
    makes_report: bool,
) -> Result<(Vec<Planned>, Vec<String>), Refusal> {
    let at_a_time = Semaphore::new(side_by_side_plans(&session.shared));
    let planning = wanted.into_iter().map(|(leaf, mut part)| {
        let at_a_time = &at_a_time;
        async move {
            let _turn = at_a_time.acquire().await;
            let junit = makes_report.then(|| junit::part_file(&leaf.project.pool.launcher.tmp_dir));
            part.arguments.extend(junit.as_ref().map(|file| format!("--junitxml={}", file.display())));
            let plan = prepare(session, &leaf.project, of_leaf(&leaf, request, &part), &leaf.path).await;
            (leaf, plan, junit)
        }
    });
    let (mut planned, mut problems, mut first) = (Vec::new(), Vec::new(), None);
    for (leaf, plan, junit) in super::gather::all(planning).await {
        match plan {
            Ok(plan) => planned.push(Planned { leaf, plan, junit }),
            Err(refusal) if refusal.code == ErrorCode::InvalidRequest => return Err(refusal_of(&leaf, refusal)),
            Err(refusal) => {
                let refusal = refusal_of(&leaf, refusal);
                problems.push(refusal.to_string());
                first.get_or_insert(refusal);
            }
        }
    }
    if planned.is_empty() {
        return Err(first.unwrap_or_else(no_tests));
    }
    for part in &planned {
        let prefix = Prefix(&part.leaf.path);
        let named = |problem: &String| if prefix.0.is_empty() { problem.clone() } else { prefix.id(problem) };
        problems.extend(part.plan.problems.iter().map(named));
    }
    Ok((planned, problems))
}

/// How many projects are collected at a time.
pub(super) fn side_by_side_plans(shared: &Shared) -> usize {
    // One process at a time has the user's terminal.
    if shared.config.terminal {
        return 1;
    }
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(idle_projects::WARM)
}

fn joint_run(id: &str, planned: &[Planned], problems: Vec<String>) -> Arc<JointRun> {
    let parts = planned.iter().map(|part| JointPart {
        path: part.leaf.path.clone(),
        context_id: part.leaf.project.id.clone(),
        run_id: part.plan.run_id.clone(),
        stop_tx: part.plan.stop_tx.clone(),
        gate: watch::Sender::new(false),
    });
    Arc::new(JointRun::new(id.to_owned(), parts.collect(), problems))
}

/// The ids of a run's tests; `None` if they are all there are.
fn whole_or_ids(request: &RunRequest, planned: &[Planned], problems: &[String]) -> Option<Vec<String>> {
    let is_whole = |part: &Planned| part.plan.selected.len() == part.plan.collected.tests.nodes.len();
    if request.node_ids.is_empty() && problems.is_empty() && planned.iter().all(is_whole) {
        return None;
    }
    let mut ids = Vec::new();
    for Planned { leaf, plan, .. } in planned {
        let prefix = Prefix(&leaf.path);
        let own = (0..plan.selected.len()).map(|index| &plan.node(index).id);
        ids.extend(own.map(|id| if leaf.path.is_empty() { id.to_string() } else { prefix.id(id) }));
    }
    Some(ids)
}

/// Lets the parts run, some at a time.
async fn take_turns(turns: Vec<(watch::Sender<bool>, RunLease)>, at_a_time: usize, after: impl Fn()) {
    let mut waiting = turns.into_iter();
    let mut going = JoinSet::new();
    loop {
        while going.len() < at_a_time
            && let Some((gate, lease)) = waiting.next()
        {
            gate.send_replace(true);
            going.spawn(async move {
                // A run that has begun belongs to nobody.
                if let Some(record) = lease.release() {
                    record.wait().await;
                }
            });
        }
        if going.join_next().await.is_none() {
            return;
        }
        after();
    }
}
