//! Faults: what the clock of a scenario does to processes, nodes and files.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::lab::Lab;
use super::machine::{Cause, End, SimProcess};
use super::random::Random;
use super::scenario::Fault;

/// Lets the faults of the scenario happen, each at its time.
pub(super) async fn happen(lab: Arc<Lab>) {
    let (began, mut random) = (Instant::now(), lab.machine.random());
    for &(at, fault) in &lab.scenario.faults {
        sleep_until(began + at).await;
        lab.machine.step("fault", at.as_millis() as u64);
        cause(&lab, fault, &mut random);
    }
}

fn cause(lab: &Arc<Lab>, fault: Fault, random: &mut Random) {
    lab.machine.trace("fault", || format!("{fault:?}"));
    let crash = End::signal(Cause::Crash, 9);
    match fault {
        Fault::KillRunner => runner(lab, random).into_iter().for_each(|process| process.finish(crash)),
        Fault::Freeze(ms) => {
            if let Some(process) = runner(lab, random) {
                process.freeze();
                tokio::spawn(async move {
                    sleep(Duration::from_millis(ms)).await;
                    process.thaw();
                });
            }
        }
        Fault::KillCollected => one(lab, &["collected"], random).into_iter().for_each(|process| process.finish(crash)),
        Fault::KillInterpreter => one(lab, &["base"], random).into_iter().for_each(|process| process.finish(crash)),
        Fault::HistoryAway(ms) => {
            lab.records.go_away();
            let records = Arc::clone(&lab.records);
            tokio::spawn(async move {
                sleep(Duration::from_millis(ms)).await;
                records.heal();
            });
        }
        Fault::HistoryRemoved => lab.records.remove(),
        _ => {
            let Some((cluster, _)) = &lab.cluster else { return };
            let pick = random.index(64);
            match fault {
                Fault::LoseNode => cluster.lose(pick),
                Fault::Silence(ms) => cluster.silence(pick, Duration::from_millis(ms)),
                Fault::Join(cpus) => cluster.join(cpus),
                Fault::Drain => cluster.drain(pick),
                _ => cluster.driver.finish(crash),
            }
        }
    }
}

fn runner(lab: &Lab, random: &mut Random) -> Option<Arc<SimProcess>> {
    one(lab, &["runner", "session", "remote"], random)
}

/// One of the live processes with these names.
fn one(lab: &Lab, names: &[&str], random: &mut Random) -> Option<Arc<SimProcess>> {
    let found: Vec<_> = names.iter().flat_map(|name| lab.machine.live(name)).collect();
    (!found.is_empty()).then(|| random.pick(&found))
}
