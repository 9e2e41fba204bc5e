//! Runs and collections that the user can cancel.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Notify;

/// What the user can cancel, by progress token.
pub(crate) type Cancels = HashMap<String, Cancel>;

/// What a cancel means.
#[derive(Debug)]
pub(crate) enum Cancel {
    /// Of a run: stop it; a second time, or when stopping takes too long, kill it.
    Run {
        /// The run.
        run_id: String,
        /// It was asked for once already.
        stopping: bool,
    },
    /// Of a collection: wait for it no longer, which the engine notices.
    Collect(Arc<Notify>),
}
