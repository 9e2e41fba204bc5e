//! `init_context`: finds the interpreter, starts it, and opens the project.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use pytest_lens_analysis::PytestSettings;
use pytest_lens_protocol::{ErrorCode, PROTOCOL_VERSION, Response};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::{Answered, family};
use crate::api::session::Session;
use crate::api_error::{Refusal, invalid};
use crate::engine::Shared;
use crate::model::node::Analyses;
use crate::processes::activation::Activation;
use crate::processes::disk_snapshot::hex_sha256;
use crate::processes::launcher::{Launcher, StartError};
use crate::processes::mode::ModeRequest;
use crate::processes::pool::Pool;
use crate::processes::stdio_relay::StdioRelays;
use crate::project::caches;
use crate::project::env_file;
use crate::project::interpreter::{self, Interpreter};
use crate::project::layered_settings::LayeredSettings;
use crate::project::pytest_config;
use crate::project::{Place, Project};

pub(super) async fn init(
    session: &Session,
    version: u32,
    repo_path: &str,
    python_path: Option<String>,
    mode: Option<String>,
    activation: Activation,
) -> Answered {
    if version != PROTOCOL_VERSION {
        let message = format!(
            "protocol_version {version} is not spoken here, but {PROTOCOL_VERSION}; use a client and an engine of the same release"
        );
        return Err(Refusal::new(ErrorCode::VersionMismatch, message));
    }
    let root = repo_root(repo_path)?;
    let settings = LayeredSettings::of_root(&root);
    let in_force = settings.in_force();
    let mode = mode.unwrap_or_else(|| in_force.execution_mode.clone());
    let asked = ModeRequest::parse(Some(&mode)).map_err(invalid)?;
    // A fork would share the terminal with the process that it was forked from.
    let asked = if session.shared.config.terminal { ModeRequest::Subprocess } else { asked };
    let no_python = |message: String| Refusal::new(ErrorCode::PythonNotFound, message);
    let rootdir = pytest_config::read(&root, None).rootdir;
    let of_file = python_path.is_none().then(|| in_force.python_path.clone()).flatten();
    let is_pinned = python_path.is_some() || of_file.is_some();
    let interpreter = match (of_file, settings.file.file) {
        (Some(path), Some(file)) => interpreter::find(&root, &rootdir, Some(&path), &activation)
            .await
            .map(|found| Interpreter { source: format!("`pythonPath` in {file}"), ..found })
            .map_err(|message| no_python(format!("`pythonPath` in {file}: {message}")))?,
        _ => match interpreter::find(&root, &rootdir, python_path.as_deref(), &activation).await {
            Ok(found) => found,
            // Nested projects may have interpreters of their own.
            Err(message) if python_path.is_none() && nested_projects(&root, &settings) => {
                Interpreter { path: "python3".into(), source: message }
            }
            Err(message) => return Err(no_python(message)),
        },
    };
    let pytest = read_pytest(&root, &interpreter.path, &settings);
    // A task of its own: if the client goes, the project must not be left half open.
    let shared = Arc::clone(&session.shared);
    let clients = vec![activation];
    let wanted = Opening { root, asked, interpreter, is_pinned, clients, settings, pytest, outer: None };
    let opening = tokio::spawn(async move { open(&shared, wanted).await });
    let ending = |_| Err(Refusal::new(ErrorCode::InternalError, "the engine is ending"));
    let (project, is_new) = opening.await.unwrap_or_else(ending)?;
    if is_new && session.shared.config.resident {
        family::open::follow(&session.shared, &project);
    }
    session.opened(&project, Path::new(repo_path));
    Ok(ready(&project))
}

/// A project to find or open.
pub(super) struct Opening {
    pub root: PathBuf,
    pub asked: ModeRequest,
    pub interpreter: Interpreter,
    /// The client, or a file of the project's, chose the interpreter.
    pub is_pinned: bool,
    /// The environments that its clients have activated, at least one.
    pub clients: Vec<Activation>,
    pub settings: LayeredSettings,
    /// pytest's configuration, which is being read.
    pub pytest: JoinHandle<PytestSettings>,
    /// The project around a nested one, which starts no process before it is used.
    pub outer: Option<Weak<Project>>,
}

/// Finds or opens the project of a root, an interpreter and a mode. Returns whether it was opened now.
pub(super) async fn open(shared: &Arc<Shared>, wanted: Opening) -> Result<(Arc<Project>, bool), Refusal> {
    let Opening { root, asked, interpreter, is_pinned, clients, settings, pytest, outer } = wanted;
    let no_python = |message: String| Refusal::new(ErrorCode::PythonNotFound, message);
    let _one = shared.opening.lock().await;
    if shared.ending.load(Ordering::Relaxed) {
        return Err(Refusal::new(ErrorCode::InternalError, "the engine is ending; start it again"));
    }
    let key = format!("{}\0{}\0{asked:?}", root.display(), interpreter.path.display());
    let mut id = format!("ctx-{}", &hex_sha256(key.as_bytes())[..16]);
    // The project may have moved to another interpreter since it was opened.
    let is_same = |project: &Project| {
        let same_place = project.state.root == root && project.pool.launcher.python() == interpreter.path;
        // Each has the same interpreter now, and must find the same one later.
        let same_search =
            || is_pinned || project.is_pinned.load(Ordering::Relaxed) || project.suits(&clients, outer.is_some());
        same_place && project.pool.asked == asked && same_search()
    };
    let present = shared.projects.iter().find(|project| is_same(project)).map(|project| Arc::clone(project.value()));
    if let Some(project) = present {
        project.is_pinned.fetch_or(is_pinned, Ordering::Relaxed);
        project.join(clients);
        return Ok((project, false));
    }
    while shared.projects.contains_key(&id) {
        id.push('-');
    }
    let (printed, heard) = mpsc::unbounded_channel();
    let tmp_dir = crate::processes::temp_dirs::folder_for(&id[4..10])
        .map_err(|error| Refusal::new(ErrorCode::InternalError, format!("no temporary folder for tests: {error}")))?;
    let launcher = Launcher {
        hub: Arc::clone(&shared.hub),
        root: root.clone(),
        python: ArcSwap::from_pointee(interpreter.path.clone()),
        worker_dir: shared.worker_dir.clone(),
        cache_dir: caches::folder_of(&shared.config.cache_dir, &root, &interpreter.path),
        tmp_dir,
        next_run_folder: AtomicU32::default(),
        terminal: shared.config.terminal,
        takes_addopts: shared.config.takes_addopts,
        folder: shared.config.folder.clone().filter(|folder| *folder != root),
        relays: StdioRelays::new(printed),
        alive: std::sync::Mutex::new(Some(HashMap::new())),
        activation: clients.first().cloned().unwrap_or_default(),
        env: std::sync::Mutex::default(),
        #[cfg(test)]
        simulated: None,
    };
    crate::processes::private_files::folder(&launcher.cache_dir)
        .map_err(|error| Refusal::new(ErrorCode::InternalError, format!("no folder for caches: {error}")))?;
    let pool = Pool::new(launcher, asked, Arc::new(Analyses::default()), shared.config.resident);
    pool.set_env(env_file::variables(&root, &settings.in_force(), &pool.launcher.activation).0);
    let started = if outer.is_none() { pool.base().await.map(drop) } else { Ok(()) };
    let pytest = pytest.await.map_err(|_| Refusal::new(ErrorCode::InternalError, "the engine is ending"))?;
    // Nested projects may have interpreters of their own.
    if pytest.nested.projects.is_empty() {
        match started {
            Ok(()) => {}
            Err(StartError::Unusable(message) | StartError::Exhausted(message) | StartError::Failed(message)) => {
                return Err(no_python(message));
            }
        }
    }
    let history = shared.histories.of(&root);
    let place = Place { id: id.clone(), root, interpreter, clients, settings, pytest, outer };
    let project = Project::start(place, pool, history, heard);
    project.is_pinned.store(is_pinned, Ordering::Relaxed);
    shared.projects.insert(id, Arc::clone(&project));
    Ok((project, true))
}

/// Begins to read pytest's configuration and to look for nested projects.
pub(super) fn read_pytest(root: &Path, python: &Path, settings: &LayeredSettings) -> JoinHandle<PytestSettings> {
    let (root, python, projects) = (root.to_owned(), python.to_owned(), settings.in_force().projects);
    tokio::task::spawn_blocking(move || pytest_config::read_whole(&root, Some(&python), projects.as_deref()))
}

/// Whether a root has nested projects.
fn nested_projects(root: &Path, settings: &LayeredSettings) -> bool {
    let pytest = pytest_config::read_whole(root, None, settings.in_force().projects.as_deref());
    !pytest.nested.projects.is_empty()
}

fn ready(project: &Project) -> Response {
    Response::ContextReady {
        protocol_version: PROTOCOL_VERSION,
        context_id: project.id.clone(),
        inventory_hash: project.state.inventory.load().hash(),
    }
}

/// The root that a path from a client names, its symlinks resolved.
pub(super) fn repo_root(repo_path: &str) -> Result<PathBuf, Refusal> {
    let path = Path::new(repo_path);
    if !path.is_absolute() {
        return Err(invalid(format!("repo_path {repo_path:?} is not absolute; give the project's whole path")));
    }
    if !path.is_dir() {
        let what = if path.exists() { "is no folder" } else { "does not exist" };
        return Err(invalid(format!("repo_path {repo_path:?} {what}; give the project's root folder")));
    }
    path.canonicalize().map_err(|error| invalid(format!("repo_path {repo_path:?} can't be read: {error}")))
}
