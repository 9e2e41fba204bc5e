//! The state that the tools share: the project, its engine, and the results that a later call asks for.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use pytest_lens_engine::Call;
use pytest_lens_history::Fingerprints;
use pytest_lens_protocol::{ErrorCode, NodeId, Request, Response, TestNodeInfo, TestOutcome};
use tokio::sync::watch;

use super::daemon::Daemon;
use super::follower::Follower;
use crate::engine::client::Client;
use crate::engine::inventory::{inventory, refresh};
use crate::failure::{Failure, exit};
use crate::options::selectors;
use crate::suggest;

/// The project that an agent works on.
#[derive(Debug)]
pub(super) struct Workplace {
    /// Its root.
    pub root: PathBuf,
    daemon: Daemon,
    /// The hashes of its files.
    pub prints: Arc<Fingerprints>,
    follower: tokio::sync::Mutex<Option<Arc<Follower>>>,
    last_report: Mutex<Option<String>>,
    explained: Mutex<Option<TestOutcome>>,
    client_left: watch::Receiver<bool>,
}

/// One tool call's way to the engine.
pub(super) struct Project {
    /// A session of its own: a run that it requests ends with it.
    pub client: Client,
    /// The project's log.
    pub follower: Arc<Follower>,
}

impl Workplace {
    pub(super) fn new(root: PathBuf, daemon: Daemon, client_left: watch::Receiver<bool>) -> Self {
        Workplace {
            root,
            daemon,
            prints: Arc::default(),
            follower: tokio::sync::Mutex::default(),
            last_report: Mutex::default(),
            explained: Mutex::default(),
            client_left,
        }
    }

    /// Opens the project, if the user trusts it. Starts a daemon if there is none.
    pub(super) async fn project(&self) -> Result<Project, Failure> {
        match self.open().await {
            // The daemon may have ended while it was asked: then there is none.
            Err(Failure::Message { status: exit::INTERNAL, .. }) => self.open().await,
            opened => opened,
        }
    }

    async fn open(&self) -> Result<Project, Failure> {
        let connect = self.daemon.connect().await?;
        let session = connect.session();
        let asking = Request::Trust { repo_path: self.root.display().to_string(), trusted: None };
        match session.call(asking).await {
            Response::Trust { untrusted: None } => {}
            Response::Trust { untrusted: Some(folder) } => {
                return Err(Failure::usage(format!(
                    "`{folder}` is not trusted in the user's editor, so none of its code is run: the user must trust it there"
                )));
            }
            Response::Error { code: ErrorCode::InvalidRequest, message, .. } if message.contains("unknown type") => {
                return Err(Failure::usage(
                    "the daemon is of an older version: end its process, and the next call starts a new one",
                ));
            }
            other => return Err(Failure::of_response(other)),
        }
        let mut held = self.follower.lock().await;
        let present = held.as_ref().filter(|follower| !follower.has_ended());
        let follower = match present {
            Some(follower) if is_open(&*session, &follower.context_id).await => Arc::clone(follower),
            _ => Arc::clone(held.insert(Follower::open(&*connect, &self.root).await?)),
        };
        Ok(Project { client: Client::of_daemon(session, follower.context_id.clone()), follower })
    }

    /// Waits until the client has left.
    pub(super) async fn client_leaves(&self) {
        // The sender lives as long as the server.
        let _ = self.client_left.clone().wait_for(|left| *left).await;
    }

    /// The report of the last run.
    pub(super) fn last_report(&self) -> Option<String> {
        self.last_report.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_last_report(&self, report: String) {
        *self.last_report.lock().unwrap_or_else(PoisonError::into_inner) = Some(report);
    }

    /// The test that was explained last, if it has this id.
    pub(super) fn explained(&self, id: &str) -> Option<TestOutcome> {
        let explained = self.explained.lock().unwrap_or_else(PoisonError::into_inner);
        explained.as_ref().filter(|outcome| outcome.id == id).cloned()
    }

    pub(super) fn set_explained(&self, outcome: TestOutcome) {
        *self.explained.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
    }
}

/// Whether the engine still has a context for this client.
async fn is_open(session: &dyn Call, context_id: &str) -> bool {
    let request = Request::GetContextStatus { context_id: context_id.to_owned() };
    !matches!(session.call(request).await, Response::Error { code: ErrorCode::ContextNotFound, .. })
}

/// Whether the source defines a function or class of this name.
fn is_defined(root: &Path, id: &str) -> bool {
    let id = NodeId::new(id);
    let source = std::fs::read_to_string(root.join(id.file())).unwrap_or_default();
    let name = id.name();
    source.lines().any(|line| {
        let words = line.trim_start().trim_start_matches("async ");
        let rest = words.strip_prefix("def ").or_else(|| words.strip_prefix("class "));
        rest.and_then(|rest| rest.trim_start().strip_prefix(name))
            .is_some_and(|rest| rest.starts_with(['(', ':', ' ', '[']))
    })
}

/// The sentence on the first of these ids that names no test, with the nearest one; `None` if all do.
pub(super) async fn unknown(client: &Client, root: &Path, ids: &[String]) -> Option<Failure> {
    let first_of = |known: &[TestNodeInfo]| {
        let is_known = |id: &&String| known.iter().any(|node| selectors::covers(id, &node.node_id));
        ids.iter().filter(|id| id.contains("::")).find(|id| !is_known(id))
    };
    first_of(&inventory(client).await.ok()?)?;
    // Files that have just changed may not have been collected yet.
    refresh(client).await;
    let known = inventory(client).await.ok()?;
    let id = first_of(&known)?;
    let nearest = selectors::nearest_test(id, known.iter().map(|node| &*node.node_id));
    // Its class or its case is another one.
    let function = NodeId::new(id).function();
    let is_same = |other: &String| NodeId::new(other).function().name() == function.name();
    let cases = known.iter().filter(|node| selectors::covers(function.as_str(), &node.node_id)).count();
    if cases > 0 && !nearest.as_ref().is_some_and(is_same) {
        return Some(Failure::usage(format!(
            "there is no test `{id}`: the cases of `{}` are others now ({cases}); run them all, or choose one of them",
            function.as_str()
        )));
    }
    if is_defined(root, id) && !nearest.as_ref().is_some_and(is_same) {
        return Some(Failure::usage(format!(
            "`{id}` is in its file, but pytest leaves it out: the configuration deselects it (such as `-m` in `addopts`), or \
             a hook of the project, or its module skips itself"
        )));
    }
    Some(Failure::usage(format!("there is no test `{id}`{}", suggest::did_you_mean(nearest.as_deref()))))
}
