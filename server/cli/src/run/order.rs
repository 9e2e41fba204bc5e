//! Which of the selected tests run first: `--ff` and `--nf`, by the recorded outcomes; with `--sw` all in pytest's order.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::SystemTime;

use pytest_lens_protocol::{EventPayload, NodeId, Request, Response, WorkerCount};

use super::narrow::{is_stepwise, last_failed};
use crate::engine::client::Client;
use crate::engine::inventory;
use crate::failure::Failure;
use crate::options::arguments;

/// The ids of the tests that run before the others, in their order, and the number of those that `--ff` brings there.
pub(crate) async fn first(
    client: &Client,
    root: &Path,
    options: &arguments::Run,
) -> Result<(Vec<String>, usize), Failure> {
    if is_stepwise(options) && !matches!(options.workers, Some(WorkerCount::Fixed(0 | 1))) {
        // Several runners would begin with the longest, and the next run begins with the first failure in this order.
        return Ok((known(client).await?, 0));
    }
    // Of tests that failed, and no others, each runs first.
    let failed_first = options.failed_first && !options.last_failed;
    if !failed_first && !options.new_first {
        return Ok((Vec::new(), 0));
    }
    // This collects: the tests of files that are repaired by now count as failed.
    let known = known(client).await?;
    let failed = if failed_first { last_failed(client).await? } else { HashSet::new() };
    if failed.is_empty() && !options.new_first {
        return Ok((Vec::new(), 0));
    }
    let (mut first, rest): (Vec<String>, Vec<String>) = known.into_iter().partition(|id| failed.contains(id));
    let count = first.len();
    if options.new_first {
        first.extend(rest);
        let ran = ever_ran(client).await?;
        first = new_first(first, &ran, |file| root.join(file).metadata().and_then(|data| data.modified()).ok());
    }
    Ok((first, count))
}

/// All tests, in pytest's order.
async fn known(client: &Client) -> Result<Vec<String>, Failure> {
    // The run itself reports errors of collection.
    inventory::refresh(client).await;
    Ok(inventory::inventory(client).await?.into_iter().map(|node| node.node_id).collect())
}

/// Those that never ran before those that did; among each, those of the file that changed last first.
fn new_first(ids: Vec<String>, ran: &HashSet<String>, changed: impl Fn(&str) -> Option<SystemTime>) -> Vec<String> {
    let mut times: HashMap<String, Option<SystemTime>> = HashMap::new();
    let mut keyed: Vec<_> = ids
        .into_iter()
        .map(|id| {
            let file = NodeId::new(&id).file().to_owned();
            let time = *times.entry(file).or_insert_with_key(|file| changed(file));
            ((ran.contains(&id), Reverse(time)), id)
        })
        .collect();
    keyed.sort_by_key(|(key, _)| *key);
    keyed.into_iter().map(|(_, id)| id).collect()
}

/// The tests with a recorded outcome since the last `--cache-clear`.
async fn ever_ran(client: &Client) -> Result<HashSet<String>, Failure> {
    let request = Request::GetLastOutcomes { context_id: client.context_id.clone(), since_cleared: Some(true) };
    let events = match client.session.call(request).await {
        Response::Events { events, .. } => events,
        other => return Err(Failure::of_response(other)),
    };
    let mut ids = HashSet::new();
    for event in &events {
        if let EventPayload::TestOutcome(outcomes) = &event.payload {
            ids.extend(outcomes.outcomes.iter().map(|outcome| outcome.id.clone()));
        }
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_new_comes_first_and_then_what_changed_last() {
        let ids = ["a.py::t", "a.py::u", "b.py::t", "c.py::t", "c.py::u"].map(str::to_owned);
        let ran = ["a.py::t", "b.py::t", "c.py::t"].map(str::to_owned).into();
        let changed = |file: &str| {
            let age = ["c.py", "b.py", "a.py"].iter().position(|name| *name == file)?;
            Some(SystemTime::UNIX_EPOCH + Duration::from_secs(10 - age as u64))
        };
        let sorted = new_first(ids.into(), &ran, changed);
        assert_eq!(sorted, ["c.py::u", "a.py::u", "c.py::t", "b.py::t", "a.py::t"]);
    }
}
