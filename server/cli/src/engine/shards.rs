//! The tests of one shard.

use pytest_lens_protocol::{Request, Response};

use super::client::Client;
use crate::failure::Failure;

/// The tests of one shard, counted from 1, among those that the ids select; no ids select all.
pub(crate) async fn tests(
    client: &Client,
    node_ids: Vec<String>,
    (index, total_shards): (u32, u32),
    strategy: &str,
) -> Result<Vec<String>, Failure> {
    let request = Request::GetShard {
        context_id: client.context_id.clone(),
        node_ids,
        shard_index: index.saturating_sub(1),
        total_shards,
        strategy: strategy.to_owned(),
    };
    match client.session.call(request).await {
        Response::ShardedTests { node_ids, .. } => Ok(node_ids),
        other => Err(Failure::of_response(other)),
    }
}
