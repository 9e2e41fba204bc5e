//! One run: starts it, follows the event log to its end, and returns pytest's exit status.

pub(crate) mod affected;
pub(crate) mod narrow;
pub(crate) mod order;
mod request;
mod stopping;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use pytest_lens_engine::Connect;
use pytest_lens_platform::signals::{self, Signal};
use pytest_lens_protocol::{Event, EventPayload, Request, SessionExit};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::engine::client::{Client, Log};
use crate::engine::inventory::inventory;
use crate::failure::{Failure, exit};
use crate::options::{arguments, parse, pytest_options, selectors, terminal_access};
use crate::results::code::CodeWatch;
use crate::results::report::Report;
use crate::style::Style;
use crate::suggest;
use crate::terminal::progress::Progress;
use crate::terminal::sections;
use crate::timing::{AGE_INTERVAL, EVENTS_WAIT_MS};
use request::{Started, start};
use stopping::{CrashLimit, RunControl};

const UNBEGUN: &str = "interrupted before the run began";

/// Runs the tests that the options select.
pub(crate) async fn run(
    connect: Arc<dyn Connect>,
    root: &Path,
    options: &arguments::Run,
    out: &mut dyn Write,
    style: Style,
) -> Result<i32, Failure> {
    let mut signals = signals::listen()?;
    Ok(once(&*connect, root, options, out, style, &mut signals).await?.status())
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It ran: the exit status.
    Ran(i32),
    /// Nothing was selected: the exit status.
    Empty(i32),
}

impl Ended {
    pub(crate) fn status(self) -> i32 {
        match self {
            Ended::Ran(status) | Ended::Empty(status) => status,
        }
    }
}

/// As [`run`], with signals from any source.
pub(crate) async fn once(
    connect: &dyn Connect,
    root: &Path,
    options: &arguments::Run,
    out: &mut dyn Write,
    style: Style,
    signals: &mut UnboundedReceiver<Signal>,
) -> Result<Ended, Failure> {
    let ids = selectors::node_ids(root, &options.selectors)?;
    let mut report = Report::new(root, ids.clone());
    report.all = (options.for_agent || sections::wants_all(&options.output)).then(Vec::new);
    let style = style.with_colour(options.output.color.as_deref());
    report.folder = options.engine.folder.clone().filter(|_| !options.json && !options.for_agent);
    report.has_terminal = options.has_terminal;
    report.continues = options.continue_on_collection_errors;
    report.limit = request::limit(options);
    report.step = request::step(options);
    report.code = options.for_agent.then(|| CodeWatch::begin(&Arc::default(), root));
    let mut progress = Progress::new(options, style);
    let leaves_interrupts = options.has_terminal && terminal_access::is_shared();
    let mut interrupted = false;
    let started = {
        let mut starting = std::pin::pin!(start(connect, root, options, ids, &mut report));
        loop {
            tokio::select! {
                started = &mut starting => break started,
                // The tests receive Ctrl-C as well.
                Some(signal) = signals.recv() => if signal == Signal::Interrupt && leaves_interrupts {
                    interrupted = true;
                } else {
                    progress.note(UNBEGUN);
                    return Ok(Ended::Ran(exit::INTERRUPTED));
                },
            }
        }
    };
    if interrupted && !matches!(started, Ok(Started::Run(..))) {
        progress.note(UNBEGUN);
        return Ok(Ended::Ran(exit::INTERRUPTED));
    }
    let (client, run_id, mut log) = match started? {
        Started::Run(client, run_id, log) => {
            // The lines in the heading are about the same.
            if let Some(note) =
                report.note.as_ref().filter(|_| report.on_collected.is_empty() || !progress.has_heading())
            {
                progress.note(note);
            }
            if progress.wants_status() {
                let request = Request::GetContextStatus { context_id: client.context_id.clone() };
                progress.set_status(client.session.call(request).await);
            }
            (client, run_id, log)
        }
        Started::Empty { why, status } => {
            progress.note(&why);
            return Ok(Ended::Empty(status));
        }
        Started::Refused { client, message, session_exit, .. } => {
            report.refuse(&client.collect_errors().await?);
            if message.starts_with("no test ") {
                return Err(Failure::usage(unknown_test(&client, &report, message).await));
            }
            if let Some(SessionExit { status, report }) = session_exit {
                progress.show_internal_error(&report, out)?;
                let sentence = pytest_options::explained(&message, &parse::run_command());
                return Err(Failure::Message { sentence, status });
            }
            // A file's own error is shown as pytest shows it; an error that keeps pytest from starting is one sentence.
            if !report.errors.iter().any(|error| !error.path.is_empty() && message.starts_with(&error.path)) {
                return Err(Failure::usage(pytest_options::explained(&message, &parse::run_command())));
            }
            progress.finish(&report, out)?;
            return Ok(Ended::Ran(if report.continues { exit::FAILED } else { exit::INTERRUPTED }));
        }
    };
    let mut control = RunControl {
        session: connect.session(),
        run_id,
        received: 0,
        leaves_interrupts,
        crashes: CrashLimit::new(options.max_worker_restart),
    };
    let followed = follow_log(&client, &mut log, &mut control, signals, &mut report, &mut progress, out).await;
    if followed.is_err() {
        // Standard output is closed: nobody sees the results, so the run must not go on.
        control.kill().await;
    }
    if followed? == Followed::GivenUp {
        return Ok(Ended::Ran(exit::INTERRUPTED));
    }
    progress.finish(&report, out)?;
    Ok(Ended::Ran(match report.status() {
        exit::FAILED if request::interrupts_at_failure(options, report.failed() + report.errors.len()) => {
            exit::INTERRUPTED
        }
        status => status,
    }))
}

/// The sentence on a test that does not exist, with the nearest one that does.
async fn unknown_test(client: &Client, report: &Report, message: String) -> String {
    let Ok(known) = inventory(client).await else { return message };
    let named = report.selected().iter().find(|id| message.contains(&format!("{id:?}")));
    let nearest =
        named.and_then(|id| Some((id, selectors::nearest_test(id, known.iter().map(|node| &*node.node_id))?)));
    nearest.map_or(message, |(id, nearest)| format!("there is no test `{id}`{}", suggest::did_you_mean(Some(&nearest))))
}

/// Moves the text that was printed before the first test to where pytest prints it: before the heading.
fn text_before_heading(events: &mut [Arc<Event>], run_id: &str) {
    let is_start = |event: &Arc<Event>| matches!(&event.payload, EventPayload::RunStarted(run) if run.run_id == run_id);
    let Some(start) = events.iter().position(is_start) else { return };
    let is_text = |event: &&Arc<Event>| matches!(event.payload, EventPayload::Output(_));
    let texts = events.iter().skip(start + 1).take_while(is_text).count();
    if let Some(moved) = events.get_mut(start..=start + texts) {
        moved.rotate_left(1);
    }
}

/// How the reading of the log ended.
#[derive(PartialEq, Eq)]
enum Followed {
    ToTheEnd,
    /// The user sent a third signal.
    GivenUp,
}

async fn follow_log(
    client: &Client,
    log: &mut Log,
    control: &mut RunControl,
    signals: &mut UnboundedReceiver<Signal>,
    report: &mut Report,
    progress: &mut Progress<'_>,
    out: &mut dyn Write,
) -> Result<Followed, Failure> {
    let mut looks = tokio::time::interval(AGE_INTERVAL);
    loop {
        let mut events = {
            // A signal does not cancel the call, because a session answers in the order of its requests.
            let mut next = Box::pin(log.next(client, EVENTS_WAIT_MS));
            loop {
                tokio::select! {
                    events = &mut next => break events?,
                    _ = looks.tick() => progress.tick(report, out)?,
                    Some(signal) = signals.recv() => if control.on_signal(signal, progress).await { return Ok(Followed::GivenUp) },
                }
            }
        };
        if progress.has_heading() {
            text_before_heading(&mut events, &control.run_id);
        }
        for event in &events {
            let payload = &*report.with_shown_ids(&event.payload);
            if report.apply(payload, &control.run_id) {
                if let EventPayload::RunStarted(start) = payload
                    && !start.output_options.is_empty()
                    && progress.follow(&start.output_options)
                {
                    report.all.get_or_insert_default();
                }
                progress.show(payload, report, out)?;
            }
            if control.crashes.is_passed(report) {
                control.stop_after_crashes(progress).await;
            }
            if matches!(&event.payload, EventPayload::RunFinished(end) if end.run_id == control.run_id) {
                return Ok(Followed::ToTheEnd);
            }
        }
        out.flush()?;
    }
}
