//! `get_shard` and `get_shard_info`: the inventory, or a part of it, distributed over machines.

use std::sync::Arc;

use pytest_lens_plan::shard::{Strategy, assign, figures};
use pytest_lens_protocol::Response;

use super::{Answered, Refusal, invalid, of_failure};
use crate::context::Context;
use crate::refresh::refresh;

type Durations = Vec<(Arc<str>, Option<f64>)>;

pub(super) async fn tests(
    context: &Arc<Context>,
    node_ids: &[String],
    shard_index: u32,
    total_shards: u32,
    strategy: &str,
) -> Answered {
    let strategy = parse(total_shards, strategy)?;
    if shard_index >= total_shards {
        return Err(invalid(format!(
            "field `shard_index`: {shard_index} is out of range; with {total_shards} shards it is 0 to {}",
            total_shards - 1
        )));
    }
    let tests = selected(context, node_ids).await?;
    let mut shards = assign(&borrowed(&tests), total_shards, strategy);
    let own = shards.swap_remove(shard_index as usize);
    let node_ids = own.into_iter().map(|index| tests[index].0.to_string()).collect();
    Ok(Response::ShardedTests { shard_index, total_shards, node_ids })
}

pub(super) async fn info(context: &Arc<Context>, node_ids: &[String], total_shards: u32, strategy: &str) -> Answered {
    let strategy = parse(total_shards, strategy)?;
    let tests = selected(context, node_ids).await?;
    let figures = figures(&borrowed(&tests), total_shards, strategy);
    Ok(Response::ShardInfo {
        strategy: figures.strategy,
        total_shards: figures.total_shards,
        total_tests: figures.total_tests,
        shard_test_counts: figures.shard_test_counts,
        shard_durations_ms: figures.shard_durations_ms,
        count_imbalance_percent: figures.count_imbalance_percent,
        duration_imbalance_percent: figures.duration_imbalance_percent,
        estimated_wall_time_ms: figures.estimated_wall_time_ms,
    })
}

fn parse(total_shards: u32, strategy: &str) -> Result<Strategy, Refusal> {
    if total_shards == 0 {
        return Err(invalid("field `total_shards`: 0 shards hold nothing; give at least 1"));
    }
    strategy.parse().map_err(|error| invalid(format!("field `strategy`: {error}")))
}

fn borrowed(tests: &Durations) -> Vec<(&str, Option<f64>)> {
    tests.iter().map(|(id, duration)| (&**id, *duration)).collect()
}

/// The tests to distribute, in the inventory's order whatever order they were named in.
async fn selected(context: &Arc<Context>, node_ids: &[String]) -> Result<Durations, Refusal> {
    refresh(context, false).await.map_err(|failure| of_failure(&failure))?;
    let inventory = context.inventory.load();
    let wanted: std::collections::HashSet<&str> = node_ids.iter().map(String::as_str).collect();
    context.history_loaded().await;
    let chosen = inventory.nodes().filter(|node| wanted.is_empty() || wanted.contains(&*node.id));
    let ids: Vec<Arc<str>> = chosen.map(|node| Arc::clone(&node.id)).collect();
    let durations = context.history.durations_ms(ids.iter().map(|id| &**id));
    let tests: Durations = ids.into_iter().zip(durations).collect();
    if let Some(unknown) = node_ids.iter().find(|id| !tests.iter().any(|(known, _)| **known == **id)) {
        return Err(invalid(format!("field `node_ids`: no test {unknown:?}; check its id")));
    }
    Ok(tests)
}
