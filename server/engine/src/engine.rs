//! The engine: its projects, and the state that its sessions share.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dashmap::DashMap;
use tokio::sync::watch;

use crate::clock::now_ms;
use crate::config::EngineConfig;
use crate::idle_projects;
use crate::idle_runs::{self, IdleRuns};
use crate::processes::engine_lock::{self, EngineLock};
use crate::processes::hub::Hub;
use crate::processes::{private_files, temp_dirs, worker_files};
use crate::project::Project;
use crate::project::history::Histories;
use crate::runs::artifact_dir;
use crate::runs::handle::RunHandle;
use crate::runs::run_ids::RunIds;
use crate::suites::{KnownRun, Registry};
use crate::timing::{HISTORY_INTERVAL, IDLE_WAIT, OPENING_LIMIT};

/// The engine. Cheap to share; [`Engine::shutdown`] ends what it started.
pub struct Engine {
    pub(crate) shared: Arc<Shared>,
}

/// The state that all sessions of an engine share.
pub(crate) struct Shared {
    pub config: EngineConfig,
    pub hub: Arc<Hub>,
    /// While this is held, other engines leave this one's files alone.
    _engine_lock: Arc<EngineLock>,
    pub worker_dir: PathBuf,
    pub projects: DashMap<String, Arc<Project>>,
    pub histories: Histories,
    /// Serializes opening projects, so that none is opened twice.
    pub opening: tokio::sync::Mutex<()>,
    /// The engine is ending: no project may be opened.
    pub ending: AtomicBool,
    /// Nothing that tests left to the end of their processes is waited for any more.
    hurries: watch::Sender<bool>,
    /// Runs, suites and iterators of run control.
    pub registry: Arc<Registry>,
    pub run_ids: Arc<RunIds>,
    pub idle_runs: IdleRuns,
}

impl Shared {
    /// The run or suite of an id: one that a client built, or any run of a project.
    pub(crate) fn find_run(&self, id: &str) -> Option<KnownRun> {
        let of_project = |project: &Project| {
            // An awaited run is removed after it has begun: in this order it is never missed.
            let awaited = project.awaited_runs.get(id).map(|run| run.clone());
            awaited.or_else(|| project.state.runs.get(id).map(|record| RunHandle::from(&**record)))
        };
        let plain = || self.projects.iter().find_map(|project| of_project(&project)).map(KnownRun::Suite);
        let joint = || self.projects.iter().find_map(|project| project.state.joint_runs.get(id)).map(KnownRun::Joint);
        self.registry.find(id).or_else(plain).or_else(joint)
    }

    /// Ends a project, or all.
    pub(crate) async fn close(&self, context_id: Option<&str>) {
        let ids: Vec<String> = match context_id {
            Some(id) => vec![id.to_owned()],
            None => self.projects.iter().map(|project| project.key().clone()).collect(),
        };
        let mut closing = tokio::task::JoinSet::new();
        for id in ids {
            self.registry.kill_all_of(&id);
            if let Some((_, project)) = self.projects.remove(&id) {
                let hurries = self.hurries.subscribe();
                closing.spawn(async move {
                    project.close(hurries).await;
                    project.state.runs.clear();
                });
            }
        }
        // A task of its own: it must finish even if the client goes.
        let _ = tokio::spawn(async move { while closing.join_next().await.is_some() {} }).await;
        if context_id.is_none() {
            self.registry.clear();
            let _ = tokio::task::spawn_blocking(artifact_dir::all_removed).await;
        }
    }
}

/// Makes the cache folder with the worker's files: the configured one, or a temporary one if that can't be used.
fn make_cache_dir(asked: &Path) -> io::Result<(PathBuf, PathBuf)> {
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
    /// Starts an engine. Needs a tokio runtime; the first `init_context` starts the first process.
    ///
    /// # Errors
    ///
    /// If its folders or its private socket can't be made.
    pub fn start(mut config: EngineConfig) -> io::Result<Arc<Self>> {
        let worker_dir;
        (config.cache_dir, worker_dir) = make_cache_dir(&config.cache_dir)?;
        let hub = Arc::new(Hub::start()?);
        let (files, caches) = (worker_dir.clone(), config.cache_dir.clone());
        artifact_dir::in_background(move || {
            engine_lock::sweep();
            worker_files::prune(&files);
            worker_files::prune_compiled(&caches);
        });
        let shared = Arc::new(Shared {
            hub,
            _engine_lock: engine_lock::own()?,
            worker_dir,
            projects: DashMap::new(),
            histories: Histories::new(config.state_dir.clone(), config.resident.then_some(HISTORY_INTERVAL)),
            opening: tokio::sync::Mutex::default(),
            ending: AtomicBool::new(false),
            hurries: watch::Sender::new(false),
            registry: Arc::default(),
            run_ids: Arc::new(RunIds::new(now_ms())),
            idle_runs: IdleRuns::default(),
            config,
        });
        tokio::spawn(idle_projects::watch(Arc::downgrade(&shared), shared.config.rest_after));
        if shared.config.resident {
            tokio::spawn(idle_runs::watch(Arc::downgrade(&shared), shared.config.rest_after));
        }
        Ok(Arc::new(Engine { shared }))
    }

    /// Ends every project: kills the runs and waits until their processes are gone.
    pub async fn shutdown(&self) {
        self.shared.ending.store(true, Ordering::Relaxed);
        let _in_use = self.shared.idle_runs.make_way().await;
        // A project that is being opened is closed as well, unless its interpreter takes too long; that interpreter
        // ends when it finds no engine to report to.
        let _opening = tokio::time::timeout(OPENING_LIMIT, self.shared.opening.lock()).await;
        self.shared.close(None).await;
        self.shared.hub.close();
    }

    /// Ends what tests left to the end of their processes: [`Engine::shutdown`] waits for it no longer.
    pub fn hurry(&self) {
        self.shared.hurries.send_replace(true);
    }

    /// Waits until no run goes on.
    pub async fn wait_idle(&self) {
        loop {
            let projects: Vec<Arc<Project>> = self.shared.projects.iter().map(|it| Arc::clone(it.value())).collect();
            let Some(busy) = projects.into_iter().find(|project| project.state.is_busy()) else { return };
            busy.state.wait_idle(IDLE_WAIT).await;
        }
    }
}
