//! Gathers the messages of a session that collects, until it has collected, fails, or ends without a word.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::model::file_readers::FileReads;
use crate::model::node::{MadeNode, NodeMaker};
use crate::model::timings::ReportedTime;
use crate::processes::collected_session::CollectFailure;
use crate::processes::process::{ExitStatus, ProcessEvent};
use crate::processes::worker_protocol::{FromWorker, ImportPoint, WireCollected};
use crate::timing::EXIT_STATUS_LIMIT;

/// The place at which a collection ended without a word, or took too long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CrashPoint {
    /// The file whose code ran, relative to the root.
    pub path: String,
    /// The test file that was collected.
    pub within: String,
    /// Files, other than sources, that the session had opened, if it followed crashes.
    pub opened: Vec<PathBuf>,
    /// Somebody else may have ended the process.
    pub may_be_from_outside: bool,
}

/// How far a collection is.
#[derive(Default)]
pub(super) struct Progress {
    point: ImportPoint,
    /// When it began with the test file.
    since: Option<Instant>,
    opened: Vec<PathBuf>,
}

impl Progress {
    fn reaches(&mut self, point: ImportPoint) {
        if point.within != self.point.within {
            self.since = Some(Instant::now());
        }
        self.point = point;
    }

    /// The place at fault; none outside of test files.
    fn crash_point(&mut self) -> Option<Box<CrashPoint>> {
        let ImportPoint { path: Some(path), within: Some(within) } = self.point.clone() else { return None };
        let opened = std::mem::take(&mut self.opened);
        Some(Box::new(CrashPoint { path, within, opened, may_be_from_outside: false }))
    }

    /// The failure of a collection whose process has ended.
    pub(super) fn ended(&mut self, status: &ExitStatus) -> CollectFailure {
        let place = self.point.path.as_ref().map_or_else(String::new, |path| format!(" while it imported {path}"));
        let message = format!("the process that collects tests {status}{place}");
        let mut point = self.crash_point();
        if let Some(point) = &mut point {
            point.may_be_from_outside = status.may_be_from_outside();
        }
        CollectFailure::Crashed { message, point }
    }

    /// The failure of a collection that took too long. A file is at fault if it took most of the time.
    pub(super) fn timed_out(&mut self, limit: Duration) -> CollectFailure {
        let message = took_too_long(limit, self.point.path.as_deref());
        let is_at_fault = self.since.is_some_and(|since| since.elapsed() >= limit / 2);
        CollectFailure::TimedOut { message, point: self.crash_point().filter(|_| is_at_fault) }
    }
}

/// The message for a collection that took too long.
pub(crate) fn took_too_long(limit: Duration, importing: Option<&str>) -> String {
    let place = importing.map_or_else(String::new, |path| format!(", while {path} was being imported"));
    format!(
        "collecting tests took longer than {} ms{place}; speed it up, or raise pytestLens.collectTimeoutMs",
        limit.as_millis()
    )
}

/// The messages of a session that collects.
pub(super) struct Gathered {
    pub items: Vec<MadeNode>,
    pub reads: Vec<FileReads>,
    pub times: Vec<ReportedTime>,
    pub collected: WireCollected,
}

/// `begins`: what to do while a file is imported.
pub(super) async fn gather(
    events: &mut mpsc::UnboundedReceiver<ProcessEvent>,
    progress: &mut Progress,
    begins: impl Fn(&str),
) -> Result<Gathered, CollectFailure> {
    let (mut maker, mut items, mut reads, mut times) = (NodeMaker::default(), Vec::new(), Vec::new(), Vec::new());
    while let Some(event) = events.recv().await {
        match event {
            ProcessEvent::Message(message) => match *message {
                FromWorker::Nodes { items: more } => items.extend(more.into_iter().map(|item| maker.make(item))),
                FromWorker::Importing(point) => {
                    if let Some(path) = &point.path {
                        begins(path);
                    }
                    progress.reaches(point);
                }
                FromWorker::Opened { path } => progress.opened.push(path.into()),
                FromWorker::Reads { reads: more } => reads.extend(more),
                FromWorker::Timings { spans } => times.extend(spans),
                FromWorker::Collected(collected) => {
                    return Ok(Gathered { items, reads, times, collected: *collected });
                }
                FromWorker::UsageError { message, path, line, session_exit } => {
                    return Err(CollectFailure::Refused { message, path, line, session_exit });
                }
                FromWorker::InternalError { message, session_exit } => {
                    return Err(CollectFailure::Broken { message, session_exit });
                }
                FromWorker::Effect { detail: reason, files } => {
                    return Err(CollectFailure::OnlyWhenAsked { reason, files });
                }
                _ => {}
            },
            ProcessEvent::Exited(status) => return Err(progress.ended(&status)),
            // The process that would report its end may have ended with it.
            ProcessEvent::Lost => {
                let told = tokio::time::timeout(EXIT_STATUS_LIMIT, events.recv()).await;
                let status = match told {
                    Ok(Some(ProcessEvent::Exited(status))) => status,
                    _ => ExitStatus::default(),
                };
                return Err(progress.ended(&status));
            }
        }
    }
    Err(progress.ended(&ExitStatus::default()))
}
