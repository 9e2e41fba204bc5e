//! `pytest-lens shard`: the figures of a distribution over shards, or the tests of one shard.

use std::collections::HashSet;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use pytest_lens_engine::Connect;
use pytest_lens_protocol::{Request, Response};

use crate::commands::list;
use crate::engine::client::Client;
use crate::engine::inventory::inventory;
use crate::engine::shards;
use crate::failure::Failure;
use crate::options::arguments::Shard;
use crate::options::values::Shards;
use crate::run::affected;
use crate::style::{Paint, Style};

/// Prints the figures of a distribution, or one shard's tests. Files that can't be collected go to standard error.
pub(crate) async fn shard(
    connect: Arc<dyn Connect>,
    root: &Path,
    options: &Shard,
    out: &mut dyn Write,
    style: Style,
) -> Result<i32, Failure> {
    let client = Client::open(&*connect, root, None).await?;
    let errors = match options.shards {
        Shards::All(total) => {
            figures(&client, total, options, out, style).await?;
            client.collect_errors().await?
        }
        Shards::One(index, total) => {
            let own = shards::tests(&client, Vec::new(), (index, total), &options.strategy.name).await?;
            let errors = client.collect_errors().await?;
            if options.json {
                let own: HashSet<String> = own.into_iter().collect();
                let mut nodes = inventory(&client).await?;
                nodes.retain(|node| own.contains(&node.node_id));
                list::print(&nodes, true, out)?;
            } else {
                // Nobody knows the tests of a file that can't be collected, so each shard has it, as in a run.
                for id in own.into_iter().chain(affected::paths_of(&errors, root)) {
                    writeln!(out, "{id}")?;
                }
            }
            errors
        }
    };
    list::say_errors(&errors, root);
    Ok(list::status(errors.is_empty(), false))
}

async fn figures(
    client: &Client,
    total_shards: u32,
    options: &Shard,
    out: &mut dyn Write,
    style: Style,
) -> Result<(), Failure> {
    let request = Request::GetShardInfo {
        context_id: client.context_id.clone(),
        node_ids: Vec::new(),
        total_shards,
        strategy: options.strategy.name.clone(),
    };
    let answer = client.session.call(request).await;
    if options.json && matches!(answer, Response::ShardInfo { .. }) {
        let mut told = serde_json::to_value(&answer).map_err(|error| Failure::internal(error.to_string()))?;
        if let Some(told) = told.as_object_mut() {
            told.remove("type");
        }
        writeln!(out, "{told}")?;
        return Ok(());
    }
    let Response::ShardInfo {
        strategy,
        total_tests,
        shard_test_counts,
        shard_durations_ms,
        count_imbalance_percent,
        duration_imbalance_percent,
        estimated_wall_time_ms,
        ..
    } = answer
    else {
        return Err(Failure::of_response(answer));
    };
    let width = total_shards.to_string().len() * 2 + 1;
    writeln!(
        out,
        "{}",
        style.paint(Paint::Bold, &format!("{:>width$}  {:>8}  {:>10}", "shard", "tests", "time", width = width.max(5)))
    )?;
    for (index, (count, duration)) in shard_test_counts.iter().zip(&shard_durations_ms).enumerate() {
        let name = format!("{}/{total_shards}", index + 1);
        writeln!(out, "{name:>width$}  {count:>8}  {:>10}", seconds(*duration), width = width.max(5))?;
    }
    writeln!(
        out,
        "{total_tests} tests by {strategy}: {} of wall time; the largest shard has {count_imbalance_percent:.1}% more tests and \
         takes {duration_imbalance_percent:.1}% longer than the mean",
        seconds(estimated_wall_time_ms)
    )?;
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "no test takes so long")]
fn seconds(milliseconds: u64) -> String {
    format!("{:.2} s", milliseconds as f64 / 1000.0)
}
