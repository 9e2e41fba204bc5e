//! Narrows the selected tests by the recorded outcomes and by shard.

use std::collections::HashSet;

use pytest_lens_protocol::{Request, Response};

use crate::engine::client::Client;
use crate::engine::{inventory, shards};
use crate::failure::Failure;
use crate::options::{arguments, selectors};

/// The selected tests that failed when they last ran, or all from the first of them on. Empty if none failed. `leave_out`:
/// whether pytest's options leave out a test.
pub(crate) async fn previously_failed(
    client: &Client,
    selected: &[String],
    leave_out: impl Fn(&str) -> bool,
    only_failed: bool,
) -> Result<Vec<String>, Failure> {
    let recorded = last_failed(client).await?;
    let is_named = |id: &str| selected.is_empty() || selected.iter().any(|wanted| selectors::covers(wanted, id));
    let is_selected = |id: &str| is_named(id) && !leave_out(id);
    let recorded: HashSet<String> = recorded.into_iter().filter(|id| is_selected(id)).collect();
    if recorded.is_empty() {
        return Ok(Vec::new());
    }
    // The run itself reports errors of collection.
    client.collect().await.ok();
    let known = inventory::inventory(client).await?.into_iter().map(|node| node.node_id);
    if only_failed {
        return Ok(known.filter(|id| recorded.contains(id)).collect());
    }
    Ok(known.filter(|id| is_selected(id)).skip_while(|id| !recorded.contains(id)).collect())
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

/// Clears what this run and later ones are narrowed and ordered by.
pub(crate) async fn clear(client: &Client) -> Result<(), Failure> {
    match client.session.call(Request::ClearLastOutcomes { context_id: client.context_id.clone() }).await {
        Response::ControlAck => Ok(()),
        other => Err(Failure::of_response(other)),
    }
}

/// One shard of the tests that the ids and expressions select, as if there were no others.
pub(crate) async fn shard_of(
    client: &Client,
    mut node_ids: Vec<String>,
    shard: (u32, u32),
    options: &arguments::Run,
) -> Result<Vec<String>, Failure> {
    let strategy = &options.strategy.name;
    if let Some(filtered) = inventory::filtered(client, &options.filter).await? {
        let named = shards::tests(client, node_ids, (1, 1), strategy).await?;
        node_ids = named.into_iter().filter(|id| filtered.contains(id)).collect();
        if node_ids.is_empty() {
            return Ok(node_ids);
        }
    }
    shards::tests(client, node_ids, shard, strategy).await
}
