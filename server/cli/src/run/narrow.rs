//! Narrows the selected tests by the recorded outcomes and by shard.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use pytest_lens_protocol::{NodeId, Request, Response};

use crate::engine::client::Client;
use crate::engine::{inventory, shards};
use crate::failure::Failure;
use crate::options::{addopts, arguments, collecting, selectors};

/// The selected tests that failed when they last ran, or all from the first of them on, and the files that can't be
/// collected. Empty if there are none. `passed`: pytest's options, which may leave out tests.
pub(crate) async fn previously_failed(
    client: &Client,
    root: &Path,
    selected: &[String],
    passed: &[String],
    only_failed: bool,
) -> Result<Vec<String>, Failure> {
    // This collects: the tests of files that are repaired by now count as failed.
    let broken = broken(client, root, selected, passed).await?;
    let recorded = last_failed(client).await?;
    let is_selected = |id: &str| is_named(selected, id) && !addopts::leave_out(root, id, passed);
    let recorded: BTreeSet<String> = recorded.into_iter().filter(|id| is_selected(id)).collect();
    if recorded.is_empty() && (broken.is_empty() || !only_failed) {
        return Ok(Vec::new());
    }
    let known: Vec<String> = inventory::inventory(client).await?.into_iter().map(|node| node.node_id).collect();
    let mut left: Vec<String> = if only_failed {
        known.iter().filter(|id| recorded.contains(*id)).cloned().collect()
    } else {
        known.iter().filter(|id| is_selected(id)).skip_while(|id| !recorded.contains(*id)).cloned().collect()
    };
    if collecting::word(passed).is_some() {
        // Tests that only this command line has are not known, but their files are.
        let known: HashSet<&String> = known.iter().collect();
        let unknown = recorded.iter().filter(|id| !known.contains(id)).map(|id| NodeId::new(id).file());
        let files: BTreeSet<&str> = unknown.filter(|file| root.join(file).exists()).collect();
        left.extend(files.into_iter().map(str::to_owned));
    }
    left.extend(broken);
    Ok(left)
}

fn is_named(selected: &[String], id: &str) -> bool {
    selected.is_empty() || selected.iter().any(|wanted| selectors::covers(wanted, id))
}

/// The selected files that can't be collected. Collects if necessary.
async fn broken(
    client: &Client,
    root: &Path,
    selected: &[String],
    passed: &[String],
) -> Result<BTreeSet<String>, Failure> {
    // If nothing can be collected, the run says so.
    inventory::refresh(client).await;
    let files = super::affected::broken(client, root).await?.into_iter();
    let is_selected = |file: &String| {
        let is_part = |wanted: &String| selectors::covers(file, wanted);
        (is_named(selected, file) || selected.iter().any(is_part)) && !addopts::leave_out(root, file, passed)
    };
    Ok(files.filter(is_selected).collect())
}

/// How often the tests of a run are selected again because some went before it began.
pub(crate) const ATTEMPTS: usize = 3;

/// Whether one of these ids names a test that has gone since they were found.
pub(crate) async fn has_gone(client: &Client, root: &Path, ids: &[String]) -> bool {
    if ids.iter().any(|id| !root.join(NodeId::new(id).file()).exists()) {
        return true;
    }
    let Ok(known) = inventory::inventory(client).await else { return false };
    let is_known = |id: &String| known.iter().any(|node| selectors::covers(id, &node.node_id));
    ids.iter().any(|id| NodeId::new(id).names().is_some() && !is_known(id))
}

/// Whether a run continues with the failures of the last one.
pub(crate) fn continues_last(options: &arguments::Run) -> bool {
    options.last_failed || (is_stepwise(options) && !options.stepwise_reset)
}

pub(super) fn is_stepwise(options: &arguments::Run) -> bool {
    options.stepwise || options.stepwise_skip || options.stepwise_reset
}

/// All tests that failed when they last ran.
pub(super) async fn last_failed(client: &Client) -> Result<HashSet<String>, Failure> {
    match client.session.call(Request::GetLastFailed { context_id: client.context_id.clone() }).await {
        Response::TestList { node_ids } => Ok(node_ids.into_iter().collect()),
        other => Err(Failure::of_response(other)),
    }
}

/// The cases of these tests that failed when they last ran, of functions whose cases are others by now.
pub(crate) async fn cases_that_are_gone(client: &Client, selected: &[String]) -> Result<Vec<String>, Failure> {
    let known = inventory::inventory(client).await?;
    let ids: HashSet<&str> = known.iter().map(|node| &*node.node_id).collect();
    let functions: HashSet<&str> = known.iter().map(|node| NodeId::new(&node.node_id).function().as_str()).collect();
    let is_gone = |id: &String| !ids.contains(&**id) && functions.contains(NodeId::new(id).function().as_str());
    let failed = last_failed(client).await?.into_iter();
    let mut gone: Vec<String> = failed.filter(|id| is_named(selected, id) && is_gone(id)).collect();
    gone.sort_unstable();
    Ok(gone)
}

/// The number of tests that failed when they last ran, if none of them is selected.
pub(super) async fn failed_elsewhere(client: &Client) -> Result<usize, Failure> {
    let failed = last_failed(client).await?;
    if failed.is_empty() {
        return Ok(0);
    }
    Ok(inventory::inventory(client).await?.iter().filter(|node| failed.contains(&node.node_id)).count())
}

/// Clears what this run and later ones are narrowed and ordered by.
pub(crate) async fn clear(client: &Client) -> Result<(), Failure> {
    match client.session.call(Request::ClearLastOutcomes { context_id: client.context_id.clone() }).await {
        Response::ControlAck => Ok(()),
        other => Err(Failure::of_response(other)),
    }
}

/// Why a shard has nothing to run.
pub(crate) fn empty_shard((index, total): (u32, u32)) -> String {
    format!("shard {index}/{total} of the selected tests is empty")
}

/// One shard of the tests that the ids and expressions select, as if there were no others. Files that can't be collected
/// are in each: nobody knows their tests.
pub(crate) async fn shard_of(
    client: &Client,
    root: &Path,
    mut node_ids: Vec<String>,
    shard: (u32, u32),
    options: &arguments::Run,
) -> Result<Vec<String>, Failure> {
    if let Some(word) = collecting::word(&options.passed) {
        return Err(Failure::usage(format!(
            "`--shard` does not know the tests of `{word}`: write it in `addopts` of pytest's configuration instead"
        )));
    }
    let broken = broken(client, root, &node_ids, &options.passed).await?;
    let strategy = &options.strategy.name;
    if let Some(filtered) = inventory::filtered(client, &options.filter).await? {
        let named = shards::tests(client, node_ids, (1, 1), strategy).await?;
        node_ids = named.into_iter().filter(|id| filtered.contains(id)).collect();
        if node_ids.is_empty() {
            return Ok(broken.into_iter().collect());
        }
    }
    let mut tests = shards::tests(client, node_ids, shard, strategy).await?;
    tests.extend(broken);
    Ok(tests)
}
