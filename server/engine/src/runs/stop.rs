//! How far a run is to be stopped.

use tokio::sync::watch;

/// What a client wants of a run that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum StopLevel {
    Go,
    Stop,
    OutOfTime,
    Kill,
}

/// Moves the stop level, which only ever goes one way.
pub(crate) fn raise(stop_tx: &watch::Sender<StopLevel>, wanted: StopLevel) {
    stop_tx.send_if_modified(|present| {
        let more = wanted > *present;
        *present = wanted.max(*present);
        more
    });
}
