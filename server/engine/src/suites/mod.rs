//! Run control: runs of several suites, built and owned by a client, with their events, artifacts and iterators.
//!
//! A suite is an ordinary run of the project, under the suite's id: it is in the same event log, is stopped and killed
//! in the same way, and is recorded in the same history. This module adds run control's view of it
//! ([`crate::runs::suite_log`]), and its lifetime.

mod built_run;
mod cases;
mod launch;
mod registry;

pub(crate) use built_run::{BuiltRun, RunRead, Scheduling, Target, build};
pub(crate) use cases::Cases;
pub(crate) use launch::prepare;
pub(crate) use registry::{KnownRun, Registry};
