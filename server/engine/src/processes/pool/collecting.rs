//! Provides collected sessions: an existing fresh one, or a new one.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime};

use pytest_lens_analysis::PytestSettings;

use super::crashes::LeftOut;
use super::{Found, PARTS_KEPT, Pool};
use crate::model::scope::Scope;
use crate::processes::collected_session::{CollectFailure, CollectOrder, CollectedSession, Collector, collect};
use crate::processes::disk_snapshot::Snapshot;
use crate::processes::exclusive_session::ExclusiveSession;
use crate::processes::launcher::{Base, StartError};
use crate::processes::process::{Arrival, NoProcess};
use crate::processes::wire_reads::{WireRead, WireStat};
use crate::processes::worker_protocol::{Purpose, WorkerOptions};
use tokio::time::Instant;

/// The collected session that a caller wants.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub scope: &'a Scope,
    /// A session of more files does not do.
    pub is_exact: bool,
    /// The arguments of the run, in whose session they must be if the project may act by them.
    pub asked: &'a [String],
    pub options: &'a WorkerOptions,
    /// pytest's settings for the project.
    pub settings: &'a Arc<PytestSettings>,
    /// The longest time that collecting may take.
    pub limit: Duration,
    pub purpose: Purpose,
    /// The time of the request: what was compared with the disk since is not compared again.
    pub requested: Instant,
}

impl Wanted<'_> {
    /// Whether the arguments of the run are others than those of a session of its files.
    fn has_own_args(&self) -> bool {
        !self.asked.is_empty() && *self.asked != self.scope.args()
    }
}

/// A collection that failed.
#[derive(Debug, Clone)]
pub(crate) struct FailedCollection {
    pub failure: CollectFailure,
    /// The start of the attempt, before it read any file.
    pub began: Instant,
}

/// The record that a session without a request would have effects.
pub(super) struct OnDemand {
    reason: String,
    files: Vec<WireStat>,
    /// The same files, for comparing them with the disk.
    snapshot: Snapshot,
}

impl Pool {
    /// A fresh collected session for a scope; collects if there is none.
    pub(crate) async fn session_for(&self, wanted: Wanted<'_>) -> Result<Found, FailedCollection> {
        self.touch();
        let _requested = (wanted.purpose != Purpose::Unasked).then(|| self.request());
        if let Some(collected) = self.present(wanted).await {
            return Ok(Found::present(collected));
        }
        let whole = if *wanted.scope == Scope::All { Some(self.whole.lock().await) } else { None };
        if whole.is_some()
            && let Some(collected) = self.present(wanted).await
        {
            return Ok(Found::present(collected));
        }
        let found = self.collect(wanted).await?;
        // Only now it is known that the project may act by them.
        if wanted.has_own_args() && found.collected.acts_by_arguments() && !found.collected.has_own_args() {
            drop(found);
            return self.collect(wanted).await;
        }
        Ok(found)
    }

    /// An existing fresh session; a run needs one that can be shared. Drops stale ones.
    async fn present(&self, wanted: Wanted<'_>) -> Option<Arc<CollectedSession>> {
        let suits = |collected: &&Arc<CollectedSession>| {
            collected.serves(wanted.scope, wanted.options)
                && !(wanted.has_own_args() && collected.acts_by_arguments())
                && (!wanted.is_exact || collected.scope == *wanted.scope)
                && (wanted.purpose != Purpose::Run || collected.is_shared())
                && !self.left_out_alone(collected, wanted)
        };
        loop {
            let found = self.state().sessions.iter().find(suits).cloned()?;
            if found.check_fresh(wanted.requested).await {
                return Some(found);
            }
            self.state().sessions.retain(|collected| !Arc::ptr_eq(collected, &found));
        }
    }

    /// Makes a new collection, without the files that crash.
    pub(crate) async fn collect(&self, wanted: Wanted<'_>) -> Result<Found, FailedCollection> {
        let mut left_out = self.known_crashes(wanted).await;
        let mut is_again = false;
        loop {
            let (began, began_at) = (Instant::now(), SystemTime::now());
            match self.collect_without(wanted, left_out.as_ref()).await {
                Ok(found) => {
                    self.remember_crashes(left_out, &found.collected, wanted);
                    // The use lasted until now.
                    self.touch();
                    return Ok(found);
                }
                // The process that was to be forked may have ended unseen.
                Err(CollectFailure::Unreachable(reason)) if reason.is_passing && !reason.is_exhaustion && !is_again => {
                    is_again = true;
                }
                Err(failure) => {
                    let again = self.leave_out(failure, left_out, began_at, wanted).await;
                    left_out = Some(again.map_err(|failure| FailedCollection { failure, began })?);
                }
            }
        }
    }

    /// A listing is first tried without effects.
    async fn collect_without(&self, wanted: Wanted<'_>, left_out: Option<&LeftOut>) -> Result<Found, CollectFailure> {
        let is_list = wanted.purpose == Purpose::List;
        let first = if is_list { Wanted { purpose: Purpose::Unasked, ..wanted } } else { wanted };
        match self.collect_once(first, left_out).await {
            Err(CollectFailure::OnlyWhenAsked { .. }) if is_list => self.collect_once(wanted, left_out).await,
            other => other,
        }
    }

    /// The reason why collecting needs a request; `None` once the files that led to it have changed.
    pub(crate) fn on_demand_reason(&self) -> Option<String> {
        self.state().on_demand.as_ref().map(|on_demand| on_demand.reason.clone())
    }

    async fn check_on_demand(&self) -> Result<(), CollectFailure> {
        let Some(mut on_demand) = self.state().on_demand.take() else { return Ok(()) };
        let compared = tokio::task::spawn_blocking(move || on_demand.snapshot.is_fresh().then_some(on_demand));
        let Ok(Some(on_demand)) = compared.await else { return Ok(()) };
        let (reason, files) = (on_demand.reason.clone(), on_demand.files.clone());
        self.state().on_demand.get_or_insert(on_demand);
        Err(CollectFailure::OnlyWhenAsked { reason, files })
    }

    /// Records whether sessions may be made without a request, based on a session's result.
    fn learn(&self, outcome: &Result<(CollectedSession, ExclusiveSession), CollectFailure>, purpose: Purpose) {
        let mut state = self.state();
        match outcome {
            Err(CollectFailure::OnlyWhenAsked { reason, files }) => {
                tracing::info!(%reason, "tests are collected only when somebody asks");
                let snapshot = Snapshot::new(WireRead { files: files.clone(), ..WireRead::default() });
                state.on_demand = Some(OnDemand { reason: reason.clone(), files: files.clone(), snapshot });
            }
            Ok((collected, _)) if purpose == Purpose::Run => {
                match collected.reasons.first() {
                    Some(reason) => tracing::info!(%reason, "each run collects for itself"),
                    None => tracing::info!("runs share the collected session"),
                }
                if collected.reasons.is_empty() {
                    state.on_demand = None;
                }
            }
            _ => {}
        }
    }

    /// Lets a session under a debugger collect. Its process runs the tests itself.
    pub(crate) async fn collect_debugged(
        &self,
        process: Arrival,
        base: Arc<Base>,
        scope: &Scope,
        options: WorkerOptions,
        settings: &Arc<PytestSettings>,
    ) -> Result<(CollectedSession, ExclusiveSession), CollectFailure> {
        let order = self.order(scope, options, settings, Collector::Debugged(process));
        collect(&self.launcher.hub, base, order).await
    }

    /// A collection for a run, without a limit of time.
    fn order(
        &self,
        scope: &Scope,
        options: WorkerOptions,
        settings: &Arc<PytestSettings>,
        by: Collector,
    ) -> CollectOrder {
        CollectOrder {
            scope: scope.clone(),
            options,
            root: self.launcher.root.clone(),
            variables: self.launcher.env.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            settings: Arc::clone(settings),
            analyses: Arc::clone(&self.analyses),
            limit: Duration::MAX,
            by,
            purpose: Purpose::Run,
            exiting: self.exiting.clone(),
            window: None,
            crash_inputs: Snapshot::default(),
        }
    }

    /// Whether the project is known to act by the arguments of its sessions.
    fn keeps_arguments(&self) -> bool {
        self.state().sessions.iter().any(|collected| collected.acts_by_arguments())
    }

    async fn collect_once(&self, wanted: Wanted<'_>, left_out: Option<&LeftOut>) -> Result<Found, CollectFailure> {
        let Wanted { scope, options, settings, limit, purpose, requested, asked, is_exact: _ } = wanted;
        if purpose == Purpose::Unasked {
            self.check_on_demand().await?;
        } else {
            self.exiting.gone().await;
        }
        let start = |error: StartError| CollectFailure::Unreachable(NoProcess::from(error));
        let generation = self.state().generation;
        let begun = Instant::now();
        let mut base = self.base_for(requested).await.map_err(start)?;
        let fork = self.mode().is_some_and(|mode| mode.embedded);
        if !fork {
            base = self.fresh().await.map_err(start)?;
        }
        let start_ms = begun.elapsed().as_secs_f64() * 1000.0;
        let options = if wanted.has_own_args() {
            let files = if self.keeps_arguments() { Vec::new() } else { scope.args() };
            WorkerOptions { args: asked.to_vec(), files, ..options.clone() }
        } else {
            WorkerOptions { args: scope.args(), ..options.clone() }
        };
        let window = self.window().await;
        let by = match self.take_prestarted(&base, &options).await {
            Some(prestarted) => Collector::Prestarted(prestarted),
            // A fork would copy much of its memory. Further sessions are needed after crashes alone.
            None if fork && !self.resident && purpose == Purpose::Run => {
                self.state().base = None;
                Collector::SoleSession
            }
            None if fork => Collector::Fork,
            None => Collector::Base,
        };
        let options = WorkerOptions { crashed: left_out.map(|left_out| left_out.files.clone()), ..options };
        let crash_inputs = left_out.map(|left_out| left_out.inputs.clone()).unwrap_or_default();
        let order = CollectOrder { limit, purpose, window, crash_inputs, ..self.order(scope, options, settings, by) };
        let outcome = collect(&self.launcher.hub, base, order).await;
        self.learn(&outcome, purpose);
        let (collected, exclusive) = outcome?;
        let collected = Arc::new(collected);
        let mut state = self.state();
        if self.is_closed() {
            return Err(CollectFailure::broken("the context was shut down"));
        }
        if state.generation != generation {
            return Ok(Found { collected, is_new: true, exclusive, start_ms });
        }
        // One that measures coverage, ignores skip marks, or selects tests, serves its own run only.
        if collected.options.is_for_one_run() || collected.has_own_args() {
            return Ok(Found { collected, is_new: true, exclusive, start_ms });
        }
        state.sessions.retain(|old| old.scope != collected.scope || old.options != collected.options);
        state.sessions.insert(0, Arc::clone(&collected));
        let mut parts = 0;
        state.sessions.retain(|collected| {
            parts += usize::from(collected.scope != Scope::All);
            collected.scope == Scope::All || parts <= PARTS_KEPT
        });
        Ok(Found { collected, is_new: true, exclusive, start_ms })
    }
}
