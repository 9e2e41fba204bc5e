//! Files whose import ends the process that collects, or never ends: the tests of all other files are collected without
//! them.
//!
//! The first crash may be nobody's fault, so the same is collected again, in a session that follows every import. If it
//! crashes, too, the innermost file is left out, and so on. (If somebody else may have ended the process, it must have
//! happened twice at the same file.) A file stays left out until anything changes that its import may depend on, or a
//! client requests it alone.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::{Pool, Wanted};
use crate::model::collect_error::CrashKind;
use crate::model::scope::Scope;
use crate::processes::collected_session::{CollectFailure, CollectedSession};
use crate::processes::disk_snapshot::Snapshot;
use crate::processes::gathering::CrashPoint;
use crate::processes::project_files;
use crate::processes::worker_protocol::{CrashedFile, Purpose};

/// Number of files that one collection leaves out at most. Each takes one more collection.
const FILES_LIMIT: usize = 16;

/// The same for files that never end their import: each takes as long as a collection may take.
const TIMEOUTS_LIMIT: usize = 3;

/// Steps of the clock that marks files.
const CLOCK_STEP: Duration = Duration::from_millis(20);

/// A file that is left out.
pub(super) struct Crash {
    file: CrashedFile,
    /// All that its import may depend on.
    inputs: Snapshot,
    /// The same, outside of the project.
    ground: Snapshot,
}

/// The files that collections leave out.
#[derive(Default)]
pub(super) struct Crashes {
    known: Vec<Arc<Mutex<Crash>>>,
    /// Number of imports that took too long, and the last one's message.
    timed_out: (usize, String),
}

/// The files that one collection leaves out.
#[derive(Default)]
pub(super) struct LeftOut {
    pub files: Vec<CrashedFile>,
    /// All that these crashes depend on.
    pub inputs: Snapshot,
    /// Those that crashed just now.
    new: Vec<Crash>,
    /// The test file in which the last collection crashed.
    suspect: Option<String>,
    /// Number of collections that were repeated without leaving out more.
    repeated: usize,
}

impl Pool {
    /// The files that a collection leaves out from the beginning; `None` if none is known to crash.
    pub(super) async fn known_crashes(&self, wanted: Wanted<'_>) -> Option<LeftOut> {
        let known = self.state().crashes.known.clone();
        if known.is_empty() || self.is_alone(wanted) {
            return None;
        }
        let compare = move || {
            let holds = |crash: &Arc<Mutex<Crash>>| {
                let mut crash = crash.lock().unwrap_or_else(PoisonError::into_inner);
                crash.inputs.is_fresh() && crash.ground.is_fresh()
            };
            known.into_iter().filter(holds).collect::<Vec<_>>()
        };
        let known = tokio::task::spawn_blocking(compare).await.unwrap_or_default();
        let mut left_out = LeftOut::default();
        for crash in &known {
            let crash = crash.lock().unwrap_or_else(PoisonError::into_inner);
            left_out.files.push(crash.file.clone());
            left_out.inputs.absorb(&crash.inputs);
        }
        self.state().crashes.known = known;
        (!left_out.files.is_empty()).then_some(left_out)
    }

    /// Returns whether a client requests one file, which then is tried again.
    fn is_alone(&self, wanted: Wanted<'_>) -> bool {
        let Scope::Paths(paths) = wanted.scope else { return false };
        let is_file = || paths.first().is_some_and(|path| self.launcher.root.join(path).is_file());
        wanted.purpose != Purpose::Unasked && paths.len() == 1 && is_file()
    }

    /// Returns whether a session has left out the one file that is requested.
    pub(super) fn left_out_alone(&self, collected: &CollectedSession, wanted: Wanted<'_>) -> bool {
        let mut crashed = collected.tests.errors.iter().filter(|error| error.crash.is_some());
        crashed.any(|error| wanted.scope.holds(&error.path)) && self.is_alone(wanted)
    }

    /// The files that the next collection leaves out after this one has failed; the failure, if there is no next one.
    pub(super) async fn leave_out(
        &self,
        failure: CollectFailure,
        present: Option<LeftOut>,
        began: SystemTime,
        wanted: Wanted<'_>,
    ) -> Result<LeftOut, CollectFailure> {
        let (point, kind) = match &failure {
            CollectFailure::Crashed { point, .. } => (point.clone(), CrashKind::Ended),
            CollectFailure::TimedOut { point: Some(point), .. } => (Some(point.clone()), CrashKind::TimedOut),
            _ => return Err(failure),
        };
        let Some(mut left_out) = present.or_else(|| (kind == CrashKind::TimedOut).then(LeftOut::default)) else {
            let suspect = point.map(|point| point.within);
            return Ok(LeftOut { suspect, ..LeftOut::default() });
        };
        let is_like = |crash: &&Crash| crash.file.kind == kind;
        let limit = if kind == CrashKind::TimedOut { TIMEOUTS_LIMIT } else { FILES_LIMIT };
        let Some(point) = point.filter(|_| left_out.new.iter().filter(is_like).count() < limit) else {
            return Err(failure);
        };
        // Two kills by others rarely hit the same file.
        if point.may_be_from_outside && left_out.suspect.as_ref() != Some(&point.within) {
            left_out.suspect = Some(point.within);
            return left_out.repeated(failure);
        }
        // Without its conftest, a file would be collected as something else.
        let is_conftest = point.path.rsplit('/').next() == Some("conftest.py");
        let path = if is_conftest { point.within.clone() } else { point.path.clone() };
        if left_out.files.iter().any(|file| file.path == path) {
            return Err(failure);
        }
        let Some(inputs) = self.inputs_of(*point, began, wanted).await else {
            // It is not known which version of the files has crashed.
            return left_out.repeated(failure);
        };
        let message = failure.to_string();
        tracing::warn!(%path, %message, "a file is left out of the collection");
        if kind == CrashKind::TimedOut {
            let timed_out = &mut self.state().crashes.timed_out;
            *timed_out = (timed_out.0 + 1, message.clone());
        }
        let file = CrashedFile { path, message, kind };
        left_out.files.push(file.clone());
        left_out.inputs.absorb(&inputs);
        left_out.new.push(Crash { file, inputs, ground: Snapshot::default() });
        Ok(left_out)
    }

    /// All sources on which an import may depend, and the files that it opened; `None` if some may have changed since.
    async fn inputs_of(&self, point: CrashPoint, began: SystemTime, wanted: Wanted<'_>) -> Option<Snapshot> {
        let (root, settings) = (self.launcher.root.clone(), Arc::clone(wanted.settings));
        let look = move || {
            let is_input = |path: &String| {
                *path == point.path || *path == point.within || !settings.is_test_file(std::path::Path::new(path))
            };
            let sources = project_files::sources(&root, &root).filter(is_input).map(|path| root.join(path));
            let named = [&point.path, &point.within].map(|path| root.join(path));
            let mut inputs = Snapshot::default();
            inputs.add_opened(sources.chain(named).chain(point.opened));
            inputs.is_older_than(began - CLOCK_STEP).then_some(inputs)
        };
        tokio::task::spawn_blocking(look).await.ok().flatten()
    }

    /// Remembers the crashes before this collection.
    pub(super) fn remember_crashes(&self, left_out: Option<LeftOut>, collected: &CollectedSession, wanted: Wanted<'_>) {
        let left_out = left_out.unwrap_or_default();
        let is_alone = self.is_alone(wanted);
        let mut state = self.state();
        if is_alone && left_out.files.is_empty() {
            // A file that is sound now may have been left out of other sessions.
            let had_failed = |session: &CollectedSession| {
                let mut errors = session.tests.errors.iter().filter(|error| error.crash.is_some());
                errors.any(|error| wanted.scope.holds(&error.path))
            };
            if state.sessions.iter().any(|session| had_failed(session)) {
                state.sessions.retain(|session| !had_failed(session));
                state.crashes.known.clear();
            }
        }
        if left_out.new.is_empty() {
            return;
        }
        let (places, ground) = (collected.snapshot().places(), collected.base.ground());
        for mut crash in left_out.new {
            // A module that was missing may appear.
            crash.inputs.add(places.clone());
            crash.ground = ground.clone();
            let is_other = |known: &Arc<Mutex<Crash>>| {
                known.lock().unwrap_or_else(PoisonError::into_inner).file.path != crash.file.path
            };
            state.crashes.known.retain(is_other);
            state.crashes.known.push(Arc::new(Mutex::new(crash)));
        }
    }

    /// Number of imports that took too long until now, and the last one's message.
    pub(crate) fn timed_out_imports(&self) -> (usize, String) {
        self.state().crashes.timed_out.clone()
    }
}

impl LeftOut {
    /// The same again, unless that was done too often.
    fn repeated(mut self, failure: CollectFailure) -> Result<Self, CollectFailure> {
        self.repeated += 1;
        if self.repeated <= FILES_LIMIT { Ok(self) } else { Err(failure) }
    }
}

impl Crashes {
    /// Tries all files again.
    pub(super) fn forget(&mut self) {
        self.known.clear();
    }
}
