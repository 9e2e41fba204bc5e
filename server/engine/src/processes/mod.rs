//! The Python processes of a project: started, kept warm, forked, compared with the disk, ended.

pub(crate) mod collected_session;
pub(crate) mod debug_process;
pub(crate) mod disk_snapshot;
pub(crate) mod engine_lock;
pub(crate) mod exclusive_session;
pub(crate) mod file_opens;
mod frames;
pub(crate) mod hub;
pub(crate) mod invalidation;
pub(crate) mod launcher;
pub(crate) mod liveness;
pub(crate) mod mode;
pub(crate) mod outside_files;
pub(crate) mod pool;
pub(crate) mod preload;
pub(crate) mod prestarted;
pub(crate) mod private_files;
pub(crate) mod process;
pub(crate) mod process_tree;
pub(crate) mod project_files;
pub(crate) mod resident;
pub(crate) mod resident_pool;
pub(crate) mod runner;
pub(crate) mod stdio_relay;
pub(crate) mod temp_dirs;
pub(crate) mod worker_files;
pub(crate) mod worker_protocol;
