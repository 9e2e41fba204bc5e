//! Prepares the collection that is expected next: starts sessions in advance, keeps them, and finds one for a collection.

use std::sync::Arc;

use super::Pool;
use crate::model::scope::Scope;
use crate::processes::collected_session::CollectedSession;
use crate::processes::launcher::Base;
use crate::processes::prestarted::Prestarted;
use crate::processes::worker_protocol::WorkerOptions;

/// Number of prestarted sessions that are kept: people and agents go back and forth between a few folders.
const PRESTARTED_KEPT: usize = 3;

/// Number of these for which a fork stands by. Each process has tens of megabytes of its own where a project imports
/// large packages.
const FORKS_KEPT: usize = 2;

impl Pool {
    /// Expects the same files in the next run, as is likely after an edit.
    pub(crate) fn expect(&self, scope: &Scope, options: &WorkerOptions) {
        let Scope::Paths(paths) = scope else { return };
        // For a folder, pytest has rules of its own about the conftests that it loads before it collects.
        if paths.iter().all(|path| self.launcher.root.join(path).is_file()) {
            self.state().expected = Some(WorkerOptions { args: scope.args(), ..options.clone() });
        }
    }

    /// Prepares the next expected collection in the background. Its session is started after `pause` if there is none.
    /// `collected`: the newest session. If that can't be shared, starting one would have effects.
    pub(crate) async fn prestart(&self, collected: &CollectedSession, pause: impl Future<Output = ()>) {
        if !self.resident || !collected.is_shared() || self.prepare_expected(false).await {
            return;
        }
        // It would compete with a run that comes now, and that could not use it yet.
        pause.await;
        self.prepare_expected(true).await;
    }

    /// Prepares the next expected collection; if there is no session for it, one is started, or the result is false.
    async fn prepare_expected(&self, may_start: bool) -> bool {
        let _one = self.prestarting.lock().await;
        let (expected, base, generation) = {
            let state = self.state();
            (state.expected.clone(), state.base.clone(), state.generation)
        };
        let (Some(options), Some(base)) = (expected, base) else { return true };
        let prestarted = match self.find_prestarted(&base, &options).await {
            Some(present) => present,
            None if may_start => {
                let window = self.window().await;
                let started = Prestarted::start(&self.launcher.hub, base, options, window).await;
                let Some(started) = started else { return false };
                Arc::new(started)
            }
            None => return false,
        };
        prestarted.stand_by(&self.launcher.hub).await;
        self.keep_prestarted(prestarted, generation);
        true
    }

    /// Prepares the next collection of these files while a run's tests run, if that takes no more than a fork.
    pub(crate) async fn stand_by_again(&self, collected: &CollectedSession) {
        if let Some(prestarted) = collected.prestarted() {
            prestarted.stand_by(&self.launcher.hub).await;
        }
    }

    fn keep_prestarted(&self, prestarted: Arc<Prestarted>, generation: u64) {
        let mut state = self.state();
        if !self.is_closed() && state.generation == generation {
            state.prestarted.retain(|other| other.options != prestarted.options);
            state.prestarted.insert(0, prestarted);
            state.prestarted.truncate(PRESTARTED_KEPT);
            state.prestarted.iter().skip(FORKS_KEPT).for_each(|prestarted| prestarted.stand_down());
        }
    }

    /// The prestarted session for these options that is a fork of `base` and not stale. Stale ones are dropped.
    async fn find_prestarted(&self, base: &Arc<Base>, options: &WorkerOptions) -> Option<Arc<Prestarted>> {
        let args = if options.files.is_empty() { &options.args } else { &options.files };
        let are_files = args.iter().all(|path| self.launcher.root.join(path).is_file());
        let found = {
            let mut state = self.state();
            state.prestarted.retain(|prestarted| Arc::ptr_eq(&prestarted.base, base));
            let find = |exact| state.prestarted.iter().find(|prestarted| prestarted.serves(options, exact)).cloned();
            find(true).or_else(|| if are_files { find(false) } else { None })?
        };
        let checked = Arc::clone(&found);
        if tokio::task::spawn_blocking(move || checked.is_fresh()).await.unwrap_or(false) {
            return Some(found);
        }
        self.drop_prestarted(&found);
        None
    }

    fn drop_prestarted(&self, prestarted: &Arc<Prestarted>) {
        self.state().prestarted.retain(|other| !Arc::ptr_eq(other, prestarted));
    }

    /// The prestarted session for a collection.
    pub(super) async fn take_prestarted(&self, base: &Arc<Base>, options: &WorkerOptions) -> Option<Arc<Prestarted>> {
        let found = self.find_prestarted(base, options).await?;
        if !found.is_shared() {
            self.drop_prestarted(&found);
        }
        Some(found)
    }
}
