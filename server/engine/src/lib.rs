//! The engine: contexts, inventory, warm hosts, runs. It serves an ideal client through sessions and knows no LSP.
//!
//! User code and pytest never run in this process: they run in Python processes that the engine starts, keeps warm and
//! forks. See ARCHITECTURE.md for the way of a request.

mod ahead;
mod clerk;
mod context;
mod control;
mod debuggee;
mod elsewhere;
mod engine;
mod env_file;
mod events;
mod fate;
mod handlers;
mod histories;
mod host;
mod hub;
mod impact;
mod interpreter;
mod inventory;
mod launcher;
mod libraries;
mod life;
mod mode;
mod node;
mod outcomes;
mod own;
mod pool;
mod preload;
mod presence;
mod private;
mod process;
mod procs;
mod reads;
mod recruits;
mod refresh;
mod relay;
mod resident;
mod run;
mod run_plan;
mod runner;
mod runs;
mod scope;
mod select;
mod session;
mod slot;
mod snapshot;
mod socket;
mod stacks;
mod temp;
mod thrift;
mod tree;
mod warned;
mod watch;
mod wire;
mod worker_files;

pub use engine::{Engine, EngineConfig};
pub use life::end_of;
pub use session::{Answer, Call, Connect};
pub use socket::{End, Place, PlaceError, Remote, default_socket, serve};
pub use tree::{outline_item, source_items};
