//! The engine: its contexts, and the sessions that clients hold.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use dashmap::DashMap;
use pytest_lens_protocol::Request;

use crate::api;
use crate::idle_projects;
use crate::processes::engine_lock::{self, Presence};
use crate::processes::hub::Hub;
use crate::processes::{private_files, temp_dirs, worker_files};
use crate::project::Context;
use crate::project::history::Histories;
use crate::runs::artifact_dir;
use crate::session::{Answer, Call, Connect};
use crate::suites::{BuiltRun, Registry};

/// How long the end waits for a context that is being opened.
const OPENING: Duration = Duration::from_secs(3);

/// How an engine lives.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Folder for caches (worker files, compiled sources, pytest's cache).
    pub cache_dir: PathBuf,
    /// Folder for state that must not be lost (history).
    pub state_dir: PathBuf,
    /// Whether more runs are to be expected: processes are kept ready for them, and the disk is watched. A command
    /// that runs once and ends does without.
    pub resident: bool,
    /// How long a project's processes stay warm that nobody uses. Those of the last few in use stay for good.
    pub rest_after: Duration,
}

/// What `rest_after` is usually.
const REST_AFTER: Duration = Duration::from_secs(20);

impl EngineConfig {
    /// A resident engine in the user's own folders: `$XDG_CACHE_HOME/pytest-lens` and `$XDG_STATE_HOME/pytest-lens`.
    #[must_use]
    pub fn for_user() -> Self {
        let home = std::env::var_os("HOME").map_or_else(std::env::temp_dir, PathBuf::from);
        let folder = |variable: &str, fallback: &str| {
            let asked = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
            asked.unwrap_or_else(|| home.join(fallback)).join("pytest-lens")
        };
        EngineConfig {
            cache_dir: folder("XDG_CACHE_HOME", ".cache"),
            state_dir: folder("XDG_STATE_HOME", ".local/state"),
            resident: true,
            rest_after: REST_AFTER,
        }
    }
}

/// The engine. Cheap to share; [`Engine::shutdown`] ends what it started.
pub struct Engine {
    shared: Arc<Shared>,
}

/// What all sessions of an engine have in common.
pub(crate) struct Shared {
    pub config: EngineConfig,
    pub hub: Arc<Hub>,
    /// Others sweep what is left of this engine when this is gone.
    _presence: Arc<Presence>,
    pub worker_dir: PathBuf,
    pub contexts: DashMap<String, Arc<Context>>,
    pub histories: Histories,
    /// One context is opened at a time, so that the same one is not opened twice.
    pub opening: tokio::sync::Mutex<()>,
    /// Nothing is to be opened any more.
    pub ending: AtomicBool,
    /// What run control knows.
    pub registry: Registry,
    next_run: AtomicU64,
    /// Sets this engine's run ids apart from those of the ones before.
    epoch: u64,
}

impl Shared {
    /// A new run's id, and its number within this engine.
    pub(crate) fn new_run(&self) -> (String, u64) {
        let number = self.next_run.fetch_add(1, Ordering::Relaxed);
        (format!("run-{:x}-{number}", self.epoch), number)
    }

    /// Whether a run or suite is known, by its id or that of something in it.
    fn knows(&self, id: &str) -> bool {
        let id = id.split('/').next().unwrap_or_default();
        let Registry { runs, suites, .. } = &self.registry;
        runs.contains_key(id)
            || suites.contains_key(id)
            || self.contexts.iter().any(|context| context.runs.contains_key(id))
    }

    /// Ends a context, or all.
    pub(crate) async fn close(&self, context_id: Option<&str>) {
        let ids: Vec<String> = match context_id {
            Some(id) => vec![id.to_owned()],
            None => self.contexts.iter().map(|context| context.key().clone()).collect(),
        };
        let mut closing = tokio::task::JoinSet::new();
        for id in ids {
            self.registry.kill_all_of(&id);
            if let Some((_, context)) = self.contexts.remove(&id) {
                closing.spawn(async move {
                    context.close().await;
                    context.runs.clear();
                });
            }
        }
        // Whoever asked may be gone meanwhile: what was begun is finished all the same.
        let _ = tokio::spawn(async move { while closing.join_next().await.is_some() {} }).await;
        if context_id.is_none() {
            self.registry.clear();
            let _ = tokio::task::spawn_blocking(artifact_dir::all_removed).await;
        }
    }
}

/// Makes the folder for caches, with the worker's files in it: the one that was asked for, or, where that is of no use,
/// one among the temporary files.
fn settle(asked: &Path) -> io::Result<(PathBuf, PathBuf)> {
    let make = |folder: PathBuf| {
        private_files::folder(&folder)?;
        worker_files::unpack(&folder).map(|files| (folder, files))
    };
    make(asked.to_owned()).or_else(|error| {
        let made = temp_dirs::own().and_then(|temp| make(temp.join("cache")));
        if let Ok((folder, _)) = &made {
            tracing::warn!(%error, folder = %folder.display(), "caches go elsewhere: the folder for them can't be used");
        }
        let advice = "set XDG_CACHE_HOME or TMPDIR to a folder of yours that can be written";
        made.map_err(|other| io::Error::new(error.kind(), format!("no folder for caches ({error}; {other}): {advice}")))
    })
}

impl Engine {
    /// Starts an engine. Needs a tokio runtime; starts no process before the first `init_context`.
    ///
    /// # Errors
    /// Where its folders or its private socket can't be made.
    pub fn start(mut config: EngineConfig) -> io::Result<Arc<Self>> {
        let worker_dir;
        (config.cache_dir, worker_dir) = settle(&config.cache_dir)?;
        let hub = Arc::new(Hub::start()?);
        let files = worker_dir.clone();
        artifact_dir::in_background(move || {
            engine_lock::sweep();
            worker_files::prune(&files);
        });
        let shared = Arc::new(Shared {
            hub,
            _presence: engine_lock::own()?,
            worker_dir,
            contexts: DashMap::new(),
            histories: Histories::new(&config),
            opening: tokio::sync::Mutex::default(),
            ending: AtomicBool::new(false),
            registry: Registry::default(),
            next_run: AtomicU64::new(1),
            epoch: crate::project::now_ms(),
            config,
        });
        tokio::spawn(idle_projects::watch(Arc::downgrade(&shared), shared.config.rest_after));
        Ok(Arc::new(Engine { shared }))
    }

    /// Ends every context: runs are killed, and their processes are gone when it returns.
    pub async fn shutdown(&self) {
        self.shared.ending.store(true, Ordering::Relaxed);
        // A context that is being opened is closed as well, unless its interpreter takes its time: it ends when it
        // finds nobody to report to.
        let _opening = tokio::time::timeout(OPENING, self.shared.opening.lock()).await;
        self.shared.close(None).await;
        self.shared.hub.close();
    }

    /// Waits until no run goes on.
    pub async fn wait_idle(&self) {
        loop {
            let contexts: Vec<Arc<Context>> = self.shared.contexts.iter().map(|it| Arc::clone(it.value())).collect();
            let Some(busy) = contexts.into_iter().find(|context| context.is_busy()) else { return };
            busy.wait_idle(Duration::from_secs(60)).await;
        }
    }
}

impl Connect for Engine {
    fn session(&self) -> Arc<dyn Call> {
        Arc::new(Session { shared: Arc::clone(&self.shared), told: Mutex::default(), owned: Mutex::default() })
    }
}

/// A client's session in process.
pub(crate) struct Session {
    pub shared: Arc<Shared>,
    /// How many results of each run this session has been told, and where it is in other things that it reads. The
    /// keys end with the id of what is read.
    told: Mutex<HashMap<String, usize>>,
    owned: Mutex<Owned>,
}

/// What ends with its session.
#[derive(Default)]
pub(crate) struct Owned {
    /// The registry holds them, until they are forgotten.
    pub runs: Vec<Weak<BuiltRun>>,
    pub iterators: Vec<String>,
}

impl Session {
    /// Runs `read` with the count of results that this session was told of a run, and keeps what it returns.
    pub(crate) fn told<T>(&self, run_id: &str, read: impl FnOnce(&mut usize) -> T) -> T {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        // Before there are more of them: those that are in nothing any more go.
        if told.len() == told.capacity() && !told.contains_key(run_id) {
            told.retain(|key, _| self.shared.knows(key.rsplit(' ').next().unwrap_or_default()));
            let room = 2 * told.len();
            told.shrink_to(room);
        }
        read(told.entry(run_id.to_owned()).or_default())
    }
}

impl Session {
    /// Keeps what is to end with this session.
    pub(crate) fn own(&self, keep: impl FnOnce(&mut Owned)) {
        let mut owned = self.owned.lock().unwrap_or_else(PoisonError::into_inner);
        owned.runs.retain(|run| run.strong_count() > 0);
        keep(&mut owned);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Owned { runs, iterators } = std::mem::take(self.owned.get_mut().unwrap_or_else(PoisonError::into_inner));
        for run in runs.iter().filter_map(Weak::upgrade) {
            self.shared.registry.forget(&run);
            run.forsake();
        }
        for id in iterators {
            self.shared.registry.iterators.remove(&id);
        }
    }
}

impl Call for Session {
    fn call(&self, request: Request) -> Answer<'_> {
        Box::pin(async move { api::answer(self, request).await.unwrap_or_else(Into::into) })
    }
}
