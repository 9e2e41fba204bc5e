//! Run control: runs of several suites, built by a client that owns them; their events, artifacts and iterators.
//!
//! A suite is an ordinary run of the project, under the suite's id: it stands in the same event log, is stopped and
//! killed in the same way, and goes into the same history. What is added here is the view of it that run control has
//! ([`crate::runs::suite_log`]), and who may ask for how long.

mod built_run;
mod cases;
mod launch;
mod registry;

pub(crate) use built_run::{BuiltRun, RunRead, Scheduling, build};
pub(crate) use cases::Cases;
pub(crate) use launch::prepare;
pub(crate) use registry::{KnownRun, Registry};
