//! Runs and collections that the user can cancel.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Notify;

/// Cancellable work, by progress token.
pub(crate) type Cancels = HashMap<String, Cancel>;

/// The effect of a cancel.
#[derive(Debug)]
pub(crate) enum Cancel {
    /// On a run: stop it; a second time, or if stopping takes too long, kill it.
    Run {
        /// Id of the run.
        run_id: String,
        /// The user has cancelled it already.
        stopping: bool,
    },
    /// On a collection: close the session that waits for it, which the engine notices.
    Collect(Arc<Notify>),
}
