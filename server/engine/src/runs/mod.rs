//! One run: its plan, its record, the driver of its processes, its log and artifacts.

pub(crate) mod artifact_dir;
pub(crate) mod artifacts;
pub(crate) mod coverage;
pub(crate) mod driver;
pub(crate) mod event;
pub(crate) mod handle;
pub(crate) mod joint;
pub(crate) mod log_render;
pub(crate) mod packed;
pub(crate) mod pending_runners;
pub(crate) mod plan;
pub(crate) mod record;
pub(crate) mod run_ids;
pub(crate) mod session_end;
pub(crate) mod stop;
pub(crate) mod suite_log;
pub(crate) mod worker_slot;
