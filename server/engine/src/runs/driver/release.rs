//! The release of a run's runners: residents return to their pool, the others finish their sessions and end.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use super::Driver;
use crate::processes::process::ProcessEvent;
use crate::processes::worker_protocol::ToWorker;
use crate::runs::event::DriverEvent;
use crate::runs::stop::StopLevel;
use crate::runs::worker_slot::{Arrivals, WorkerSlot};

impl<F: Fn(DriverEvent)> Driver<'_, F> {
    /// Returns residents to their pool, and ends the others.
    pub(super) async fn release_runners(&self, slots: BTreeMap<usize, WorkerSlot>, mut arrivals: Arrivals) {
        let mut staying = BTreeMap::new();
        let ended = self.ending.killed || self.ending.out_of_time || self.ending.fault.is_some();
        for (worker, mut slot) in slots {
            if slot.resident.is_some() && slot.done && !slot.lost && !ended {
                let held = slot.held;
                match slot.into_resident().await {
                    Some(resident) if held => drop(staying.insert(worker, resident)),
                    // A test ended its session: the next session may begin only after its teardown.
                    Some(resident) => self.pool.residents.end(resident).await,
                    None => {}
                }
                continue;
            }
            if slot.order.take().is_some() {
                // The other runners were faster; this one may finish its session.
                slot.runner.send(ToWorker::Exit);
            }
            if slot.resident.take().is_some() {
                slot.runner.kill();
            }
            // A runner that is done still tears its session down, and must live that long.
            let exiting_session = (!self.plan.collected.is_shared()).then(|| self.pool.exiting.enter());
            let ending_runner = self.pool.ending_runners.enter();
            let end = tokio::spawn(async move {
                slot.await_exit().await;
                drop((exiting_session, ending_runner));
            });
            self.exiting.lock().unwrap_or_else(PoisonError::into_inner).push(end);
        }
        while let Ok((worker, event)) = arrivals.try_recv() {
            if matches!(event, ProcessEvent::Lost | ProcessEvent::Exited(_)) {
                staying.remove(&worker);
            }
        }
        for resident in staying.into_values() {
            self.pool.residents.give_back(resident, &self.plan.temp).await;
        }
    }

    /// A session that can't be shared may hold resources that its successor needs, until it has ended.
    pub(super) async fn await_exiting(&mut self) {
        let exiting = self.pool.exiting.clone();
        tokio::select! {
            () = exiting.gone() => {}
            _ = self.stop_rx.wait_for(|wanted| *wanted != StopLevel::Go) => {}
        }
    }
}
