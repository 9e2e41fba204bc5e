//! A run as run control reports it: the events of one suite. The recorder writes it together with the project's log;
//! any number of cursors read it.
//!
//! It stays for minutes after the end, so it is small: events that are the same for every run are not stored, and the
//! others take a few bytes each.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use pytest_lens_plan::outcome::Outcome;
use pytest_lens_plan::suite::{SuiteSequence, SuiteStep};
use pytest_lens_protocol::{
    Artifact, LaunchErrorCode, LogsIteratorOption, OutputStream, SuiteEvent, SuiteEventPayload, SuiteStatus,
    TestOutcome,
};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::artifact_dir::RunFolder;
use super::artifacts::STREAMS;
use super::artifacts::{Item, OpenStreams, Source, SuiteOutput};
use super::packed::Packed;
use crate::clock::now_ns;
use crate::timing::{FLOOD_BATCH, FLOOD_WINDOW_NS};

/// This many events within [`FLOOD_WINDOW_NS`] are a flood; further ones are reported a little later, many at a time.
const FLOOD: usize = 12;
/// The most events in one answer.
const PAGE: usize = 2_000;

/// The reason why a suite could not be launched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LaunchFailure {
    pub code: LaunchErrorCode,
    pub message: String,
}

/// The events after a reader's cursor.
pub(crate) enum Read {
    /// Events, and the cursor after them; empty only if the suite is over.
    Events(usize, Vec<SuiteEvent>),
    /// The suite could not be launched.
    NotLaunched(LaunchFailure),
    /// Its client has gone, and with it the suite.
    Gone,
}

/// The events and artifacts of one suite.
pub(crate) struct SuiteLog {
    /// The suite's id, which is also the run's.
    pub id: String,
    /// The format of its logs.
    pub logs: LogsIteratorOption,
    /// The beginning of the names of its cases for its client: the folder of a nested project, with `/`.
    prefix: String,
    /// The folder of its artifacts, removed with the log.
    folder: OnceLock<RunFolder>,
    pub open_streams: OpenStreams,
    output: SuiteOutput,
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
    /// Number of events at the beginning that are not stored: the start, and one for each case.
    usual: usize,
    /// Number of stored events.
    stored: usize,
    contents: Packed<Contents>,
    failure: Option<LaunchFailure>,
    over: bool,
}

/// The part of a log that grows with its suite. It is packed after the end.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Contents {
    /// The names of the cases.
    names: Vec<Arc<str>>,
    /// Events and their times, in nanoseconds of the machine's monotonic clock.
    steps: Vec<(u64, SuiteStep)>,
    artifacts: Vec<Item>,
}

impl SuiteLog {
    /// `path`: the folder of its project, relative to the client's root.
    pub(crate) fn new(id: String, logs: LogsIteratorOption, path: &str) -> Arc<Self> {
        Arc::new(SuiteLog {
            id,
            logs,
            prefix: if path.is_empty() { String::new() } else { format!("{path}/") },
            folder: OnceLock::new(),
            open_streams: OpenStreams::default(),
            output: SuiteOutput::default(),
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

    /// Starts the suite with these cases.
    pub(crate) fn begin(&self, names: Vec<Arc<str>>) {
        self.write(|inner| {
            inner.begun_at = now_ns();
            inner.usual = inner.order.begin(names.len()).count();
            inner.contents.open().names = names;
        });
    }

    pub(crate) fn start(&self, case: usize) {
        self.tell(|order| order.start(index(case)).into_iter().collect());
    }

    /// A case has its final outcome, and all its artifacts were reported.
    pub(crate) fn settle(&self, case: usize, outcome: Outcome) {
        self.tell(|order| order.case_over(index(case), outcome).into_iter().flatten().collect());
    }

    /// Ends the suite; nothing follows.
    pub(crate) fn end(&self, at_least: SuiteStatus) {
        self.output.finish();
        for case in self.open_streams.open_cases() {
            self.close_streams(case, None, None);
        }
        self.open_streams.release();
        self.write(|inner| {
            let steps = inner.order.end(at_least);
            inner.record(steps);
            inner.over = true;
        });
    }

    /// The suite could not be launched.
    pub(crate) fn fail(&self, failure: LaunchFailure) {
        self.write(|inner| {
            inner.failure = Some(failure);
            inner.over = true;
        });
    }

    /// The client has gone: ends the log for its readers.
    pub(crate) fn close_for_client(&self) {
        self.gone.store(true, Ordering::Relaxed);
        self.grown.notify_waiters();
    }

    pub(crate) fn is_closed_for_client(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    fn tell(&self, tell: impl FnOnce(&mut SuiteSequence) -> Vec<SuiteStep>) {
        self.write(|inner| {
            let steps = tell(&mut inner.order);
            inner.record(steps);
        });
    }

    /// Adds an artifact of a case or of the suite, with an event. Returns its number.
    pub(crate) fn keep(&self, case: Option<usize>, item: Item) -> u32 {
        let mut number = 0;
        self.write(|inner| {
            number = index(inner.contents.open().artifacts.len());
            let told = match case {
                Some(case) => inner.order.artifact(index(case), number),
                // Readers have read the end.
                None if inner.over => None,
                None => Some(inner.order.suite_artifact(number)),
            };
            if told.is_some() {
                inner.contents.open().artifacts.push(item);
            }
            inner.record(told);
        });
        number
    }

    /// Adds an artifact without an event. Returns its number.
    pub(crate) fn keep_silently(&self, item: Item) -> u32 {
        let mut inner = self.inner();
        let artifacts = &mut inner.contents.open().artifacts;
        artifacts.push(item);
        index(artifacts.len() - 1)
    }

    /// Adds output that the suite printed outside of its tests.
    pub(crate) fn print(&self, stream: OutputStream, text: &str) {
        if let Some(item) = self.folder().and_then(|folder| self.output.print(folder, stream, text)) {
            self.keep(None, item);
        }
    }

    /// Completes a test's output, and reports the streams that were not reported yet. `folder`: the test's artifact
    /// folder.
    pub(crate) fn close_streams(&self, case: usize, ends: Option<[u64; 3]>, folder: Option<PathBuf>) {
        let folder = folder.or_else(|| self.open_streams.folder(case).filter(|_| ends.is_none()));
        for item in self.open_streams.close(case, ends) {
            self.keep(Some(case), item);
        }
        let moniker = self.inner().contents.open().names.get(case).map(|name| format!("{}{name}", self.prefix).into());
        if let Some((directory, moniker)) = folder.zip(moniker) {
            self.keep(Some(case), Item::Custom { directory, moniker });
        }
    }

    /// Adds a test's output that was captured in memory.
    pub(crate) fn keep_texts(&self, case: usize, outcome: &TestOutcome) {
        let Some(folder) = self.folder() else { return };
        let texts = [&outcome.stdout, &outcome.stderr, &outcome.log];
        for (text, (stream, _)) in texts.into_iter().zip(STREAMS) {
            if let Some(item) = text.as_deref().and_then(|text| SuiteOutput::text(folder, stream, text)) {
                self.keep(Some(case), item);
            }
        }
    }

    /// Adds files of debug data, with an event.
    pub(crate) fn keep_debug_data(&self, files: Vec<(String, PathBuf)>) {
        let kept = files.into_iter().map(|(name, path)| {
            let length = std::fs::metadata(&path).map_or(0, |data| data.len());
            (name, self.keep_silently(Item::File(Source::complete(path, 0, length))))
        });
        let files = Arc::new(kept.collect());
        self.keep(None, Item::Debug { files });
    }

    /// A new iterator over the suite's debug data, if there are any.
    pub(crate) fn debug_data(&self) -> Option<String> {
        let data =
            self.inner().contents.open().artifacts.iter().find(|item| matches!(item, Item::Debug { .. })).cloned();
        data.map(|item| artifact_id(&self.id, self.keep_silently(item)))
    }

    /// Makes the artifact folder, next to the project's temporary files. If that fails, the run has no artifacts.
    pub(crate) fn make_folder(&self, project: &Path, number: u64) {
        if self.folder.get().is_some() {
            return;
        }
        match RunFolder::make(project, number) {
            Ok(folder) => drop(self.folder.set(folder)),
            Err(error) => tracing::warn!(%error, "there is no folder for a run's artifacts"),
        }
    }

    pub(crate) fn folder(&self) -> Option<&Path> {
        self.folder.get().map(RunFolder::path)
    }

    pub(crate) fn item(&self, number: u32) -> Option<Item> {
        self.inner().contents.open().artifacts.get(number as usize).cloned()
    }

    /// Packs the contents of a suite that is over. Blocks.
    pub(crate) fn pack(&self) {
        let folder = self.folder();
        let mut inner = self.inner();
        if inner.over && inner.contents.is_open() && inner.contents.open().artifacts.iter().all(Item::is_complete) {
            inner.contents.pack(folder, "events");
            drop(inner);
            // Succeeds only if the run left nothing.
            let _ = folder.map(std::fs::remove_dir);
        }
    }

    /// Calls `read` with the names of its cases.
    pub(crate) fn with_names<T>(&self, read: impl FnOnce(&[Arc<str>]) -> T) -> T {
        read(&self.inner().contents.open().names)
    }

    /// Returns the events after a cursor; waits if there are none yet.
    pub(crate) async fn read(&self, cursor: usize) -> Read {
        loop {
            let grown = self.grown.notified();
            tokio::pin!(grown);
            grown.as_mut().enable();
            if self.is_closed_for_client() {
                return Read::Gone;
            }
            if let Some(read) = self.inner().read((&self.id, &self.prefix), cursor) {
                return read;
            }
            grown.await;
            // During a flood, readers get many events at a time.
            if self.inner().is_flooded(now_ns()) {
                tokio::time::sleep(FLOOD_BATCH).await;
            }
        }
    }
}

impl Inner {
    /// Returns whether the last few events came at nearly the same time.
    fn is_flooded(&mut self, now: u64) -> bool {
        if self.over {
            return false;
        }
        let steps = &self.contents.open().steps;
        let earlier = steps.len().checked_sub(FLOOD).and_then(|place| steps.get(place));
        earlier.is_some_and(|(at, _)| now.saturating_sub(*at) < FLOOD_WINDOW_NS)
    }

    fn record(&mut self, new: impl IntoIterator<Item = SuiteStep>) {
        let now = now_ns();
        let steps = &mut self.contents.open().steps;
        steps.extend(new.into_iter().map(|step| (now, step)));
        self.stored = steps.len();
    }

    fn read(&mut self, (id, prefix): (&str, &str), cursor: usize) -> Option<Read> {
        if let Some(failure) = &self.failure {
            return Some(Read::NotLaunched(failure.clone()));
        }
        let length = self.usual + self.stored;
        if cursor >= length && !self.over {
            return None;
        }
        let end = length.min(cursor.saturating_add(PAGE));
        if cursor >= end {
            return Some(Read::Events(cursor.min(length), Vec::new()));
        }
        let (usual, begun_at) = (self.usual, self.begun_at);
        let contents = self.contents.open();
        let step = |place: usize| match place.checked_sub(usual) {
            Some(place) => contents.steps.get(place).copied(),
            None if place == 0 => Some((begun_at, SuiteStep::SuiteStarted)),
            None => Some((begun_at, SuiteStep::Found(index(place - 1)))),
        };
        let events = (cursor..end).filter_map(step).filter_map(|step| contents.event((id, prefix), step)).collect();
        Some(Read::Events(end.max(cursor.min(length)), events))
    }
}

impl Contents {
    fn event(&self, (id, prefix): (&str, &str), (timestamp, step): (u64, SuiteStep)) -> Option<SuiteEvent> {
        let artifact = |number: u32| Some(self.artifacts.get(number as usize)?.told(id, number));
        let payload = match step {
            SuiteStep::SuiteStarted => SuiteEventPayload::SuiteStarted,
            SuiteStep::Found(case) => SuiteEventPayload::CaseFound {
                test_case_name: format!("{prefix}{}", self.names.get(case as usize)?),
                identifier: case,
            },
            SuiteStep::Started(case) => SuiteEventPayload::CaseStarted { identifier: case },
            SuiteStep::Artifact(case, number) => {
                SuiteEventPayload::CaseArtifact { identifier: case, artifact: artifact(number)? }
            }
            SuiteStep::Stopped(case, status) => SuiteEventPayload::CaseStopped { identifier: case, status },
            SuiteStep::Finished(case) => SuiteEventPayload::CaseFinished { identifier: case },
            SuiteStep::SuiteArtifact(number) => SuiteEventPayload::SuiteArtifact { artifact: artifact(number)? },
            SuiteStep::SuiteStopped(status) => SuiteEventPayload::SuiteStopped { status },
        };
        Some(SuiteEvent { timestamp, payload })
    }
}

/// The id of an artifact, an iterator or a token: unique across suites.
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
