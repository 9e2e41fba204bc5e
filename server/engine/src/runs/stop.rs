//! Levels of stopping a run.

use tokio::sync::watch;

/// The requested end of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum StopLevel {
    Go,
    Stop,
    OutOfTime,
    Kill,
}

/// Raises the stop level; it is never lowered.
pub(crate) fn raise(stop_tx: &watch::Sender<StopLevel>, wanted: StopLevel) {
    stop_tx.send_if_modified(|present| {
        let more = wanted > *present;
        *present = wanted.max(*present);
        more
    });
}
