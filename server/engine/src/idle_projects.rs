//! Ends the processes of projects that nobody has used for a while, except the last few, of which later only those stay that
//! the next run probably needs. The next use starts them again. Memory goes back to the system before that.

use std::cmp::Reverse;
use std::sync::{Arc, Weak};
use std::time::Duration;

use pytest_lens_platform::memory::give_back;
use tokio::time::Instant;

use crate::engine::Shared;
use crate::project::Project;
use crate::timing::{GIVE_BACK_AFTER, IDLE_INTERVAL, LEFT_ALONE};

/// Number of contexts whose processes stay warm, however long they are idle.
pub(crate) const WARM: usize = 4;

/// Checks an engine's projects as long as it exists. `after`: the time after which a project counts as idle.
pub(crate) async fn watch(engine: Weak<Shared>, after: Duration) {
    let mut unused_before = Duration::ZERO;
    loop {
        tokio::time::sleep(IDLE_INTERVAL.min(after)).await;
        let Some(engine) = engine.upgrade() else { return };
        let unused = unused_for(&engine);
        if is_time_to_give_back(unused_before, unused) {
            tracing::debug!(?unused, "memory goes back to the system");
            give_back_memory(&engine).await;
        }
        unused_before = unused;
        rest(&engine, after);
        for project in warm(&engine) {
            if project.pool.used().elapsed() >= after * LEFT_ALONE && !project.state.is_busy() {
                project.pool.shrink();
            }
        }
    }
}

/// The time since the processes of any project were used last.
fn unused_for(engine: &Shared) -> Duration {
    engine.projects.iter().map(|project| project.pool.used().elapsed()).min().unwrap_or_default()
}

/// Whether one of the times has passed since the look before; `before`: for how long the engine was unused then.
fn is_time_to_give_back(before: Duration, unused: Duration) -> bool {
    // A shorter time is that since another use.
    let since = if unused < before { Duration::ZERO } else { before };
    GIVE_BACK_AFTER.iter().any(|limit| since < *limit && *limit <= unused)
}

/// Drops old events, packs heavy ones, and gives back what they and the last collections have left free.
async fn give_back_memory(engine: &Shared) {
    let quiet = engine.projects.iter().filter(|project| !project.state.is_busy());
    let projects: Vec<Arc<Project>> = quiet.map(|it| Arc::clone(it.value())).collect();
    let shrink = move || {
        for project in projects {
            project.state.log.forget();
            project.state.log.pack_heavy();
        }
        give_back();
    };
    // A failure to do so costs memory alone.
    let _ = tokio::task::spawn_blocking(shrink).await;
}

/// The projects that have processes.
fn warm(engine: &Shared) -> Vec<Arc<Project>> {
    let projects: Vec<Arc<Project>> = engine.projects.iter().map(|it| Arc::clone(it.value())).collect();
    projects.into_iter().filter(|project| project.pool.is_warm()).collect()
}

fn rest(engine: &Shared, after: Duration) {
    // Projects without processes are not among the last few.
    let projects = warm(engine);
    let used = projects.iter().map(|project| project.pool.used()).collect();
    for index in idle(used, Instant::now(), after) {
        if !projects[index].state.is_busy() {
            let project = Arc::clone(&projects[index]);
            project.pool.release_processes();
            tokio::spawn(async move { project.leave_cluster().await });
        }
    }
}

/// Ends the processes of all idle projects except the last few, without waiting: a run over many projects goes on.
pub(crate) fn rest_now(engine: &Shared) {
    rest(engine, Duration::ZERO);
}

/// Which projects have been idle for too long, by the times of their last use.
fn idle(used: Vec<Instant>, now: Instant, after: Duration) -> impl Iterator<Item = usize> {
    let mut order: Vec<(usize, Instant)> = used.into_iter().enumerate().collect();
    order.sort_by_key(|(_, at)| Reverse(*at));
    order.into_iter().skip(WARM).filter(move |(_, at)| now.duration_since(*at) >= after).map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_goes_back_twice_after_each_use() {
        // Looks that are 5 s apart; a use comes in between.
        let looks = [2, 7, 12, 60, 67, 72, 6, 11, 70, 3, 8].map(Duration::from_secs);
        let mut before = Duration::ZERO;
        let given = looks.map(|unused| {
            let is_time = is_time_to_give_back(before, unused);
            before = unused;
            is_time
        });
        assert_eq!(given, [false, true, false, false, true, false, true, false, true, false, true]);
    }

    #[tokio::test(start_paused = true)]
    async fn r7_the_last_few_stay_warm_and_the_others_for_a_while() {
        let mut used = Vec::new();
        for _ in 0..7 {
            used.push(Instant::now());
            tokio::time::advance(Duration::from_secs(10)).await;
        }
        used.swap(0, 6);
        let now = Instant::now();
        let idle = |after| idle(used.clone(), now, Duration::from_secs(after)).collect::<Vec<_>>();
        assert_eq!(idle(20), [2, 1, 6]);
        assert_eq!(idle(60), [1, 6]);
        assert_eq!(idle(100), Vec::<usize>::new());
    }
}
