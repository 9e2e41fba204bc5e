//! The tests that the engine knows, and those that expressions select.

use std::collections::HashSet;

use pytest_lens_protocol::{Request, Response, TestNodeInfo};

use super::client::Client;
use crate::failure::Failure;
use crate::options::arguments::Filter;

/// Every test in the inventory.
pub(crate) async fn inventory(client: &Client) -> Result<Vec<TestNodeInfo>, Failure> {
    match client.session.call(Request::GetInventory { context_id: client.context_id.clone() }).await {
        Response::InventoryData { nodes, .. } => Ok(nodes),
        other => Err(Failure::of_response(other)),
    }
}

/// Brings the inventory up to date, also where collecting has effects, because a user asked. A run reports the errors of
/// its collection itself.
pub(crate) async fn refresh(client: &Client) {
    chosen(client, &Filter::default()).await.ok();
}

/// The ids that the expressions select; `None` if there is no expression.
pub(crate) async fn filtered(client: &Client, filter: &Filter) -> Result<Option<HashSet<String>>, Failure> {
    if filter.is_empty() {
        return Ok(None);
    }
    Ok(Some(chosen(client, filter).await?))
}

/// The ids that the expressions select, or all. Collects if necessary, because a user asked.
pub(crate) async fn chosen(client: &Client, filter: &Filter) -> Result<HashSet<String>, Failure> {
    let (keyword, marker) = (filter.keyword.clone(), filter.marker.clone());
    let request = Request::List { context_id: client.context_id.clone(), keyword, marker };
    match client.session.call(request).await {
        Response::TestList { node_ids } => Ok(node_ids.into_iter().collect()),
        other => Err(Failure::of_response(other)),
    }
}
