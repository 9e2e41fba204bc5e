//! Requests a run.

use std::path::Path;

use pytest_lens_engine::Connect;
use pytest_lens_protocol::{ErrorCode, Request, Response, RunOptions, SessionExit, Source, WorkerCount};

use super::affected;
use super::narrow::{
    ATTEMPTS, clear, continues_last, empty_shard, failed_elsewhere, has_gone, is_stepwise, previously_failed, shard_of,
};
use super::order;
use crate::engine::client::{Client, Log};
use crate::failure::{Failure, exit};
use crate::options::values::Distribution;
use crate::options::{addopts, arguments, collecting};
use crate::results::report::Report;

/// The answer to the request for a run.
pub(crate) enum Started {
    /// The run started: its id, and a position in the log before its start.
    Run(Client, String, Log),
    /// Nothing is selected: why, and the exit status.
    Empty { why: String, status: i32 },
    /// The engine refused the run of these tests with this message; some files may have errors. `session_exit`: if pytest
    /// gave up.
    Refused { client: Client, node_ids: Vec<String>, message: String, session_exit: Option<SessionExit> },
}

/// Requests a run. If tests that it has selected are gone by then, it selects again.
pub(crate) async fn start(
    connect: &dyn Connect,
    root: &Path,
    options: &arguments::Run,
    node_ids: Vec<String>,
    report: &mut Report,
) -> Result<Started, Failure> {
    let selects = options.affected.is_some() || options.shard.is_some() || continues_last(options);
    let mut attempts = if selects { ATTEMPTS } else { 1 };
    loop {
        attempts -= 1;
        report.note = None;
        let started = start_once(connect, root, options, node_ids.clone(), report).await?;
        match &started {
            Started::Refused { client, node_ids, .. } if attempts > 0 && has_gone(client, root, node_ids).await => {}
            _ => return Ok(started),
        }
    }
}

async fn start_once(
    connect: &dyn Connect,
    root: &Path,
    options: &arguments::Run,
    node_ids: Vec<String>,
    report: &mut Report,
) -> Result<Started, Failure> {
    let client = Client::open(connect, root, options.mode.clone()).await?;
    let mut log = client.log();
    if connect.is_shared() {
        // A position in the log before the run.
        log.next(&client, 0).await?;
    }
    if options.cache_clear {
        clear(&client).await?;
    }
    let (in_order_of, mut node_ids) = (node_ids.clone(), node_ids);
    let changing = collecting::word(&options.passed);
    if let (Some(base), None) = (&options.affected, changing) {
        let mut narrowed = affected::narrow(&client, root, node_ids, base, &options.passed).await?;
        let count = narrowed.node_ids.len();
        narrowed.node_ids.retain(|id| !addopts::leave_out(root, id, &options.passed));
        if narrowed.node_ids.is_empty() && count > 0 {
            narrowed.is_nothing = true;
            narrowed.left_out = "`--ignore` or `--deselect` leaves out every affected test".to_owned();
        }
        if narrowed.is_nothing {
            // A change that reaches no test is no mistake.
            return Ok(Started::Empty { why: narrowed.left_out, status: exit::OK });
        }
        report.select(narrowed.node_ids.clone());
        report.left_out = narrowed.left_out;
        node_ids = narrowed.node_ids;
    }
    let needs_all_known = options.affected.is_some() || (continues_last(options) && !options.last_failed);
    if let Some(word) = changing.filter(|_| needs_all_known) {
        report.note = Some(format!("`{word}` changes which tests there are: all selected tests run"));
    } else if continues_last(options) {
        let left = previously_failed(&client, root, &node_ids, &options.passed, options.last_failed).await?;
        let elsewhere = if left.is_empty() && options.last_failed { failed_elsewhere(&client).await? } else { 0 };
        // As pytest, which has an answer to a lack of failures only if it knows none at all.
        let has_none = left.is_empty() && options.last_failed && (elsewhere == 0 || options.watch);
        if has_none && options.no_failures.as_deref() == Some("none") {
            return Ok(Started::Empty {
                why: format!(
                    "no selected test failed when it last ran{}",
                    if options.watch { "" } else { " (`--lfnf=none`)" }
                ),
                status: exit::NO_TESTS,
            });
        }
        let line = match elsewhere {
            0 => continued(options.last_failed, left.len()),
            count => Some(format!("run-last-failure: {count} known failures not in selected tests")),
        };
        say_in_heading(report, options, line);
        if left.is_empty() {
            // As pytest does.
            report.note = Some("no selected test failed when it last ran: all of them run".into());
        } else {
            node_ids = left;
        }
    }
    if let Some(shard) = options.shard {
        node_ids = shard_of(&client, root, node_ids, shard, options).await?;
        if node_ids.is_empty() {
            return Ok(Started::Empty { why: empty_shard(shard), status: exit::NO_TESTS });
        }
    }
    let (first, failed) = order::first(&client, root, options).await?;
    if options.failed_first && !continues_last(options) {
        let line = continued(true, failed).map(|line| if failed > 0 { line + " first" } else { line });
        say_in_heading(report, options, line);
    }
    report.before = report.begun.elapsed();
    let request = Request::RunStream {
        context_id: client.context_id.clone(),
        node_ids: node_ids.clone(),
        workers: match workers(options) {
            Some(WorkerCount::Fixed(count)) => Some(count),
            None if options.has_terminal => Some(1),
            Some(WorkerCount::Auto) | None => None,
        },
        maxfail: maxfail(options),
        options: Some(RunOptions {
            keyword: options.filter.keyword.clone(),
            marker: options.filter.marker.clone(),
            auto_workers: workers(options) == Some(WorkerCount::Auto),
            coverage: false,
            reruns: options.reruns,
            arguments: options.session_words(),
            source: Some(Source::of_command(std::env::var("CI").ok().as_deref()).to_string()),
            first,
            in_order_of,
            timings: options.output.timings,
            phase_durations: options.output.durations.is_some(),
            whole_files: options.distribution == Some(Distribution::ByFile),
            executor: options.executor.clone(),
            ..RunOptions::default()
        }),
    };
    match client.session.call(request).await {
        Response::RunStarted { run_id, .. } => Ok(Started::Run(client, run_id, log)),
        Response::Error { code: ErrorCode::CollectionFailed | ErrorCode::InvalidRequest, message, session_exit } => {
            Ok(Started::Refused { client, node_ids, message, session_exit })
        }
        other => Err(Failure::of_response(other)),
    }
}

/// Adds a line to the heading where pytest has it. With `-q` it has none.
fn say_in_heading(report: &mut Report, options: &arguments::Run, line: Option<String>) {
    if !options.output.is_quiet() {
        report.on_collected.extend(line);
    }
}

/// pytest's line on a run that continues the last one, with so many tests.
fn continued(by_failures: bool, tests: usize) -> Option<String> {
    match tests {
        0 if by_failures => Some("run-last-failure: no previously failed tests, not deselecting items.".to_owned()),
        0 => Some("stepwise: no previously failed tests, not skipping.".to_owned()),
        _ if by_failures => {
            let failures = if tests == 1 { "failure" } else { "failures" };
            Some(format!("run-last-failure: rerun previous {tests} {failures}"))
        }
        _ => None,
    }
}

/// Number of runners, with the limit that the user gives.
fn workers(options: &arguments::Run) -> Option<WorkerCount> {
    let limit = options.max_workers.filter(|limit| *limit > 0);
    match (options.workers?, limit) {
        (WorkerCount::Fixed(count), Some(limit)) => Some(WorkerCount::Fixed(count.clamp(1, limit))),
        (WorkerCount::Auto, Some(limit)) => {
            let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
            Some(WorkerCount::Fixed(u32::try_from(cores).unwrap_or(limit).min(limit)))
        }
        (WorkerCount::Fixed(0), None) => Some(WorkerCount::Fixed(1)),
        (count, None) => Some(count),
    }
}

/// Whether this number of failures interrupts the run, with another exit status than that of failed tests: a step that
/// ends, and the limit of a run that pytest-xdist would distribute.
pub(crate) fn interrupts_at_failure(options: &arguments::Run, failed: usize) -> bool {
    let is_reached = |limit: Option<u32>| limit.is_some_and(|limit| failed >= limit as usize);
    if is_reached(limit(options)) { options.is_distributed() } else { is_reached(step(options)) }
}

/// Number of failures after which a stepwise run stops.
pub(crate) fn step(options: &arguments::Run) -> Option<u32> {
    is_stepwise(options).then_some(if options.stepwise_skip { 2 } else { 1 })
}

/// The limit of failures that the user gives.
pub(crate) fn limit(options: &arguments::Run) -> Option<u32> {
    if options.exit_first { Some(1) } else { options.maxfail.filter(|&count| count > 0) }
}

/// Number of failures after which the run stops.
fn maxfail(options: &arguments::Run) -> Option<u32> {
    let first = options.exit_first.then_some(1);
    first.into_iter().chain(step(options)).chain(options.maxfail.filter(|&count| count > 0)).min()
}
