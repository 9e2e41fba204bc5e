//! Splits a run over a root and its nested projects into its parts; a run that has one part only is an ordinary one.

use std::sync::Arc;

use pytest_lens_analysis::listing;
use pytest_lens_protocol::Response;

use super::open::{check_ids, members};
use super::parts;
use super::split::{PartArguments, Split, arguments_of, inside, is_above, split};
use crate::api::Answered;
use crate::api::debug::debug;
use crate::api::run::{complete, enter, prepare, shut_down};
use crate::api::session::Session;
use crate::api_error::{Refusal, invalid};
use crate::model::prefix::Prefix;
use crate::model::select::own_id;
use crate::project::Project;
use crate::project::plan_run::RunRequest;
use crate::runs::joint::JointLease;
use crate::runs::record::RunLease;

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
        let has_tests = files.iter().any(|file| !file.outline.nodes.is_empty() && is_wanted(&file.path));
        (has_tests, folders.is_empty() && listing::has_configuration(&root))
    });
    let (has_tests, is_configured) = listing.await.unwrap_or((true, false));
    // Its configuration may have tests made of other files.
    has_tests || (is_configured && project.pool.base().await.is_ok())
}

/// A run that begins: of one project, or over several, with the number of tests that are known by now.
enum Begun {
    One(String, RunLease),
    Joint(JointLease, usize),
}

/// `run` and `run_with_rerun`.
pub(super) async fn and_wait(session: &Session, project: &Arc<Project>, request: RunRequest) -> Answered {
    let end = match begin(session, project, request).await? {
        Begun::One(_, lease) => {
            let end = lease.wait().await;
            // Of a run in a nested project, too, the events are in the root's log before the answer.
            project.members.settled(project).await;
            end
        }
        Begun::Joint(lease, _) => lease.run().wait().await,
    };
    end.as_ref().map(complete).ok_or_else(shut_down)
}

/// `run_stream`.
pub(super) async fn stream(session: &Session, project: &Arc<Project>, request: RunRequest) -> Answered {
    let request = RunRequest { reads_events: true, ..request };
    let ends_with_session = request.options.ends_with_session;
    Ok(match begin(session, project, request).await? {
        Begun::One(run_id, lease) => {
            let total_tests = lease.record().map_or(0, |record| record.total);
            if ends_with_session {
                session.own(|owned| owned.leases.push(lease));
            } else {
                lease.release();
            }
            Response::RunStarted { run_id, total_tests }
        }
        Begun::Joint(lease, total_tests) => {
            let run_id = lease.run().id.clone();
            if ends_with_session {
                session.own(|owned| owned.joint_leases.push(lease));
            } else {
                lease.release();
            }
            Response::RunStarted { run_id, total_tests }
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
pub(super) fn of_leaf(leaf: &Leaf, request: &RunRequest, part: &PartArguments) -> RunRequest {
    let mut options = request.options.clone();
    options.arguments.clone_from(&part.arguments);
    if !leaf.path.is_empty() {
        for ids in [&mut options.in_order_of, &mut options.first] {
            *ids = ids.iter().filter_map(|id| inside(id, &leaf.path)).map(str::to_owned).collect();
        }
    }
    RunRequest {
        node_ids: leaf.ids.clone(),
        workers: request.workers,
        maxfail: request.maxfail,
        options,
        repeat: request.repeat,
        reads_events: request.reads_events,
        prints_since: request.prints_since,
        is_part: request.is_part,
    }
}

/// Plans a run and begins it.
async fn begin(session: &Session, project: &Arc<Project>, request: RunRequest) -> Result<Begun, Refusal> {
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
        let (run_id, lease) = enter(project, prepare(&session.shared, project, request, "").await?).await?;
        return Ok(Begun::One(run_id, lease));
    }
    let (lease, total) = parts::begin(&session.shared, project, request, wanted, report).await?;
    Ok(Begun::Joint(lease, total))
}

pub(super) fn no_tests() -> Refusal {
    invalid("there is no test to run: write one, or name a folder that has some")
}

/// A run that is a part of one project only.
async fn alone(session: &Session, leaf: Leaf, request: &RunRequest, part: &PartArguments) -> Result<Begun, Refusal> {
    let plan = prepare(&session.shared, &leaf.project, of_leaf(&leaf, request, part), &leaf.path).await;
    let plan = plan.map_err(|refusal| refusal_of(&leaf, refusal))?;
    let (run_id, lease) = enter(&leaf.project, plan).await?;
    Ok(Begun::One(run_id, lease))
}

/// A refusal of a nested project, which names it.
pub(super) fn in_words_of(path: &str, refusal: Refusal) -> Refusal {
    if path.is_empty() { refusal } else { refusal.within(path) }
}

/// A refusal of a part. An id of the request in it is as the client wrote it, and names the project.
pub(super) fn refusal_of(leaf: &Leaf, refusal: Refusal) -> Refusal {
    let named = leaf.ids.iter().find(|id| !leaf.path.is_empty() && refusal.message.contains(&format!("{id:?}")));
    match named {
        Some(id) => {
            let (own, whole) = (format!("{id:?}"), format!("{:?}", Prefix(&leaf.path).id(id)));
            Refusal { message: refusal.message.replace(&own, &whole), ..refusal }
        }
        None => in_words_of(&leaf.path, refusal),
    }
}
