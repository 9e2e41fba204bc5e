//! Runners that a round has requested and that have not started yet. The round handles stops while it waits for them.

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::processes::debug_process::DebugProcess;
use crate::processes::pool::Pool;
use crate::processes::process::NoProcess;
use crate::processes::resident::{Resident, ResidentState};
use crate::processes::runner::Runner;
use crate::runs::plan::RunPlan;

/// A runner for a round.
pub(crate) enum RoundRunner {
    /// It ends with its session.
    Single(Runner),
    /// It stays for the next run.
    Resident(Resident),
}

impl RoundRunner {
    pub(crate) fn runner(&self) -> &Runner {
        match self {
            RoundRunner::Single(runner) | RoundRunner::Resident(Resident { runner, .. }) => runner,
        }
    }

    pub(crate) fn resident(&self) -> Option<&ResidentState> {
        match self {
            RoundRunner::Single(_) => None,
            RoundRunner::Resident(resident) => Some(&resident.state),
        }
    }

    pub(crate) fn into_parts(self) -> (Runner, Option<Box<ResidentState>>) {
        match self {
            RoundRunner::Single(runner) => (runner, None),
            RoundRunner::Resident(Resident { runner, state }) => (runner, Some(state)),
        }
    }
}

/// Requested runners, each for a worker of the round.
pub(crate) struct PendingRunners {
    pool: Arc<Pool>,
    starting: JoinSet<(usize, Result<RoundRunner, NoProcess>)>,
    /// Nobody waits for them any more. A node may have room for one only after a long time.
    given_up: CancellationToken,
}

impl PendingRunners {
    pub(crate) fn new(pool: &Arc<Pool>) -> Self {
        PendingRunners { pool: Arc::clone(pool), starting: JoinSet::new(), given_up: CancellationToken::new() }
    }

    /// Requests a runner. `stays`: it may be a resident. `is_later`: another one has run tests before.
    pub(crate) fn ask(&mut self, worker: usize, plan: &RunPlan, stays: bool, is_later: bool) {
        let (pool, collected) = (Arc::clone(&self.pool), Arc::clone(&plan.collected));
        let special = plan.special(worker, is_later);
        let reuse = plan.reuse().filter(|_| stays);
        let (exclusive, alone) = (Arc::clone(&plan.exclusive), plan.may_take_session);
        // The session that was collected for this run is that of its first runner.
        let is_other = worker > 0 && special.is_some();
        let debug_process = plan.kind.debug_process().map(DebugProcess::take);
        if let Some(remote) = &plan.remote {
            let options = special.unwrap_or_default().applied_to(collected.options.clone());
            let (cluster, session, given_up) =
                (Arc::clone(&remote.cluster), remote.session.clone(), self.given_up.clone());
            self.starting.spawn(async move {
                let runner = tokio::select! {
                    biased;
                    runner = cluster.runner(&session, options) => runner.map(RoundRunner::Single),
                    () = given_up.cancelled() => Err(NoProcess::new("nobody waits for it any more")),
                };
                (worker, runner)
            });
            return;
        }
        self.starting.spawn(async move {
            let runner = match (debug_process, reuse) {
                (Some(debug_process), _) => debug_process.map(RoundRunner::Single),
                (None, Some(reuse)) => {
                    let resident = pool.residents.take(&pool, &collected, &exclusive, &reuse).await;
                    resident.map(RoundRunner::Resident)
                }
                (None, None) => match exclusive.take_unless(is_other) {
                    Some(runner) => Ok(RoundRunner::Single(runner)),
                    None => pool.runner(&collected, special, alone).await.map(RoundRunner::Single),
                },
            };
            (worker, runner)
        });
    }

    /// The next runner that has started, or the reason why there is none; waits forever if none was requested.
    pub(crate) async fn next(&mut self) -> (usize, Result<RoundRunner, NoProcess>) {
        loop {
            match self.starting.join_next().await {
                Some(Ok(arrived)) => return arrived,
                Some(Err(error)) => tracing::error!(%error, "a runner got lost on its way"),
                None => std::future::pending().await,
            }
        }
    }

    /// Ends a runner that is not needed.
    pub(crate) fn discard_runner(&self, runner: RoundRunner) {
        tokio::spawn(discard(Arc::clone(&self.pool), runner));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.starting.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.starting.len()
    }
}

impl Drop for PendingRunners {
    /// Abandons the requests. Runners that still start are ended then, since a start must not be interrupted.
    fn drop(&mut self) {
        self.given_up.cancel();
        let (pool, mut starting) = (Arc::clone(&self.pool), std::mem::take(&mut self.starting));
        if starting.is_empty() {
            return;
        }
        tokio::spawn(async move {
            while let Some(arrived) = starting.join_next().await {
                if let Ok((_, Ok(runner))) = arrived {
                    discard(Arc::clone(&pool), runner).await;
                }
            }
        });
    }
}

async fn discard(pool: Arc<Pool>, runner: RoundRunner) {
    match runner {
        RoundRunner::Single(runner) => runner.kill(),
        RoundRunner::Resident(resident) => pool.residents.end(resident).await,
    }
}
