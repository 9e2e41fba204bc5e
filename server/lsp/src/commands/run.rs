//! Commands that run tests: they find the folders and ids, and start the runs.

use std::path::Path;
use std::sync::Arc;

use lsp_types::{MessageType, Position};
use pytest_lens_protocol::{FileSkip, NodeId, Request, Response, RunOnSave, RunOptions};
use ropey::Rope;
use serde_json::{Value, json};

use crate::commands::args::{AffectedArgs, FolderArgs, RunArgs};
use crate::commands::control::folders;
use crate::documents::text::Text;
use crate::engine::collect::{catch_up, collect};
use crate::engine::connection;
use crate::error::{CommandError, CommandResult, ErrorKind};
use crate::paths::path_of;
use crate::session::message::Outgoing;
use crate::session::state::{Shared, State};
use crate::timing::CATCH_UP_LIMIT;
use crate::workspaces::runnables::innermost;
use crate::workspaces::workspace::RunRequest;

/// A run that the engine accepted.
struct Accepted {
    folder: String,
    run_id: String,
    total: usize,
}

/// `pytestLens.run`.
pub(crate) async fn run(shared: &Arc<Shared>, args: RunArgs) -> CommandResult<Value> {
    let selected = select(shared, &args)?;
    let reruns = shared.state().reruns(&selected, args.rerun);
    let (workers, maxfail) = (args.workers, args.maxfail);
    let options = RunOptions { reruns, ..options(args) };
    let request = |ids| RunRequest { ids, workers, maxfail, options: options.clone() };
    let requests = selected.into_iter().map(|(folder, ids)| (folder, request(ids))).collect();
    start_all(shared, requests, Missing::Refused).await
}

/// The run options in a command's argument.
fn options(args: RunArgs) -> RunOptions {
    RunOptions {
        keyword: args.keyword,
        marker: args.marker,
        arguments: args.arguments.unwrap_or_default(),
        run_disabled: args.run_disabled.unwrap_or_default(),
        timeout_ms: args.timeout_ms,
        reruns: None,
        source: Some("editor".into()),
        auto_workers: false,
        coverage: args.coverage.unwrap_or_default(),
        until_failure: args.until_failure,
        first: Vec::new(),
        in_order_of: Vec::new(),
        whole_files: false,
        ends_with_session: false,
        full_reports: false,
        timings: false,
        phase_durations: false,
        executor: None,
    }
}

/// `pytestLens.debug`.
pub(crate) async fn debug(shared: &Arc<Shared>, args: RunArgs) -> CommandResult<Value> {
    let mut selected = select(shared, &args)?.into_iter();
    let (Some((folder, node_ids)), None) = (selected.next(), selected.next()) else {
        return Err(CommandError::arguments(
            "tests of several folders can't be debugged at the same time: name one folder in `workspace`",
        ));
    };
    let context_id = connection::context(shared, &folder).await?;
    let request = Request::DebugRun { context_id, node_ids: node_ids.clone(), options: Some(options(args)) };
    match shared.call(request).await.map_err(|error| refusal(shared, &folder, &node_ids, error))? {
        Response::DebugStarted { run_id, host, port } => {
            // Without a plugin nothing reads the answer, and the tests wait for a person to attach.
            if !shared.state().features.opted_in {
                let text = format!("the tests wait for a debugger: attach to debugpy at {host}:{port}");
                shared.send(Outgoing::Message { kind: MessageType::INFO, text });
            }
            Ok(json!({ "runId": run_id, "host": host, "port": port }))
        }
        other => Err(CommandError::unexpected("debug_run", &other)),
    }
}

/// `pytestLens.runFailed`.
pub(crate) async fn run_failed(shared: &Arc<Shared>, args: FolderArgs) -> CommandResult<Value> {
    let mut requests = Vec::new();
    for folder in folders(shared, args.workspace.as_deref())? {
        let ids = failed_in(shared, &folder).await?;
        if !ids.is_empty() {
            requests.push((folder, editor_request(ids)));
        }
    }
    if requests.is_empty() {
        return Err(CommandError::failed(
            "no test failed when it last ran, so there is nothing to repeat: run tests first",
        ));
    }
    start_all(shared, requests, Missing::LeftOut).await
}

/// The tests of a folder whose last outcome is a failure: from runs of this server, or from the history for tests that
/// it has not run.
async fn failed_in(shared: &Arc<Shared>, folder: &str) -> CommandResult<Vec<String>> {
    let context_id = connection::context(shared, folder).await?;
    let recorded = match shared.call(Request::GetLastFailed { context_id }).await? {
        Response::TestList { node_ids } => node_ids,
        other => return Err(CommandError::unexpected("get_last_failed", &other)),
    };
    let state = shared.state();
    let Some(workspace) = state.workspace(folder) else { return Ok(Vec::new()) };
    let mut ids = workspace.view.failed();
    let is_open = |id: &String| workspace.view.item(id).is_some() && workspace.view.result(id).is_none();
    ids.extend(recorded.into_iter().filter(is_open));
    Ok(ids)
}

/// `pytestLens.runLast`.
pub(crate) async fn run_last(shared: &Arc<Shared>, args: FolderArgs) -> CommandResult<Value> {
    let folders = folders(shared, args.workspace.as_deref())?;
    let requests = {
        let state = shared.state();
        let last = |folder: String| {
            let workspace = state.workspace(&folder)?;
            let last_run = || workspace.view.last_run().cloned().map(editor_request);
            let request = workspace.last_request.clone().or_else(last_run)?;
            Some((folder, request))
        };
        folders.into_iter().filter_map(last).collect::<Vec<_>>()
    };
    if requests.is_empty() {
        return Err(CommandError::failed("nothing was run yet, so there is nothing to repeat: run a test first"));
    }
    start_all(shared, requests, Missing::LeftOut).await
}

fn editor_request(ids: Vec<String>) -> RunRequest {
    let options = RunOptions { source: Some("editor".into()), ..RunOptions::default() };
    RunRequest { ids, options, ..RunRequest::default() }
}

/// The tests that a saved file runs, by its folder's settings.
pub(crate) fn run_on_save(shared: &Arc<Shared>, path: &Path) {
    let inner = Arc::clone(shared);
    let found = {
        let state = shared.state();
        state.workspace_of(path).filter(|_| state.trusted).map(|workspace| {
            let mode = workspace.settings.run_on_save;
            (workspace.uri.clone(), mode, workspace.holds_tests(path), workspace.relative(path))
        })
    };
    let Some((folder, mode, holds_tests, Some(file))) = found else { return };
    match mode {
        RunOnSave::File if holds_tests => {}
        RunOnSave::Affected => {}
        RunOnSave::Off | RunOnSave::File => return,
    }
    shared.spawn(async move {
        let started = async {
            let ids =
                if mode == RunOnSave::Affected { affected_ids(&inner, &folder, vec![file]).await? } else { vec![file] };
            if !ids.is_empty() {
                start(&inner, &folder, editor_request(ids)).await?;
            }
            Ok(())
        };
        let started: CommandResult<()> = started.await;
        if let Err(error) = started {
            inner.show_once(MessageType::WARNING, &error.message);
        }
    });
}

/// `pytestLens.affected`: by folder, the test files that a change of these files can reach.
pub(crate) async fn affected(shared: &Arc<Shared>, args: AffectedArgs) -> CommandResult<Value> {
    let mut answer = Vec::new();
    for folder in folders(shared, args.workspace.as_deref())? {
        let files: Vec<String> = {
            let state = shared.state();
            let paths = args.uris.iter().filter_map(|uri| path_of(uri));
            let own = paths.filter_map(|path| {
                state.workspace_of(&path).filter(|workspace| workspace.uri == folder)?.relative(&path)
            });
            own.collect()
        };
        if !files.is_empty() {
            let ids = affected_ids(shared, &folder, files).await?;
            answer.push(json!({ "workspace": folder, "ids": ids }));
        }
    }
    Ok(json!({ "folders": answer }))
}

/// The test files that changed files of a folder can reach.
async fn affected_ids(shared: &Arc<Shared>, folder: &str, files: Vec<String>) -> CommandResult<Vec<String>> {
    let context_id = connection::context(shared, folder).await?;
    match shared.call(Request::GetAffected { context_id, paths: files }).await? {
        Response::TestList { node_ids } => Ok(node_ids),
        other => Err(CommandError::unexpected("get_affected", &other)),
    }
}

/// The folders that a command concerns, with the ids in each; no ids mean the whole folder.
fn select(shared: &Arc<Shared>, args: &RunArgs) -> CommandResult<Vec<(String, Vec<String>)>> {
    match (&args.ids, &args.text_document, args.position) {
        (Some(_), Some(_), _) => Err(CommandError::arguments("give either `ids` or `textDocument`, not both")),
        (Some(ids), None, None) => select_ids(shared, ids, args.workspace.as_deref()),
        (None, Some(document), position) => {
            let named = args.workspace.as_deref().map(|named| folders(shared, Some(named))).transpose()?;
            let folder = named.and_then(|named| named.into_iter().next());
            shared.state().select_in(document.uri.as_str(), position, folder.as_deref())
        }
        (_, None, Some(_)) => Err(CommandError::arguments("`position` needs its `textDocument`: give both")),
        (None, None, None) => {
            let all = folders(shared, args.workspace.as_deref())?;
            Ok(all.into_iter().map(|folder| (folder, Vec::new())).collect())
        }
    }
}

fn select_ids(shared: &Arc<Shared>, ids: &[String], named: Option<&str>) -> CommandResult<Vec<(String, Vec<String>)>> {
    if ids.is_empty() {
        return Err(CommandError::arguments("`ids` names no test: name at least one, or leave it out to run all"));
    }
    let mut selected: Vec<(String, Vec<String>)> = Vec::new();
    for id in ids {
        let folder = folder_of_id(shared, id, named)?;
        match selected.iter_mut().find(|(other, _)| *other == folder) {
            Some((_, ids)) => ids.push(id.clone()),
            None => selected.push((folder, vec![id.clone()])),
        }
    }
    Ok(selected)
}

/// The folder of a node id: the named folder, the only one, or the first that knows the id or has its file.
pub(crate) fn folder_of_id(shared: &Arc<Shared>, id: &str, named: Option<&str>) -> CommandResult<String> {
    let candidates = folders(shared, named)?;
    if let [only] = candidates.as_slice() {
        return Ok(only.clone());
    }
    let state = shared.state();
    let of = |folder: &&String| state.workspace(folder);
    let knows = candidates.iter().find(|folder| of(folder).is_some_and(|workspace| workspace.view.item(id).is_some()));
    let has_file =
        || candidates.iter().find(|folder| of(folder).is_some_and(|workspace| workspace.file_of(id).is_file()));
    knows.or_else(has_file).cloned().ok_or_else(|| {
        CommandError::arguments(format!("no open folder holds {id}: check the id, or collect the tests again"))
    })
}

impl State {
    /// The file of a document, or its innermost test at a position; in the named folder, or the innermost one.
    fn select_in(
        &self,
        uri: &str,
        position: Option<Position>,
        folder: Option<&str>,
    ) -> CommandResult<Vec<(String, Vec<String>)>> {
        let path = self
            .key_of(uri)
            .ok_or_else(|| CommandError::arguments(format!("{uri} is no file on disk: save it first, then run it")))?;
        let outside = || {
            let path = path.display();
            match folder {
                Some(folder) => CommandError::arguments(format!(
                    "{path} does not lie in the `workspace` {folder}: name the folder that holds it, or leave it out"
                )),
                None => CommandError::failed(format!("{path} lies in no open folder: open the folder that holds it")),
            }
        };
        let named = || folder.and_then(|folder| self.workspace(folder));
        let workspace = named().or_else(|| self.workspace_of(&path)).ok_or_else(outside)?;
        let file = workspace.relative(&path).ok_or_else(outside)?;
        let Some(position) = position else { return Ok(vec![(workspace.uri.clone(), vec![file])]) };
        let positions = self.positions(workspace);
        let runnables = match self.documents.get(&path) {
            Some(document) => positions.runnables(&path, &document.text),
            None => positions.runnables(&path, &self.text_on_disk(&path, &file)?),
        };
        let ids: Vec<String> = innermost(runnables, position.line).into_iter().map(|runnable| runnable.id).collect();
        if ids.is_empty() {
            return Err(CommandError::failed(format!(
                "there is no test at line {} of {file}: put the cursor into a test, or run the whole file",
                position.line + 1
            )));
        }
        Ok(vec![(workspace.uri.clone(), ids)])
    }

    fn text_on_disk(&self, path: &Path, file: &str) -> CommandResult<Text> {
        let text = pytest_lens_analysis::listing::read_text(path)
            .map_err(|error| CommandError::failed(format!("{file} can't be read: {error}; save it first")))?;
        Ok(Text::new(Rope::from_str(&text), self.reader(path)))
    }

    fn reruns(&self, selected: &[(String, Vec<String>)], wanted: Option<bool>) -> Option<u32> {
        match wanted? {
            false => Some(0),
            true => {
                let folder = selected.first().and_then(|(folder, _)| self.workspace(folder));
                Some(folder.map_or(1, |workspace| workspace.settings.rerun.max_reruns.max(1)))
            }
        }
    }
}

/// The effect of an id without a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    /// The user named it: nothing runs.
    Refused,
    /// The run is a repetition: the tests that still exist run, as with pytest's `--lf`.
    LeftOut,
}

/// Starts a run in each of these folders. If one of several can't run, the others still do.
async fn start_all(
    shared: &Arc<Shared>,
    requests: Vec<(String, RunRequest)>,
    missing: Missing,
) -> CommandResult<Value> {
    let several = requests.len() > 1;
    let mut accepted = Vec::new();
    let mut failed = Vec::new();
    for (folder, request) in requests {
        let started = match missing {
            Missing::Refused => start(shared, &folder, request).await,
            Missing::LeftOut => repeat(shared, &folder, request).await,
        };
        match started {
            Ok(run) => accepted.push(run),
            Err(error) => failed.push(error),
        }
    }
    let total: usize = accepted.iter().map(|run| run.total).sum();
    let Some(first) = accepted.first() else {
        return Err(failed.into_iter().next().unwrap_or_else(|| nothing_selected(&[])));
    };
    for error in &failed {
        shared.show_once(MessageType::ERROR, &error.message);
    }
    let mut answer = json!({ "runId": first.run_id, "total": total });
    if let Some(map) = answer.as_object_mut().filter(|_| several) {
        let runs = accepted.iter().map(|run| json!({"workspace": run.folder, "runId": run.run_id, "total": run.total}));
        map.insert("runs".into(), runs.collect());
    }
    Ok(answer)
}

async fn start(shared: &Arc<Shared>, folder: &str, request: RunRequest) -> CommandResult<Accepted> {
    let context_id = connection::context(shared, folder).await?;
    let RunRequest { ids: node_ids, workers, maxfail, options } = request.clone();
    let all = Request::RunStream { context_id: context_id.clone(), node_ids, workers, maxfail, options: Some(options) };
    match shared.call(all).await.map_err(|error| refusal(shared, folder, &request.ids, error))? {
        Response::RunStarted { run_id, total_tests: 0 } => {
            // The reason comes with the events of the run.
            let _ = tokio::time::timeout(CATCH_UP_LIMIT, catch_up(shared, folder, &context_id)).await;
            let state = shared.state();
            let skipped = state.workspace(folder).map(|workspace| workspace.view.skipped_files(&run_id));
            Err(nothing_selected(skipped.unwrap_or_default()))
        }
        Response::RunStarted { run_id, total_tests } => {
            if let Some(workspace) = shared.state().workspace_mut(folder) {
                workspace.last_request = Some(request);
            }
            Ok(Accepted { folder: folder.to_owned(), run_id, total: total_tests })
        }
        other => Err(CommandError::unexpected("run_stream", &other)),
    }
}

/// The error for tests that the engine refuses: it knows only the disk.
fn refusal(shared: &Arc<Shared>, folder: &str, ids: &[String], error: CommandError) -> CommandError {
    if error.kind != ErrorKind::Arguments {
        return error;
    }
    let mut state = shared.state();
    ids.iter().find_map(|id| state.unsaved(folder, id)).unwrap_or(error)
}

impl State {
    /// The error for a test that only the live text of its document has; `None` for any other.
    fn unsaved(&mut self, folder: &str, id: &str) -> Option<CommandError> {
        let suffix = NodeId::new(id).names()?;
        let path = self.workspace(folder)?.file_of(id);
        let saved = path.is_file().then(|| self.read_disk(&path)).flatten();
        self.documents.get(&path)?.text.node(suffix)?;
        if saved.is_some_and(|saved| saved.node(suffix).is_some()) {
            return None;
        }
        let file = NodeId::new(id).file();
        Some(CommandError::arguments(format!("{id} is not saved yet: save {file} first, then run it")))
    }
}

/// Starts a run of tests that ran before; those that are gone since are left out.
async fn repeat(shared: &Arc<Shared>, folder: &str, request: RunRequest) -> CommandResult<Accepted> {
    let refused = match start(shared, folder, request.clone()).await {
        Err(error) if error.kind == ErrorKind::Arguments && !request.ids.is_empty() => error,
        started => return started,
    };
    let context_id = connection::context(shared, folder).await?;
    collect(shared, folder, context_id, false, false).await?;
    let ids: Vec<String> = {
        let state = shared.state();
        let exists = |id: &&String| state.workspace(folder).is_some_and(|workspace| workspace.view.item(id).is_some());
        request.ids.iter().filter(exists).cloned().collect()
    };
    if ids.is_empty() {
        return Err(CommandError::failed(
            "all tests to repeat were renamed or deleted, so there is nothing to repeat: run other tests",
        ));
    }
    if ids.len() == request.ids.len() {
        return Err(refused);
    }
    start(shared, folder, RunRequest { ids, ..request }).await
}

/// The error for a run without a test. `skipped`: the files of the run that skip themselves.
fn nothing_selected(skipped: &[FileSkip]) -> CommandError {
    let Some(first) = skipped.first() else {
        return CommandError::failed(
            "no test was selected: check the file, `keyword` and `marker`, or collect the tests again",
        );
    };
    let more = match skipped.len() - 1 {
        0 => String::new(),
        1 => " (and 1 other file)".into(),
        more => format!(" (and {more} other files)"),
    };
    let FileSkip { path, reason, .. } = first;
    CommandError::failed(format!("no test was selected: {path} skips itself as a whole: {reason}{more}"))
}
