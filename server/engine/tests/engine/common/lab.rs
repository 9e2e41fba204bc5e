//! An engine over a project, and short ways to ask it the usual things.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pytest_lens_engine::{Call, Connect, Engine, EngineConfig};
use pytest_lens_protocol::{ErrorCode, Request, Response, RunEndStatus, RunOptions, TestNodeInfo};
use tempfile::TempDir;

use super::project::write_script;
use super::{Log, Project, Ran, gone, in_time, python, worker_cache};

/// An engine with folders of its own.
pub(crate) struct Bench {
    pub engine: Arc<Engine>,
    pub session: Arc<dyn Call>,
    /// The engine's folders are in it, and there is room for more.
    pub folder: TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Bench::living(false)
    }

    fn living(resident: bool) -> Self {
        Bench::within(TempDir::with_prefix("lens-bench-").unwrap(), "cache", resident)
    }

    /// With an engine whose caches go to `cache` in the folder, whatever is there already.
    fn within(folder: TempDir, cache: &str, resident: bool) -> Self {
        let rest_after = std::time::Duration::from_secs(if resident { 20 } else { 1 });
        Bench::resting(folder, cache, resident, rest_after)
    }

    fn resting(folder: TempDir, cache: &str, resident: bool, rest_after: std::time::Duration) -> Self {
        let (cache_dir, state_dir) = (folder.path().join(cache), folder.path().join("state"));
        let config =
            EngineConfig { cache_dir: cache_dir.clone(), state_dir, resident, rest_after, ..EngineConfig::for_user() };
        let engine = Engine::start(config).unwrap();
        worker_cache::add_compiled(&cache_dir);
        Bench { session: engine.session(), engine, folder }
    }

    pub(crate) async fn call(&self, request: Request) -> Response {
        in_time(request.tag(), self.session.call(request.clone())).await
    }

    pub(crate) async fn init(&self, root: &Path, python: &Path, mode: Option<&str>) -> Response {
        self.open(root, Some(python), mode).await
    }

    /// Without `python`, the interpreter is looked for.
    pub(crate) async fn open(&self, root: &Path, python: Option<&Path>, mode: Option<&str>) -> Response {
        self.call(Request::InitContext {
            protocol_version: 1,
            repo_path: root.to_string_lossy().into(),
            python_path: python.map(|path| path.to_string_lossy().into()),
            execution_mode: mode.map(str::to_owned),
            activated: None,
        })
        .await
    }

    /// A program that starts the interpreter in another way: `how` is shell text, in which `{python}` stands for it.
    pub(crate) fn interpreter(&self, name: &str, how: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        let how = how.replace("{python}", &format!("'{}'", python().display()));
        write_script(&path, &format!("#!/bin/sh\n{how}\n"));
        path
    }
}

/// A run to make, with its options.
#[derive(Clone, Default)]
pub(crate) struct Order {
    ids: Vec<String>,
    workers: Option<u32>,
    maxfail: Option<u32>,
    options: RunOptions,
}

impl Order {
    pub(crate) fn all() -> Self {
        Order::default()
    }

    pub(crate) fn of(ids: &[&str]) -> Self {
        Order { ids: ids.iter().map(|id| (*id).to_owned()).collect(), ..Order::default() }
    }

    pub(crate) fn workers(self, workers: u32) -> Self {
        Order { workers: Some(workers), ..self }
    }

    pub(crate) fn maxfail(self, maxfail: u32) -> Self {
        Order { maxfail: Some(maxfail), ..self }
    }

    pub(crate) fn with(mut self, set: impl FnOnce(&mut RunOptions)) -> Self {
        set(&mut self.options);
        self
    }
}

/// An engine with one context.
pub(crate) struct Lab {
    pub project: Project,
    pub bench: Bench,
    pub context: String,
}

impl Lab {
    /// An engine as a command has it that ends soon: it keeps nothing ready for runs to come, which saves time here.
    pub(crate) async fn open(files: &[(&str, &str)]) -> Self {
        Lab::open_in("auto", files).await
    }

    /// As [`Lab::open`], in one of the modes.
    pub(crate) async fn open_in(mode: &str, files: &[(&str, &str)]) -> Self {
        Lab::over(mode, files, Bench::new()).await
    }

    /// An engine as editors have it: processes stand by for the next run, and the disk is watched for who reads events.
    pub(crate) async fn resident(files: &[(&str, &str)]) -> Self {
        Lab::resident_in("auto", files).await
    }

    /// A resident engine whose projects count as idle at once.
    pub(crate) async fn resting(files: &[(&str, &str)]) -> Self {
        let folder = TempDir::with_prefix("lens-bench-").unwrap();
        let bench = Bench::resting(folder, "cache", true, std::time::Duration::from_millis(20));
        Lab::over("auto", files, bench).await
    }

    /// The same over an interpreter, with the settings.
    pub(crate) async fn resting_on(python: &Path, files: &[(&str, &str)], settings: serde_json::Value) -> Self {
        let folder = TempDir::with_prefix("lens-bench-").unwrap();
        let bench = Bench::resting(folder, "cache", true, std::time::Duration::from_millis(20));
        let lab = Lab::with("auto", files, bench, python).await;
        lab.configure(settings).await;
        lab
    }

    /// Another project in the same engine.
    pub(crate) async fn beside(&self, files: &[(&str, &str)], python: &Path) -> Self {
        let engine = Arc::clone(&self.bench.engine);
        let folder = TempDir::with_prefix("lens-bench-").unwrap();
        Lab::with("auto", files, Bench { session: engine.session(), engine, folder }, python).await
    }

    /// An engine in one of the modes, resident where that makes a difference to runs: of fresh interpreters only the
    /// next one would be started ahead, and mostly for nothing here.
    pub(crate) async fn resident_in(mode: &str, files: &[(&str, &str)]) -> Self {
        Lab::over(mode, files, Bench::living(mode != "subprocess")).await
    }

    /// A resident engine in one of the modes.
    pub(crate) async fn living_in(mode: &str, files: &[(&str, &str)]) -> Self {
        Lab::over(mode, files, Bench::living(true)).await
    }

    /// A resident engine over an interpreter that does not start as long as the project has a file `hold`; it makes
    /// the file `waiting` meanwhile.
    pub(crate) async fn over_slow_interpreter(mode: &str, files: &[(&str, &str)]) -> Self {
        let bench = Bench::living(true);
        let how =
            "while [ -e \"${HOLD:-hold}\" ]; do touch \"${WAITING:-waiting}\"; sleep 0.01; done; exec {python} \"$@\"";
        let python = bench.interpreter("slow", how);
        Lab::with(mode, files, bench, &python).await
    }

    /// An engine over a stand-in for the interpreter that does what the runs' arguments tell it.
    pub(crate) async fn over_fake_worker() -> Self {
        let bench = Bench::living(true);
        let worker = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testkit/fake_worker.py");
        let python = bench.interpreter("fake", &format!("exec {{python}} -S -E '{}' \"$@\"", worker.display()));
        Lab::with("embedded", &[("test_fake.py", "")], bench, &python).await
    }

    /// An engine whose caches are to go where `cache` says, in a folder that `prepare` has seen.
    pub(crate) async fn with_cache(cache: &str, files: &[(&str, &str)], prepare: impl FnOnce(&Path)) -> Self {
        let folder = TempDir::with_prefix("lens-bench-").unwrap();
        prepare(folder.path());
        Lab::over("auto", files, Bench::within(folder, cache, false)).await
    }

    /// The same project and folders with another engine, after the end of this one and what `meanwhile` does in the
    /// folder.
    pub(crate) async fn again(self, meanwhile: impl FnOnce(&Path)) -> Self {
        self.restarted(false, &python(), meanwhile).await
    }

    /// As [`Lab::resident_in`], over another interpreter.
    pub(crate) async fn on(mode: &str, project: Project, python: &Path) -> Self {
        Lab::started(mode, project, Bench::living(mode != "subprocess"), Some(python)).await
    }

    /// As [`Lab::on`], over the interpreter that is found.
    pub(crate) async fn on_found(mode: &str, project: Project) -> Self {
        Lab::started(mode, project, Bench::living(mode != "subprocess"), None).await
    }

    /// As [`Lab::again`], over another interpreter.
    pub(crate) async fn restarted(self, resident: bool, python: &Path, meanwhile: impl FnOnce(&Path)) -> Self {
        self.bench.engine.shutdown().await;
        let Lab { project, bench: Bench { folder, .. }, .. } = self;
        meanwhile(folder.path());
        Lab::started("auto", project, Bench::within(folder, "cache", resident), Some(python)).await
    }

    async fn over(mode: &str, files: &[(&str, &str)], bench: Bench) -> Self {
        Lab::with(mode, files, bench, &python()).await
    }

    async fn with(mode: &str, files: &[(&str, &str)], bench: Bench, python: &Path) -> Self {
        Lab::started(mode, Project::new(files), bench, Some(python)).await
    }

    async fn started(mode: &str, project: Project, bench: Bench, python: Option<&Path>) -> Self {
        match bench.open(&project.root, python, Some(mode)).await {
            Response::ContextReady { context_id, .. } => Lab { project, bench, context: context_id },
            other => panic!("no context: {other:?}"),
        }
    }

    pub(crate) async fn call(&self, request: Request) -> Response {
        self.bench.call(request).await
    }

    /// Sets settings.
    pub(crate) async fn configure(&self, settings: serde_json::Value) {
        match self.call(Request::ConfigureContext { context_id: self.context.clone(), settings }).await {
            Response::ConfigAck { .. } => {}
            other => panic!("not configured: {other:?}"),
        }
    }

    pub(crate) async fn try_collect(&self, force: bool) -> Response {
        self.call(Request::Collect { context_id: self.context.clone(), force }).await
    }

    pub(crate) async fn collect(&self) -> usize {
        match self.try_collect(false).await {
            Response::CollectionComplete { node_count, .. } => node_count,
            other => panic!("not collected: {other:?}"),
        }
    }

    pub(crate) async fn inventory(&self) -> (String, Vec<TestNodeInfo>) {
        match self.call(Request::GetInventory { context_id: self.context.clone() }).await {
            Response::InventoryData { hash, nodes, .. } => (hash, nodes),
            other => panic!("no inventory: {other:?}"),
        }
    }

    /// The inventory's node ids, in its order.
    pub(crate) async fn ids(&self) -> Vec<String> {
        self.inventory().await.1.into_iter().map(|node| node.node_id).collect()
    }

    pub(crate) async fn list(&self, keyword: Option<&str>, marker: Option<&str>) -> Response {
        let (keyword, marker) = (keyword.map(str::to_owned), marker.map(str::to_owned));
        self.call(Request::List { context_id: self.context.clone(), keyword, marker }).await
    }

    /// Starts a run; a refusal is a failed test.
    pub(crate) async fn start(&self, order: Order) -> String {
        match self.call(self.stream_request(order)).await {
            Response::RunStarted { run_id, .. } => run_id,
            other => panic!("no run: {other:?}"),
        }
    }

    fn stream_request(&self, order: Order) -> Request {
        let Order { ids: node_ids, workers, maxfail, options } = order;
        Request::RunStream { context_id: self.context.clone(), node_ids, workers, maxfail, options: Some(options) }
    }

    /// Runs to the end, and checks what holds for every run.
    pub(crate) async fn run(&self, order: Order) -> Ran {
        let run_id = self.start(order).await;
        self.ended(&run_id).await
    }

    /// Waits for the end of a run that was started.
    pub(crate) async fn ended(&self, run_id: &str) -> Ran {
        Ran::wait(self.log(), run_id).await
    }

    /// Stops or kills a run, and waits for its end.
    pub(crate) async fn ordered(&self, run_id: &str, kill: bool) -> RunEndStatus {
        let run_id = run_id.to_owned();
        let request = if kill {
            Request::KillRun { run_id: run_id.clone() }
        } else {
            Request::StopRun { run_id: run_id.clone() }
        };
        assert_eq!(self.call(request).await, Response::ControlAck);
        self.ended(&run_id).await.status()
    }

    /// Runs without looking at the events, hence without watching the disk: total, passed, failed, skipped, errors.
    pub(crate) async fn counts(&self, order: Order) -> [usize; 5] {
        let Order { ids: node_ids, workers, maxfail, options } = order;
        let context_id = self.context.clone();
        match self.call(Request::Run { context_id, node_ids, workers, maxfail, options: Some(options) }).await {
            Response::RunComplete { total, passed, failed, skipped, errors, .. } => {
                [total, passed, failed, skipped, errors]
            }
            other => panic!("no run: {other:?}"),
        }
    }

    /// Why a run is refused.
    pub(crate) async fn refusal(&self, order: Order) -> (ErrorCode, String) {
        refused(self.call(self.stream_request(order)).await)
    }

    /// The context's events from the beginning, on a session of their own.
    pub(crate) fn log(&self) -> Log {
        Log::new(self.bench.engine.session(), &self.context)
    }

    /// Shuts the engine down; no process may be left of it, and no artifact.
    pub(crate) async fn close(self) {
        in_time("shutdown", self.bench.engine.shutdown()).await;
        gone(&self.project.mark()).await;
        let left = artifacts(self.bench.folder.path());
        assert!(left.is_empty(), "artifacts are left behind: {left:?}");
    }
}

/// The folders of runs' artifacts in an engine's folder.
fn artifacts(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let folders = entries.filter(|path| path.is_dir() && !path.is_symlink());
    folders
        .flat_map(|path| match path.extension().is_some_and(|end| end == "artifacts") {
            true => std::fs::read_dir(&path).into_iter().flatten().flatten().map(|run| run.path()).collect(),
            false => artifacts(&path),
        })
        .collect()
}

/// The code and message of an answer that must be an error.
pub(crate) fn refused(response: Response) -> (ErrorCode, String) {
    match response {
        Response::Error { code, message, .. } => (code, message),
        other => panic!("not refused: {other:?}"),
    }
}
