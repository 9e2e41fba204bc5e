//! `get_changes`: the changed files of a project, for clients that run what a save affects.

use std::sync::Arc;
use std::time::Duration;

use pytest_lens_protocol::{ErrorCode, Response};

use super::Answered;
use crate::api_error::Refusal;
use crate::project::Project;
use crate::project::change_log::Read;
use crate::timing::EVENTS_WAIT_LIMIT;

pub(super) async fn read(project: &Arc<Project>, cursor: u64, wait_ms: u64) -> Answered {
    project.refresher.watch(project);
    let limit = Duration::from_millis(wait_ms).min(EVENTS_WAIT_LIMIT);
    match project.state.changes.wait(cursor, limit).await {
        Ok(Read { cursor, paths, everything }) => Ok(Response::Changes { cursor, paths, everything }),
        Err(sentence) => Err(Refusal::new(ErrorCode::InternalError, sentence)),
    }
}
