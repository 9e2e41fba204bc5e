//! `get_shard` and `get_shard_info`: distribute the inventory, or a part of it, over machines.

use std::collections::HashSet;
use std::sync::Arc;

use pytest_lens_plan::shard::{Strategy, assign, figures};
use pytest_lens_protocol::Response;

use super::Answered;
use crate::api_error::{Refusal, invalid};
use crate::clock::now_ms;
use crate::model::select::means;
use crate::processes::worker_protocol::Purpose;
use crate::project::Project;
use crate::project::refresh::refresh;

/// A limit on shards, since each takes memory: more than there are machines.
const MOST_SHARDS: u32 = 65_536;

pub(super) type Durations = Vec<(Arc<str>, Option<f64>)>;

pub(super) async fn tests(
    project: &Arc<Project>,
    node_ids: &[String],
    shard_index: u32,
    total_shards: u32,
    strategy: &str,
) -> Answered {
    let strategy = check(shard_index, total_shards, strategy)?;
    let order = Order { total: total_shards, strategy, is_for_shard: true };
    Ok(tests_of(&selected(project, node_ids, order).await?, shard_index, total_shards, strategy))
}

/// Checks the arguments of a request for one shard.
pub(super) fn check(shard_index: u32, total_shards: u32, strategy: &str) -> Result<Strategy, Refusal> {
    let strategy = parse(total_shards, strategy)?;
    if shard_index >= total_shards {
        return Err(invalid(format!(
            "field `shard_index`: {shard_index} is out of range; with {total_shards} shards it is 0 to {}",
            total_shards - 1
        )));
    }
    Ok(strategy)
}

/// The tests of one shard.
pub(super) fn tests_of(tests: &Durations, shard_index: u32, total_shards: u32, strategy: Strategy) -> Response {
    let mut shards = assign(&borrowed(tests), total_shards, strategy);
    let own = shards.swap_remove(shard_index as usize);
    let node_ids = own.into_iter().map(|index| tests[index].0.to_string()).collect();
    Response::ShardedTests { shard_index, total_shards, node_ids }
}

pub(super) async fn info(project: &Arc<Project>, node_ids: &[String], total_shards: u32, strategy: &str) -> Answered {
    let strategy = parse(total_shards, strategy)?;
    let order = Order { total: total_shards, strategy, is_for_shard: false };
    Ok(info_of(&selected(project, node_ids, order).await?, total_shards, strategy))
}

/// The figures of a distribution.
pub(super) fn info_of(tests: &Durations, total_shards: u32, strategy: Strategy) -> Response {
    let figures = figures(&borrowed(tests), total_shards, strategy);
    Response::ShardInfo {
        strategy: figures.strategy,
        total_shards: figures.total_shards,
        total_tests: figures.total_tests,
        shard_test_counts: figures.shard_test_counts,
        shard_durations_ms: figures.shard_durations_ms,
        count_imbalance_percent: figures.count_imbalance_percent,
        duration_imbalance_percent: figures.duration_imbalance_percent,
        estimated_wall_time_ms: figures.estimated_wall_time_ms,
    }
}

pub(super) fn parse(total_shards: u32, strategy: &str) -> Result<Strategy, Refusal> {
    if total_shards == 0 {
        return Err(invalid("field `total_shards`: 0 shards hold nothing; give at least 1"));
    }
    if total_shards > MOST_SHARDS {
        return Err(invalid(format!("field `total_shards`: {total_shards} is too many; give {MOST_SHARDS} at most")));
    }
    strategy.parse().map_err(|error| invalid(format!("field `strategy`: {error}")))
}

fn borrowed(tests: &Durations) -> Vec<(&str, Option<f64>)> {
    tests.iter().map(|(id, duration)| (&**id, *duration)).collect()
}

/// A request for a distribution.
#[derive(Debug, Clone, Copy)]
pub(super) struct Order {
    pub total: u32,
    pub strategy: Strategy,
    /// The client gets the tests of one shard, not figures.
    pub is_for_shard: bool,
}

/// The time, Unix time in milliseconds, from which on runs don't count for the durations: the runs of a shard must not
/// move tests between the shards that are asked for after it. So all shards of the same sources, of one number,
/// are made by the durations that were known when the first of them was asked for, in this history.
async fn durations_end_ms(project: &Arc<Project>, order: Order) -> u64 {
    if order.strategy != Strategy::DurationBalanced || order.total == 1 {
        return u64::MAX;
    }
    let (fingerprints, root) = (Arc::clone(&project.fingerprints), project.state.root.clone());
    let sources = tokio::task::spawn_blocking(move || fingerprints.sources(&root)).await.unwrap_or_default();
    let (distribution, history) = (format!("{sources}/{}", order.total), &project.state.history);
    if order.is_for_shard {
        history.ask_for_shard(&distribution, now_ms())
    } else {
        history.first_asked_ms(&distribution).unwrap_or(u64::MAX)
    }
}

/// The tests to distribute, in the inventory's order. An id selects the same tests as in a run: a file selects all its
/// tests, a function all its cases.
pub(super) async fn selected(project: &Arc<Project>, node_ids: &[String], order: Order) -> Result<Durations, Refusal> {
    refresh(project, false, Purpose::List).await.map_err(|failure| Refusal::from(&failure))?;
    let inventory = project.state.inventory.load();
    let nodes: Vec<_> = inventory.nodes().collect();
    let wanted: HashSet<&str> = node_ids.iter().map(String::as_str).collect();
    let exact: HashSet<&str> = nodes.iter().map(|node| &*node.id).filter(|id| wanted.contains(id)).collect();
    let mut chosen: Vec<bool> = nodes.iter().map(|node| wanted.is_empty() || exact.contains(&*node.id)).collect();
    for id in wanted.iter().filter(|id| !exact.contains(**id)) {
        let meant: Vec<usize> = (0..nodes.len()).filter(|&index| means(id, nodes[index])).collect();
        if meant.is_empty() {
            return Err(invalid(format!("field `node_ids`: {id:?} names no test; check its spelling")));
        }
        for index in meant {
            chosen[index] = true;
        }
    }
    project.history_loaded().await;
    let chosen = nodes.iter().zip(chosen).filter(|(_, chosen)| *chosen);
    let ids: Vec<Arc<str>> = chosen.map(|(node, _)| Arc::clone(&node.id)).collect();
    let end_ms = durations_end_ms(project, order).await;
    let durations = project.state.history.durations_before_ms(end_ms, ids.iter().map(|id| &**id));
    Ok(ids.into_iter().zip(durations).collect())
}
