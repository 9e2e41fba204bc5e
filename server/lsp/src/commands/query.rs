//! Commands that query: the tree, a test's output, flakiness, the status.

use std::sync::Arc;

use pytest_lens_protocol::{FlakinessInfo, Request, Response};
use serde_json::{Value, json};

use crate::commands::args::{FlakinessArgs, FolderArgs, OutputArgs, ResolveArgs, TestsArgs};
use crate::commands::control::folders;
use crate::commands::run::folder_of_id;
use crate::engine::connection;
use crate::error::{CommandError, CommandResult};
use crate::session::message::Outgoing;
use crate::session::state::Shared;
use crate::workspaces::outcome::words;

/// The most items on a page.
const PAGE: usize = 1000;

/// `pytestLens.tests`: the whole tree, parents before children, or the children of one item. With several folders, each
/// item names its folder.
pub(crate) fn tests(shared: &Arc<Shared>, args: TestsArgs) -> CommandResult<Value> {
    let wanted = folders(shared, args.workspace.as_deref())?;
    let from: usize = match args.cursor.as_deref().map(str::parse) {
        None => 0,
        Some(Ok(from)) => from,
        Some(Err(_)) => {
            return Err(CommandError::arguments("`cursor` must be the `next` of the page before, or left out"));
        }
    };
    let outline = args.outline.unwrap_or_default();
    let mut state = shared.state();
    if outline && from == 0 && state.features.lazy_tests {
        // A client that starts again requests the tests of files again.
        let read = state.workspaces.iter_mut().filter(|workspace| wanted.contains(&workspace.uri));
        read.for_each(|workspace| workspace.outline.close());
    }
    let several = wanted.len() > 1;
    let mut items = Vec::new();
    let mut at = 0;
    for workspace in state.workspaces.iter().filter(|workspace| wanted.contains(&workspace.uri)) {
        let positions = state.positions(workspace);
        let all = match args.parent.as_deref() {
            Some(parent) => workspace.view.children(Some(parent)),
            None => workspace.view.preorder(),
        };
        for item in all.into_iter().filter(|item| !outline || item.kind.is_outline()) {
            if (from..from + PAGE).contains(&at) {
                let mut value = serde_json::to_value(positions.item(item)).unwrap_or_default();
                if let Some(map) = value.as_object_mut() {
                    if several {
                        map.insert("workspace".into(), workspace.uri.clone().into());
                    }
                    if workspace.view.is_stale(&item.id) {
                        map.insert("stale".into(), true.into());
                    }
                }
                items.push(value);
            }
            at += 1;
        }
    }
    let mut answer = json!({ "items": items });
    if at > from + PAGE
        && let Some(map) = answer.as_object_mut()
    {
        map.insert("next".into(), (from + PAGE).to_string().into());
    }
    Ok(answer)
}

/// `pytestLens.resolve`: for a client that asks for tests file by file. They come by notification, so that no later
/// change overtakes them.
pub(crate) fn resolve(shared: &Arc<Shared>, args: ResolveArgs) -> CommandResult<Value> {
    let wanted = folders(shared, args.workspace.as_deref())?;
    let mut state = shared.state();
    if !state.features.opted_in {
        return Err(CommandError::failed(
            "`pytestLens.resolve` answers by notifications, which this client does not accept: use `pytestLens.tests`",
        ));
    }
    let mut files = Vec::new();
    for folder in wanted {
        let (found, told) = state.resolve(&folder, &args.ids);
        files.extend(found);
        told.into_iter().for_each(|message| shared.send(message));
    }
    Ok(json!({ "files": files }))
}

/// `pytestLens.output`. A client without a plugin ignores the answer: it shows the text for people instead.
pub(crate) async fn output(shared: &Arc<Shared>, args: OutputArgs) -> CommandResult<Value> {
    let folder = folder_of_id(shared, &args.id, args.workspace.as_deref())?;
    let context_id = connection::context(shared, &folder).await?;
    match shared.call(Request::GetOutput { context_id, node_id: args.id }).await? {
        Response::TestOutput { node_id, outcome, message, longrepr, stdout, stderr, log } => {
            if !shared.state().features.opted_in {
                let told = longrepr.as_ref().or(message.as_ref()).cloned().unwrap_or_default();
                let head = format!("{node_id}: {}", outcome.as_deref().map_or("not run", words));
                let parts = [("", told), ("stdout", stdout.clone()), ("stderr", stderr.clone()), ("log", log.clone())];
                shared.send(Outgoing::Show { title: node_id.clone(), text: page(&head, &parts) });
            }
            Ok(without_nulls(json!({
                "id": node_id,
                "outcome": outcome,
                "message": message,
                "longrepr": longrepr,
                "stdout": stdout,
                "stderr": stderr,
                "log": log,
            })))
        }
        other => Err(CommandError::unexpected("get_output", &other)),
    }
}

/// A heading, then the parts that are not empty under headings of their own, without colors.
fn page(head: &str, parts: &[(&str, String)]) -> String {
    let mut text = format!("{head}\n");
    for (name, part) in parts.iter().filter(|(_, part)| !part.trim().is_empty()) {
        let rule = if name.is_empty() { String::new() } else { format!("--- {name} ---\n") };
        text.push_str(&format!("\n{rule}{}\n", console::strip_ansi_codes(part).trim_end()));
    }
    text
}

/// `pytestLens.flakiness`.
pub(crate) async fn flakiness(shared: &Arc<Shared>, args: FlakinessArgs) -> CommandResult<Value> {
    if let Some(node_id) = args.id {
        let folder = folder_of_id(shared, &node_id, args.workspace.as_deref())?;
        let context_id = connection::context(shared, &folder).await?;
        let request = Request::GetTestFlakiness { context_id, node_id };
        return one_test(shared.call(request).await?);
    }
    let mut report = json!({ "flaky": [], "unstable": [], "stableCount": 0, "totalTracked": 0 });
    for folder in folders(shared, args.workspace.as_deref())? {
        let context_id = connection::context(shared, &folder).await?;
        match shared.call(Request::GetFlakinessReport { context_id }).await? {
            Response::FlakinessReport { flaky_tests, unstable_tests, stable_count, total_tracked } => {
                add(&mut report, "flaky", &flaky_tests);
                add(&mut report, "unstable", &unstable_tests);
                add_count(&mut report, "stableCount", stable_count);
                add_count(&mut report, "totalTracked", total_tracked);
            }
            other => return Err(CommandError::unexpected("get_flakiness_report", &other)),
        }
    }
    Ok(report)
}

/// `pytestLens.status`: how each folder runs its tests, and the reasons.
pub(crate) async fn status(shared: &Arc<Shared>, args: FolderArgs) -> CommandResult<Value> {
    let mut all = Vec::new();
    for folder in folders(shared, args.workspace.as_deref())? {
        let context_id = connection::context(shared, &folder).await?;
        match shared.call(Request::GetContextStatus { context_id }).await? {
            Response::ContextStatus {
                python_path,
                python_version,
                pytest_version,
                execution_mode,
                mode_reason,
                hazards,
                ..
            } => all.push(json!({
                "workspace": folder,
                "mode": execution_mode,
                "modeReason": mode_reason,
                "pythonPath": python_path,
                "pythonVersion": python_version,
                "pytestVersion": pytest_version,
                "hazards": hazards,
            })),
            other => return Err(CommandError::unexpected("get_context_status", &other)),
        }
    }
    Ok(json!({ "folders": all }))
}

fn one_test(response: Response) -> CommandResult<Value> {
    match response {
        Response::TestFlakiness {
            node_id,
            failure_rate,
            is_flaky,
            flaky_streak,
            consecutive_failures,
            consecutive_passes,
            total_runs,
            recent_outcomes,
        } => Ok(json!({
            "id": node_id,
            "isFlaky": is_flaky,
            "failureRate": failure_rate,
            "flips": flaky_streak,
            "totalRuns": total_runs,
            "consecutiveFailures": consecutive_failures,
            "consecutivePasses": consecutive_passes,
            "recentOutcomes": recent_outcomes,
        })),
        other => Err(CommandError::unexpected("get_test_flakiness", &other)),
    }
}

fn add(report: &mut Value, key: &str, tests: &[FlakinessInfo]) {
    let Some(list) = report.get_mut(key).and_then(Value::as_array_mut) else { return };
    list.extend(tests.iter().map(|test| {
        json!({
            "id": test.node_id,
            "failureRate": test.failure_rate,
            "flips": test.flaky_streak,
            "totalRuns": test.total_runs,
            "consecutiveFailures": test.consecutive_failures,
            "consecutivePasses": test.consecutive_passes,
        })
    }));
}

fn add_count(report: &mut Value, key: &str, count: usize) {
    if let Some(value) = report.get_mut(key) {
        *value = json!(value.as_u64().unwrap_or_default() + count as u64);
    }
}

fn without_nulls(mut value: Value) -> Value {
    if let Some(map) = value.as_object_mut() {
        map.retain(|_, value| !value.is_null());
    }
    value
}
