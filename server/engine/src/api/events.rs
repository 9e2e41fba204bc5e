//! `get_events`: a project's log. The first to follow it has the disk watched, which is what fills the log between runs.

use std::sync::Arc;
use std::time::Duration;

use pytest_lens_protocol::{Event, EventPayload, InventoryDelta, Response};

use super::session::Session;
use crate::model::inventory::Inventory;
use crate::model::test_items::delta;
use crate::project::Project;
use crate::project::event_log::Read;
use crate::timing::EVENTS_WAIT_LIMIT;

pub(super) async fn read(session: &Session, project: &Arc<Project>, cursor: u64, wait_ms: u64) -> Response {
    // Whoever follows the log wants to hear of changes on disk: from now on they are watched for.
    if session.shared.config.resident {
        project.refresher.watch(project);
    }
    let limit = Duration::from_millis(wait_ms).min(EVENTS_WAIT_LIMIT);
    match project.state.log.wait(cursor, limit).await {
        Read::Events(cursor, events) => Response::Events { cursor, events },
        // The inventory is published before its event: it is at least as new as the events that follow, which lead to
        // the same state.
        Read::Lost(cursor) => {
            let payload = EventPayload::Inventory(whole_inventory(project).await);
            Response::Events { cursor, events: vec![Arc::new(Event { seq: cursor, payload })] }
        }
    }
}

/// The present inventory, for a reader that knows nothing of it.
async fn whole_inventory(project: &Arc<Project>) -> InventoryDelta {
    let (root, inventory) = (project.state.root.clone(), project.state.inventory.load_full());
    let made = tokio::task::spawn_blocking(move || delta(&root, &Inventory::default(), &inventory)).await;
    InventoryDelta { whole: true, ..made.unwrap_or_default() }
}
