//! `get_events`: the event log of a project. The first reader starts the watcher, which fills the log between runs.

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
    // A reader of the log wants changes on disk as well, so they are watched from here on.
    if session.shared.config.resident {
        project.refresher.watch(project);
    }
    let limit = Duration::from_millis(wait_ms).min(EVENTS_WAIT_LIMIT);
    match project.state.log.wait(cursor, limit).await {
        Read::Events(cursor, events) => Response::Events { cursor, events },
        // The inventory is published before its event, so it is at least as new as the events that follow, which lead
        // to the same state.
        Read::Lost(cursor) => {
            let payload = EventPayload::Inventory(whole_inventory(project).await);
            Response::Events { cursor, events: vec![Arc::new(Event { seq: cursor, payload })] }
        }
    }
}

/// The current inventory, for a reader that has none.
async fn whole_inventory(project: &Arc<Project>) -> InventoryDelta {
    let (root, inventory) = (project.state.root.clone(), project.state.inventory.load_full());
    let made = tokio::task::spawn_blocking(move || delta(&root, &Inventory::default(), &inventory)).await;
    InventoryDelta { whole: true, ..made.unwrap_or_default() }
}
