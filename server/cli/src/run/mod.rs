//! `pytest-lens run`: starts a run, follows the context's log to its end, and exits as pytest would.

mod narrow;
mod request;
mod stopping;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use pytest_lens_engine::Connect;
use pytest_lens_protocol::EventPayload;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::engine::client::{Client, Log};
use crate::engine::inventory::inventory;
use crate::failure::{Failure, exit};
use crate::options::{arguments, parse, pytest_options, selectors, terminal_access};
use crate::results::report::Report;
use crate::signals::{self, Signal};
use crate::style::Style;
use crate::terminal::progress::Progress;
use crate::terminal::sections;
use crate::timing::EVENTS_WAIT_MS;
use request::{Started, start};
use stopping::RunControl;

const UNBEGUN: &str = "interrupted before the run began";

/// Runs what the options select.
pub(crate) async fn run(
    connect: Arc<dyn Connect>,
    root: &Path,
    options: &arguments::Run,
    out: &mut dyn Write,
    style: Style,
) -> Result<i32, Failure> {
    let signals = signals::listen()?;
    follow(&*connect, root, options, out, style, signals).await
}

/// As [`run`], with the user's signals from wherever they come.
async fn follow(
    connect: &dyn Connect,
    root: &Path,
    options: &arguments::Run,
    out: &mut dyn Write,
    style: Style,
    mut signals: UnboundedReceiver<Signal>,
) -> Result<i32, Failure> {
    let ids = selectors::node_ids(root, &options.selectors)?;
    let mut report = Report::new(root, ids.clone());
    report.all = sections::wants_all(&options.output).then(Vec::new);
    let style = style.with_colour(options.output.color.as_deref());
    report.has_terminal = options.has_terminal;
    let progress = Progress::new(options.json, options.has_terminal, &options.output, style);
    let leaves_interrupts = options.has_terminal && terminal_access::is_shared();
    let mut interrupted = false;
    let started = {
        let mut starting = std::pin::pin!(start(connect, root, options, ids, &mut report));
        loop {
            tokio::select! {
                started = &mut starting => break started,
                // Whoever is asked at a breakpoint, or collects, was told so too.
                Some(signal) = signals.recv() => if signal == Signal::Interrupt && leaves_interrupts {
                    interrupted = true;
                } else {
                    progress.note(UNBEGUN);
                    return Ok(exit::INTERRUPTED);
                },
            }
        }
    };
    if interrupted && !matches!(started, Ok(Started::Run(..))) {
        progress.note(UNBEGUN);
        return Ok(exit::INTERRUPTED);
    }
    let (client, run_id, mut log) = match started? {
        Started::Run(client, run_id, log) => {
            if let Some(note) = &report.note {
                progress.note(note);
            }
            (client, run_id, log)
        }
        Started::Empty(why) => {
            progress.note(&why);
            return Ok(exit::NO_TESTS);
        }
        Started::Refused(client, message) => {
            report.take_errors(client.collect_errors().await?);
            if message.starts_with("no test ") {
                return Err(Failure::usage(unknown_test(&client, &report, message).await));
            }
            // A file's own error is shown as pytest shows it; what keeps pytest from starting at all is one sentence.
            if !report.errors.iter().any(|error| !error.path.is_empty() && message.starts_with(&error.path)) {
                return Err(Failure::usage(pytest_options::explained(&message, &parse::run_command())));
            }
            progress.finish(&report, out)?;
            return Ok(exit::INTERRUPTED);
        }
    };
    let mut control = RunControl { session: connect.session(), run_id, asked: 0, leaves_interrupts };
    let followed = follow_log(&client, &mut log, &mut control, &mut signals, &mut report, &progress, out).await;
    if followed.is_err() {
        // Whoever wanted to see the results is gone; a run without anybody to tell must not go on.
        control.kill().await;
    }
    if followed? == Followed::GivenUp {
        return Ok(exit::INTERRUPTED);
    }
    progress.finish(&report, out)?;
    Ok(report.status())
}

/// The sentence on a test that there is not, with the one that was meant.
async fn unknown_test(client: &Client, report: &Report, message: String) -> String {
    let Ok(known) = inventory(client).await else { return message };
    let named = report.asked().iter().find(|id| message.contains(&format!("{id:?}")));
    let meant = named.and_then(|id| Some((id, selectors::nearest_test(id, known.iter().map(|node| &*node.node_id))?)));
    meant.map_or(message, |(id, meant)| format!("there is no test `{id}`; did you mean `{meant}`?"))
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
    control: &mut RunControl,
    signals: &mut UnboundedReceiver<Signal>,
    report: &mut Report,
    progress: &Progress<'_>,
    out: &mut dyn Write,
) -> Result<Followed, Failure> {
    loop {
        let events = {
            // The call is finished even where an ask comes in between: a session's answers come in order.
            let mut next = Box::pin(log.next(client, EVENTS_WAIT_MS));
            loop {
                tokio::select! {
                    events = &mut next => break events?,
                    Some(signal) = signals.recv() => if control.on_signal(signal, progress).await { return Ok(Followed::GivenUp) },
                }
            }
        };
        for event in &events {
            if report.take(&event.payload, &control.run_id) {
                progress.show(&event.payload, report, out)?;
            }
            if matches!(&event.payload, EventPayload::RunFinished(end) if end.run_id == control.run_id) {
                return Ok(Followed::ToTheEnd);
            }
        }
        out.flush()?;
    }
}
