//! A run as run control tells it: the events of one suite, written by the recorder beside the project's log, from the same
//! entries, and read by any number of cursors.
//!
//! It is kept small, since it is kept for minutes: what is the same for every run is not stored, the rest takes a few
//! bytes an event.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use pytest_lens_plan::outcome::Outcome;
use pytest_lens_plan::suite::{CaseStatus, SuiteSequence, SuiteStatus, SuiteStep};
use pytest_lens_protocol::{
    self as protocol, Artifact, LaunchErrorCode, LogsIteratorOption, OutputStream, TestOutcome,
};
use pytest_lens_protocol::{SuiteEvent, SuiteEventPayload};
use tokio::sync::Notify;

use super::artifact_dir::RunFolder;
use super::artifacts::STREAMS;
use super::artifacts::{Item, Outputs, Source, Spill};
use crate::clock::now_ns;
use crate::timing::{FLOOD_BATCH, FLOOD_WINDOW_NS};

/// So many events within so many nanoseconds are a flood: what follows is told a little later, many at a time.
const FLOOD: usize = 12;
/// The most events that one answer carries.
const PAGE: usize = 2_000;

/// Why a suite did not get going.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LaunchFailure {
    pub code: LaunchErrorCode,
    pub message: String,
}

/// What a reader finds behind its cursor.
pub(crate) enum Read {
    /// Events, and the cursor behind them; none only when the suite is over.
    Events(usize, Vec<SuiteEvent>),
    /// The suite never got going.
    NotLaunched(LaunchFailure),
    /// Its client has gone, and with it everything that was known of it.
    Gone,
}

/// One suite's events and artifacts.
pub(crate) struct SuiteLog {
    /// The suite's id, which is the run's as well.
    pub id: String,
    /// How its logs are read.
    pub logs: LogsIteratorOption,
    /// Where its artifacts lie. They go with the log.
    folder: OnceLock<RunFolder>,
    pub outputs: Outputs,
    spill: Spill,
    inner: Mutex<Inner>,
    grown: Notify,
    gone: AtomicBool,
}

impl std::fmt::Debug for SuiteLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SuiteLog").field("id", &self.id).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Inner {
    order: SuiteSequence,
    begun_at: u64,
    names: Vec<Arc<str>>,
    /// Events at the beginning that are not stored: the start, and one for each case.
    usual: usize,
    told: Vec<(u64, SuiteStep)>,
    artifacts: Vec<Item>,
    failure: Option<LaunchFailure>,
    over: bool,
}

impl SuiteLog {
    pub(crate) fn new(id: String, logs: LogsIteratorOption) -> Arc<Self> {
        Arc::new(SuiteLog {
            id,
            logs,
            folder: OnceLock::new(),
            outputs: Outputs::default(),
            spill: Spill::default(),
            inner: Mutex::default(),
            grown: Notify::new(),
            gone: AtomicBool::new(false),
        })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, write: impl FnOnce(&mut Inner)) {
        write(&mut self.inner());
        self.grown.notify_waiters();
    }

    /// The suite begins with these cases.
    pub(crate) fn begin(&self, names: Vec<Arc<str>>) {
        self.write(|inner| {
            inner.begun_at = now_ns();
            inner.usual = inner.order.begin(names.len()).count();
            inner.names = names;
        });
    }

    pub(crate) fn start(&self, case: usize) {
        self.tell(|order| order.start(index(case)).into_iter().collect());
    }

    /// A case has its final outcome; all its artifacts were told.
    pub(crate) fn settle(&self, case: usize, outcome: Outcome) {
        self.tell(|order| order.case_over(index(case), outcome).into_iter().flatten().collect());
    }

    /// The suite is over, and nothing follows.
    pub(crate) fn end(&self, at_least: SuiteStatus) {
        self.spill.finish();
        for case in self.outputs.open_cases() {
            self.close_streams(case, None, None);
        }
        self.write(|inner| {
            let told = inner.order.end(at_least);
            inner.record(told);
            inner.over = true;
        });
    }

    /// The suite never begins.
    pub(crate) fn fail(&self, failure: LaunchFailure) {
        self.write(|inner| {
            inner.failure = Some(failure);
            inner.over = true;
        });
    }

    /// The client has gone: nobody is told anything more.
    pub(crate) fn close_for_client(&self) {
        self.gone.store(true, Ordering::Relaxed);
        self.grown.notify_waiters();
    }

    pub(crate) fn is_closed_for_client(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    fn tell(&self, tell: impl FnOnce(&mut SuiteSequence) -> Vec<SuiteStep>) {
        self.write(|inner| {
            let told = tell(&mut inner.order);
            inner.record(told);
        });
    }

    /// Keeps an artifact and tells it: a case's, or the suite's. Returns its number.
    pub(crate) fn keep(&self, case: Option<usize>, item: Item) -> u32 {
        let mut number = 0;
        self.write(|inner| {
            number = index(inner.artifacts.len());
            let told = match case {
                Some(case) => inner.order.artifact(index(case), number),
                // Readers were told that there is no more.
                None if inner.over => None,
                None => Some(inner.order.suite_artifact(number)),
            };
            if told.is_some() {
                inner.artifacts.push(item);
            }
            inner.record(told);
        });
        number
    }

    /// Keeps an artifact that is told in another way. Returns its number.
    pub(crate) fn keep_silently(&self, item: Item) -> u32 {
        let mut inner = self.inner();
        inner.artifacts.push(item);
        index(inner.artifacts.len() - 1)
    }

    /// The suite has printed something outside of its tests.
    pub(crate) fn print(&self, stream: OutputStream, text: &str) {
        if let Some(item) = self.folder().and_then(|folder| self.spill.print(folder, stream, text)) {
            self.keep(None, item);
        }
    }

    /// A test's output is complete: what was not told of it yet is told now. `folder`: where it left artifacts.
    pub(crate) fn close_streams(&self, case: usize, ends: Option<[u64; 3]>, folder: Option<PathBuf>) {
        let folder = folder.or_else(|| self.outputs.folder(case).filter(|_| ends.is_none()));
        for item in self.outputs.close(case, ends) {
            self.keep(Some(case), item);
        }
        let moniker = self.inner().names.get(case).cloned();
        if let Some((directory, moniker)) = folder.zip(moniker) {
            self.keep(Some(case), Item::Custom { directory, moniker });
        }
    }

    /// Output that was captured in memory: a test is over, and here it is.
    pub(crate) fn keep_texts(&self, case: usize, outcome: &TestOutcome) {
        let Some(folder) = self.folder() else { return };
        let texts = [&outcome.stdout, &outcome.stderr, &outcome.log];
        for (text, (stream, _)) in texts.into_iter().zip(STREAMS) {
            if let Some(item) = text.as_deref().and_then(|text| Spill::text(folder, stream, text)) {
                self.keep(Some(case), item);
            }
        }
    }

    /// Keeps files of debug data, and tells of them.
    pub(crate) fn keep_debug_data(&self, files: Vec<(String, PathBuf)>) {
        let kept = files.into_iter().map(|(name, path)| {
            let length = std::fs::metadata(&path).map_or(0, |data| data.len());
            (name, self.keep_silently(Item::File(Source::complete(path, 0, length))))
        });
        let files = Arc::new(kept.collect());
        self.keep(None, Item::Debug { files });
    }

    /// A further iterator over the suite's debug data, where it has any.
    pub(crate) fn debug_data(&self) -> Option<String> {
        let data = self.inner().artifacts.iter().find(|item| matches!(item, Item::Debug { .. })).cloned();
        data.map(|item| artifact_id(&self.id, self.keep_silently(item)))
    }

    /// Makes the folder of its artifacts, beside the project's temporary files. Without it there are none.
    pub(crate) fn make_folder(&self, project: &Path, number: u64) {
        match RunFolder::make(project, number) {
            Ok(folder) => drop(self.folder.set(folder)),
            Err(error) => tracing::warn!(%error, "there is no folder for a run's artifacts"),
        }
    }

    pub(crate) fn folder(&self) -> Option<&Path> {
        self.folder.get().map(RunFolder::path)
    }

    pub(crate) fn item(&self, number: u32) -> Option<Item> {
        self.inner().artifacts.get(number as usize).cloned()
    }

    /// What is behind a cursor; waits for it.
    pub(crate) async fn read(&self, cursor: usize) -> Read {
        loop {
            let grown = self.grown.notified();
            tokio::pin!(grown);
            grown.as_mut().enable();
            if self.is_closed_for_client() {
                return Read::Gone;
            }
            if let Some(read) = self.inner().read(&self.id, cursor) {
                return read;
            }
            grown.await;
            // Where events come thick and fast, a reader is told many at a time.
            if self.inner().is_flooded(now_ns()) {
                tokio::time::sleep(FLOOD_BATCH).await;
            }
        }
    }
}

impl Inner {
    /// Whether the last few events came within a moment.
    fn is_flooded(&self, now: u64) -> bool {
        let earlier = self.told.len().checked_sub(FLOOD).and_then(|place| self.told.get(place));
        earlier.is_some_and(|(at, _)| now.saturating_sub(*at) < FLOOD_WINDOW_NS)
    }

    fn record(&mut self, told: impl IntoIterator<Item = SuiteStep>) {
        let now = now_ns();
        self.told.extend(told.into_iter().map(|told| (now, told)));
    }

    fn read(&self, id: &str, cursor: usize) -> Option<Read> {
        if let Some(failure) = &self.failure {
            return Some(Read::NotLaunched(failure.clone()));
        }
        let length = self.usual + self.told.len();
        if cursor >= length && !self.over {
            return None;
        }
        let end = length.min(cursor.saturating_add(PAGE));
        let events = (cursor..end).filter_map(|place| self.event(id, place)).collect();
        Some(Read::Events(end.max(cursor.min(length)), events))
    }

    fn event(&self, id: &str, place: usize) -> Option<SuiteEvent> {
        let (timestamp, told) = match place.checked_sub(self.usual) {
            Some(place) => *self.told.get(place)?,
            None if place == 0 => (self.begun_at, SuiteStep::SuiteStarted),
            None => (self.begun_at, SuiteStep::Found(index(place - 1))),
        };
        let artifact = |number: u32| Some(self.artifacts.get(number as usize)?.told(id, number));
        let payload = match told {
            SuiteStep::SuiteStarted => SuiteEventPayload::SuiteStarted,
            SuiteStep::Found(case) => SuiteEventPayload::CaseFound {
                test_case_name: self.names.get(case as usize)?.to_string(),
                identifier: case,
            },
            SuiteStep::Started(case) => SuiteEventPayload::CaseStarted { identifier: case },
            SuiteStep::Artifact(case, number) => {
                SuiteEventPayload::CaseArtifact { identifier: case, artifact: artifact(number)? }
            }
            SuiteStep::Stopped(case, status) => {
                SuiteEventPayload::CaseStopped { identifier: case, status: case_status(status) }
            }
            SuiteStep::Finished(case) => SuiteEventPayload::CaseFinished { identifier: case },
            SuiteStep::SuiteArtifact(number) => SuiteEventPayload::SuiteArtifact { artifact: artifact(number)? },
            SuiteStep::SuiteStopped(status) => SuiteEventPayload::SuiteStopped { status: suite_status(status) },
        };
        Some(SuiteEvent { timestamp, payload })
    }
}

/// Names an artifact, an iterator or a token across suites.
pub(crate) fn artifact_id(suite: &str, number: u32) -> String {
    format!("{suite}/{number}")
}

/// A text stream as an artifact.
pub(crate) fn stream_artifact(stream: OutputStream, artifact_id: String) -> Artifact {
    match stream {
        OutputStream::Stdout => Artifact::Stdout { artifact_id },
        OutputStream::Stderr => Artifact::Stderr { artifact_id },
        OutputStream::Log => Artifact::Log { artifact_id },
    }
}

fn index(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn case_status(status: CaseStatus) -> protocol::CaseStatus {
    match status {
        CaseStatus::Passed => protocol::CaseStatus::Passed,
        CaseStatus::Failed => protocol::CaseStatus::Failed,
        CaseStatus::TimedOut => protocol::CaseStatus::TimedOut,
        CaseStatus::Skipped => protocol::CaseStatus::Skipped,
        CaseStatus::Error => protocol::CaseStatus::Error,
    }
}

fn suite_status(status: SuiteStatus) -> protocol::SuiteStatus {
    match status {
        SuiteStatus::Passed => protocol::SuiteStatus::Passed,
        SuiteStatus::Failed => protocol::SuiteStatus::Failed,
        SuiteStatus::DidNotFinish => protocol::SuiteStatus::DidNotFinish,
        SuiteStatus::TimedOut => protocol::SuiteStatus::TimedOut,
        SuiteStatus::Stopped => protocol::SuiteStatus::Stopped,
        SuiteStatus::InternalError => protocol::SuiteStatus::InternalError,
    }
}
