//! `is_it_flaky`: the recorded outcomes of one test, or all tests that are known to be flaky.

use pytest_lens_protocol::{ErrorCode, Hint, Outcome, Request, Response};

use super::arguments::IsItFlaky;
use super::workplace::{Workplace, unknown};
use crate::engine::client::Client;
use crate::engine::inventory::inventory;
use crate::failure::Failure;
use crate::options::selectors;
use crate::terminal::text::count_of;

/// Tests in one answer.
const MOST: usize = 30;

pub(super) async fn is_it_flaky(workplace: &Workplace, given: IsItFlaky) -> Result<String, Failure> {
    let project = workplace.project().await?;
    let client = &project.client;
    let repo_path = workplace.root.display().to_string();
    let (flaky, unstable, tracked) = match client.session.call(Request::GetHistory { repo_path }).await {
        Response::History { flaky, unstable, tracked, .. } => (flaky, unstable, tracked),
        other => return Err(Failure::of_response(other)),
    };
    let Some(id) = given.id else { return Ok(all(&flaky, &unstable, tracked)) };
    let ids = selectors::node_ids(&workplace.root, std::slice::from_ref(&id))?;
    let Some(id) = ids.into_iter().find(|id| id.contains("::")) else {
        return Err(Failure::usage(format!("`{id}` is no test: give a node id such as `tests/test_a.py::test_b`")));
    };
    let cases: Vec<&Hint> =
        flaky.iter().chain(&unstable).filter(|hint| hint.id != id && selectors::covers(&id, &hint.id)).collect();
    if !cases.is_empty() {
        let lines: String = cases.iter().take(MOST).map(|hint| format!("{}\n", verdict(hint))).collect();
        return Ok(lines + &more(cases.len()));
    }
    if let Some(hint) = flaky.iter().chain(&unstable).find(|hint| hint.id == id) {
        return Ok(format!("{}\n", verdict(hint)));
    }
    if let Some(sentence) = steady(client, &id).await? {
        return Ok(format!("NOT KNOWN TO BE FLAKY: {sentence}\n"));
    }
    if let Some(failure) = unknown(client, &workplace.root, std::slice::from_ref(&id)).await {
        return Err(failure);
    }
    let known = inventory(client).await?.into_iter().map(|node| node.node_id);
    let cases: Vec<String> = known.filter(|known| *known != id && selectors::covers(&id, known)).collect();
    let mut sentences = Vec::new();
    for case in &cases {
        sentences.extend(steady(client, case).await?);
    }
    if sentences.is_empty() {
        return Ok(format!("UNKNOWN: {id} has no recorded outcome; run_tests with `repeat` makes evidence\n"));
    }
    let (known, all) = (sentences.len(), count_of(cases.len(), "test"));
    let mut text = format!("NOT KNOWN TO BE FLAKY: {id}: {known} of {all} in it have recorded outcomes\n");
    sentences.iter().take(MOST).for_each(|sentence| text.push_str(&format!("- {sentence}\n")));
    text.push_str(&more(known));
    Ok(text)
}

/// The outcomes of a test that is neither flaky nor suspected; `None` if there are none.
async fn steady(client: &Client, id: &str) -> Result<Option<String>, Failure> {
    let request = Request::GetTestFlakiness { context_id: client.context_id.clone(), node_id: id.to_owned() };
    match client.session.call(request).await {
        Response::TestFlakiness { total_runs: 0, .. } | Response::Error { code: ErrorCode::InvalidRequest, .. } => {
            Ok(None)
        }
        Response::TestFlakiness { total_runs, recent_outcomes, failure_rate, .. } => Ok(Some(format!(
            "{id} failed in {:.0}% of {}; last outcomes: {}",
            failure_rate * 100.0,
            count_of(total_runs as usize, "run"),
            letters(&recent_outcomes)
        ))),
        other => Err(Failure::of_response(other)),
    }
}

/// The line on those of so many tests that have none of their own.
fn more(count: usize) -> String {
    match count.saturating_sub(MOST) {
        0 => String::new(),
        left => format!("and {left} more\n"),
    }
}

fn all(flaky: &[Hint], unstable: &[Hint], tracked: usize) -> String {
    if flaky.is_empty() && unstable.is_empty() {
        return format!("no flaky test among {} with recorded outcomes\n", count_of(tracked, "test"));
    }
    let mut text = String::new();
    for hint in flaky.iter().chain(unstable).take(MOST) {
        text.push_str(&format!("{}\n", verdict(hint)));
    }
    text.push_str(&more(flaky.len() + unstable.len()));
    text
}

/// `FLAKY: t.py::test_x passed and failed on the same code: ...`.
fn verdict(hint: &Hint) -> String {
    let (word, evidence) = if hint.is_flaky {
        ("FLAKY", "passed and failed on the same code")
    } else {
        ("SUSPECTED", "passed and failed, but only across changes of code")
    };
    format!(
        "{word}: {} {evidence}: failed in {:.0}% of {}, {}; last outcomes: {}",
        hint.id,
        hint.failure_rate * 100.0,
        count_of(hint.total_runs as usize, "run"),
        count_of(hint.flips as usize, "flip"),
        letters(&hint.recent_outcomes)
    )
}

/// One letter for each outcome, the oldest first: P for a pass, F for a failure, s for a skipped test.
fn letters(outcomes: &[String]) -> String {
    let letter = |outcome: &String| match outcome.parse::<Outcome>() {
        Ok(outcome) if outcome.is_failure() => 'F',
        Ok(Outcome::Skipped) => 's',
        _ => 'P',
    };
    outcomes.iter().rev().take(20).rev().map(letter).collect()
}
