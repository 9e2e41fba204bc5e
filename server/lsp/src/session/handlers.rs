//! The kinds of handlers, by their access to the state; the compiler enforces it.

use std::sync::Arc;

use lsp_types::notification::Notification;
use lsp_types::request::Request;

use crate::session::state::{Shared, State};

/// A request that reads the state and can't change it. If it panics, the state stays the same, and only this answer is
/// lost.
pub(crate) trait ReadRequest: Request {
    /// Computes the answer, from one state: nothing changes it meanwhile.
    fn answer(state: &State, params: Self::Params) -> Self::Result;
}

/// A notification that changes the state. It has no `await`: notifications take effect in the order in which they came.
pub(crate) trait StateChange: Notification {
    /// Changes the state, and starts tasks that follow from the change.
    fn apply(shared: &Arc<Shared>, params: Self::Params);
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use lsp_types::request::HoverRequest;
    use pytest_lens_engine::{Call, Connect};
    use tokio::sync::mpsc::unbounded_channel;

    use super::*;

    struct NoEngine;

    impl Connect for NoEngine {
        fn session(&self) -> Arc<dyn Call> {
            panic!("nobody asks the engine here");
        }
    }

    /// Panics while it holds the state.
    fn fail(state: &State) -> <HoverRequest as Request>::Result {
        panic!("{} documents", state.documents.len());
    }

    #[test]
    fn a_reader_that_panics_leaves_the_state_as_it_was() {
        let shared = Arc::new(Shared::new(Arc::new(NoEngine), unbounded_channel().0));
        shared.state().collections = 7;
        assert!(catch_unwind(AssertUnwindSafe(|| fail(&shared.state()))).is_err());
        assert_eq!(shared.state().collections, 7);
    }
}
