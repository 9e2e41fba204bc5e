//! Shows the last outcomes from the history for tests that have not run since the server started.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use pytest_lens_protocol::{EventPayload, Request, Response, TestOutcome, TestOutcomes};

use crate::session::message::Outgoing;
use crate::session::narrow::events_for_client;
use crate::session::state::{Shared, State};
use crate::workspaces::outcome::is_failure;

/// With more tests than this, only failures are loaded: users look for those.
const MANY: usize = 5_000;

/// Requests a folder's last outcomes from the history, and applies them.
pub(crate) async fn fetch(shared: &Arc<Shared>, folder: &str) {
    let Some(context_id) = shared.link(folder).and_then(|link| link.context()) else { return };
    match shared.call(Request::GetLastOutcomes { context_id, since_cleared: None }).await {
        Ok(Response::Events { events, .. }) => {
            let told = events.iter().filter_map(|event| match &event.payload {
                EventPayload::TestOutcome(told) => Some(&told.outcomes),
                _ => None,
            });
            let mut outcomes: Vec<TestOutcome> = told.flatten().cloned().collect();
            if outcomes.len() > MANY {
                outcomes.retain(|outcome| is_failure(&outcome.outcome));
            }
            if let Some(workspace) = shared.state().workspace_mut(folder) {
                workspace.last_outcomes = outcomes;
            }
            apply_kept(shared, folder);
        }
        Ok(_) => {}
        Err(error) => tracing::warn!("the last outcomes can't be read: {}", error.message),
    }
}

/// New tests appeared: the history may have outcomes of them.
pub(crate) fn apply_kept(shared: &Arc<Shared>, folder: &str) {
    shared.change_and_send(|state| state.apply_last_outcomes(folder));
}

impl State {
    fn apply_last_outcomes(&mut self, folder: &str) -> Vec<Outgoing> {
        let State { documents, disk, workspaces, encoding, features, .. } = self;
        let Some(workspace) = workspaces.iter_mut().find(|workspace| workspace.uri == folder) else {
            return Vec::new();
        };
        let view = &workspace.view;
        let known = |outcome: &mut TestOutcome| view.item(&outcome.id).is_some();
        let mut news: Vec<TestOutcome> = workspace.last_outcomes.extract_if(.., known).collect();
        news.retain(|outcome| view.result(&outcome.id).is_none());
        if news.is_empty() {
            return Vec::new();
        }
        workspace.view.apply_last_outcomes(&news);
        let mut files: BTreeSet<PathBuf> = news.iter().map(|outcome| workspace.file_of(&outcome.id)).collect();
        files.extend(workspace.take_failures(documents, disk, *encoding, "", &news));
        let mut told = Vec::new();
        // A client that requests tests file by file keeps results itself; otherwise it would receive every file.
        if !features.lazy_tests {
            let payload = EventPayload::TestOutcome(TestOutcomes { run_id: "remembered".into(), outcomes: news });
            told = events_for_client(features, documents, disk, workspace, *encoding, &payload);
        }
        told.push(Outgoing::Changed { files });
        told
    }
}
