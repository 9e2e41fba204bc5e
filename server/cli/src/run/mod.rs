//! `pytest-lens run`: starts a run, follows the context's log to its end, and exits as pytest would.

mod live;
mod more;
mod report;
mod summary;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use pytest_lens_engine::{Call, Connect};
use pytest_lens_history::Source;
use pytest_lens_protocol::{ErrorCode, EventPayload, Request, Response, RunOptions, WorkerCount};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::args;
use crate::client::{Client, Log};
use crate::failure::{Failure, exit};
use crate::select;
use crate::signals::{self, Ask};
use crate::style::Style;
use crate::{list, pytest_options, shard, terminal};
use live::Live;
use report::Report;
pub use report::is_asked;

/// How long to wait for events at a time, in milliseconds; only there so that no call is endless.
const WAIT_MS: u64 = 60_000;

const UNBEGUN: &str = "interrupted before the run began";

/// Runs what the options select.
pub async fn run(
    connect: Arc<dyn Connect>,
    root: &Path,
    options: &args::Run,
    out: &mut dyn Write,
    style: Style,
) -> Result<i32, Failure> {
    let asks = signals::listen()?;
    follow(&*connect, root, options, out, style, asks).await
}

/// As [`run`], with the user's asks from wherever they come.
async fn follow(
    connect: &dyn Connect,
    root: &Path,
    options: &args::Run,
    out: &mut dyn Write,
    style: Style,
    mut asks: UnboundedReceiver<Ask>,
) -> Result<i32, Failure> {
    let ids = select::node_ids(root, &options.selectors)?;
    let mut report = Report::new(root, ids.clone());
    report.all = more::wants_all(&options.look).then(Vec::new);
    let style = style.with_colour(options.look.color.as_deref());
    report.has_terminal = options.has_terminal;
    let live = Live::new(options.json, options.has_terminal, &options.look, style);
    let leaves_interrupts = options.has_terminal && terminal::is_shared();
    let mut interrupted = false;
    let started = {
        let mut starting = std::pin::pin!(start(connect, root, options, ids, &mut report));
        loop {
            tokio::select! {
                started = &mut starting => break started,
                // Whoever is asked at a breakpoint, or collects, was told so too.
                Some(ask) = asks.recv() => if ask == Ask::Interrupt && leaves_interrupts {
                    interrupted = true;
                } else {
                    live.note(UNBEGUN);
                    return Ok(exit::INTERRUPTED);
                },
            }
        }
    };
    if interrupted && !matches!(started, Ok(Started::Run(..))) {
        live.note(UNBEGUN);
        return Ok(exit::INTERRUPTED);
    }
    let (client, run_id, mut log) = match started? {
        Started::Run(client, run_id, log) => {
            if let Some(note) = &report.note {
                live.note(note);
            }
            (client, run_id, log)
        }
        Started::Nothing(why) => {
            live.note(&why);
            return Ok(exit::NOTHING);
        }
        Started::Refused(client, message) => {
            report.take_errors(client.collect_errors().await?);
            if message.starts_with("no test ") {
                return Err(Failure::usage(unknown_test(&client, &report, message).await));
            }
            // A file's own error is shown as pytest shows it; what keeps pytest from starting at all is one sentence.
            if !report.errors.iter().any(|error| !error.path.is_empty() && message.starts_with(&error.path)) {
                return Err(Failure::usage(pytest_options::explained(&message, &args::run_command())));
            }
            live.finish(&report, out)?;
            return Ok(exit::INTERRUPTED);
        }
    };
    let mut control = Control { session: connect.session(), run_id, asked: 0, leaves_interrupts };
    let followed = follow_log(&client, &mut log, &mut control, &mut asks, &mut report, &live, out).await;
    if followed.is_err() {
        // Whoever wanted to see the results is gone; a run without anybody to tell must not go on.
        control.kill().await;
    }
    if followed? == Followed::GivenUp {
        return Ok(exit::INTERRUPTED);
    }
    live.finish(&report, out)?;
    Ok(report.status())
}

/// What became of the request for a run.
enum Started {
    /// With its id, and the log from a place before its start.
    Run(Client, String, Log),
    /// The selection is empty, and why.
    Nothing(String),
    /// The request was refused for the reason in the message; it may be that a file can't be collected.
    Refused(Client, String),
}

async fn start(
    connect: &dyn Connect,
    root: &Path,
    options: &args::Run,
    node_ids: Vec<String>,
    report: &mut Report,
) -> Result<Started, Failure> {
    let client = Client::open(connect, root, options.mode.clone()).await?;
    let mut log = client.log();
    if connect.is_shared() {
        // A place in the log from before the run.
        for event in log.next(&client, 0).await? {
            report.take(&event.payload, "");
        }
    }
    let mut node_ids = node_ids;
    if options.last_failed || is_stepwise(options) {
        let left = by_history(&client, &node_ids, options.last_failed).await?;
        if left.is_empty() {
            // As pytest does.
            report.note = Some("no test of what was selected failed when it last ran: all of it runs".into());
        } else {
            node_ids = left;
        }
    }
    if let Some(shard) = options.shard {
        node_ids = shard_of(&client, node_ids, shard, options).await?;
        if node_ids.is_empty() {
            let (index, total) = shard;
            return Ok(Started::Nothing(format!("shard {index}/{total} of what was selected has no test")));
        }
    }
    let request = Request::RunStream {
        context_id: client.context_id.clone(),
        node_ids,
        workers: match options.workers {
            Some(WorkerCount::Fixed(count)) => Some(count),
            None if options.has_terminal => Some(1),
            Some(WorkerCount::Auto) | None => None,
        },
        maxfail: maxfail(options),
        options: Some(RunOptions {
            keyword: options.filter.keyword.clone(),
            marker: options.filter.marker.clone(),
            auto_workers: options.workers == Some(WorkerCount::Auto),
            coverage: false,
            reruns: options.reruns,
            arguments: arguments(options),
            source: Some(Source::of_command(std::env::var("CI").ok().as_deref()).to_string()),
            ..RunOptions::default()
        }),
    };
    match client.session.call(request).await {
        Response::RunStarted { run_id, .. } => Ok(Started::Run(client, run_id, log)),
        Response::Error { code: ErrorCode::CollectionFailed | ErrorCode::InvalidRequest, message } => {
            Ok(Started::Refused(client, message))
        }
        other => Err(Failure::of_response(other)),
    }
}

/// What pytest's session is given besides.
fn arguments(options: &args::Run) -> Vec<String> {
    let mut arguments = options.passed.clone();
    // Longer comparisons; the lines are ours.
    if options.look.verbose > 0 {
        arguments.push(format!("-{}", "v".repeat(options.look.verbose.into())));
    }
    // The process that has the terminal shows there what runs.
    if options.look.quiet && options.has_terminal {
        arguments.push("-q".into());
    }
    // Without tracebacks, or with a line for each, there is still a text for other readers.
    let tb = options.look.tb.iter().filter(|style| !matches!(style.as_str(), "no" | "line"));
    arguments.extend(tb.map(|style| format!("--tb={style}")));
    arguments
}

fn is_stepwise(options: &args::Run) -> bool {
    options.stepwise || options.stepwise_skip
}

/// After how many failures the run is to stop.
fn maxfail(options: &args::Run) -> Option<u32> {
    let step = is_stepwise(options).then_some(if options.stepwise_skip { 2 } else { 1 });
    let first = options.exit_first.then_some(1);
    first.into_iter().chain(step).chain(options.maxfail.filter(|&count| count > 0)).min()
}

/// Of the tests selected that there are, those that failed when they last ran; or all from the first of them on. None
/// where none failed.
async fn by_history(client: &Client, selected: &[String], only_failed: bool) -> Result<Vec<String>, Failure> {
    let recorded = match client.session.call(Request::GetLastFailed { context_id: client.context_id.clone() }).await {
        Response::TestList { node_ids } => node_ids,
        other => return Err(Failure::of_response(other)),
    };
    let is_selected = |id: &str| selected.is_empty() || selected.iter().any(|wanted| select::means(wanted, id));
    let recorded: HashSet<String> = recorded.into_iter().filter(|id| is_selected(id)).collect();
    if recorded.is_empty() {
        return Ok(Vec::new());
    }
    // What can't be collected is told by the run.
    client.collect().await.ok();
    let known = list::inventory(client).await?.into_iter().map(|node| node.node_id);
    if only_failed {
        return Ok(known.filter(|id| recorded.contains(id)).collect());
    }
    Ok(known.filter(|id| is_selected(id)).skip_while(|id| !recorded.contains(id)).collect())
}

/// The sentence on a test that there is not, with the one that was meant.
async fn unknown_test(client: &Client, report: &Report, message: String) -> String {
    let Ok(known) = list::inventory(client).await else { return message };
    let named = report.asked().iter().find(|id| message.contains(&format!("{id:?}")));
    let meant = named.and_then(|id| Some((id, select::meant(id, known.iter().map(|node| &*node.node_id))?)));
    meant.map_or(message, |(id, meant)| format!("there is no test `{id}`; did you mean `{meant}`?"))
}

/// One shard of what the ids and expressions select: as if the others were not there.
async fn shard_of(
    client: &Client,
    mut node_ids: Vec<String>,
    shard: (u32, u32),
    options: &args::Run,
) -> Result<Vec<String>, Failure> {
    let strategy = &options.strategy.name;
    if let Some(filtered) = list::filtered(client, &options.filter).await? {
        let named = shard::tests(client, node_ids, (1, 1), strategy).await?;
        node_ids = named.into_iter().filter(|id| filtered.contains(id)).collect();
        if node_ids.is_empty() {
            return Ok(node_ids);
        }
    }
    shard::tests(client, node_ids, shard, strategy).await
}

/// How following the log ended.
#[derive(PartialEq, Eq)]
enum Followed {
    ToTheEnd,
    /// The user asked a third time.
    GivenUp,
}

async fn follow_log(
    client: &Client,
    log: &mut Log,
    control: &mut Control,
    asks: &mut UnboundedReceiver<Ask>,
    report: &mut Report,
    live: &Live<'_>,
    out: &mut dyn Write,
) -> Result<Followed, Failure> {
    loop {
        let events = {
            // The call is finished even where an ask comes in between: a session's answers come in order.
            let mut next = Box::pin(log.next(client, WAIT_MS));
            loop {
                tokio::select! {
                    events = &mut next => break events?,
                    Some(ask) = asks.recv() => if control.obey(ask, live).await { return Ok(Followed::GivenUp) },
                }
            }
        };
        for event in &events {
            if report.take(&event.payload, &control.run_id) {
                live.show(&event.payload, report, out)?;
            }
            if matches!(&event.payload, EventPayload::RunFinished(end) if end.run_id == control.run_id) {
                return Ok(Followed::ToTheEnd);
            }
        }
        out.flush()?;
    }
}

/// The way to stop the run while the log is waited for.
struct Control {
    session: Arc<dyn Call>,
    run_id: String,
    asked: u32,
    /// Ctrl-C is the tests' affair, who hear of it as well: they may be at a breakpoint.
    leaves_interrupts: bool,
}

impl Control {
    /// Stops at the first ask, kills at the second; `true` at the third, when waiting is to end.
    async fn obey(&mut self, ask: Ask, live: &Live<'_>) -> bool {
        if ask == Ask::Interrupt && self.leaves_interrupts {
            return false;
        }
        let before = self.asked;
        self.asked += if ask == Ask::Terminate { 2 } else { 1 };
        match (before, self.asked) {
            (0, 1) => {
                live.note("stopping: what runs may finish; Ctrl-C again ends it at once");
                self.session.call(Request::StopRun { run_id: self.run_id.clone() }).await;
                false
            }
            (0 | 1, _) => {
                live.note("killing what runs");
                self.kill().await;
                false
            }
            _ => true,
        }
    }

    async fn kill(&self) {
        // Where the run is over already there is nothing to kill, which is what was wanted.
        self.session.call(Request::KillRun { run_id: self.run_id.clone() }).await;
    }
}
