//! The engine: projects, inventory, warm processes, runs. It serves an ideal client through sessions and knows no LSP.
//!
//! User code and pytest never run in this process: they run in Python processes that the engine starts, keeps warm and
//! forks. See ARCHITECTURE.md for the way of a request.
#![warn(unreachable_pub)]

mod api;
mod api_error;
mod clock;
mod config;
mod engine;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod idle_projects;
mod idle_runs;
mod model;
mod processes;
mod project;
mod runs;
mod session;
#[cfg(test)]
mod simulation;
mod socket;
mod suites;
mod timing;

pub use config::EngineConfig;
pub use engine::Engine;
pub use model::sources::{items_of_source, list_sources};
pub use processes::liveness::end_of;
pub use project::activated::activated;
pub use project::caches::pytest_cache;
pub use project::interpreter::find_python;
pub use project::pytest_version::config_rules;
pub use session::{Answer, Call, Connect};
pub use socket::{Address, AddressError, End, Remote, default_socket, serve};
