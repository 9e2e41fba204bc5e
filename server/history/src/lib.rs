//! The memory of every run: outcomes, durations and the code that they belong to, one SQLite file for each repository.
//!
//! Questions are answered from a compact copy in memory ([`History`]), which a thread of its own fills from the file
//! and writes back to it. Callers never wait for the disk, and a fault of the file never fails a run: it is reported
//! ([`History::trouble`]), and memory keeps the runs that could not be written. Several processes share a file; each
//! reads the runs that the others wrote.
#![warn(unreachable_pub)]

mod failure;
mod failure_table;
mod fingerprint;
mod history;
mod inputs;
mod keeper;
mod ledger;
mod location;
mod marks;
mod record;
mod store;
mod timing;
mod trouble;

pub use failure::{FailedAt, Failure};
pub use fingerprint::{Code, CodeFile, Differences, Fingerprints, Running, is_code};
pub use history::{Changed, History, HistoryOptions};
pub use inputs::{AllInputs, Input, InputKind, InputStore, TestInputs};
pub use keeper::{Keeper, NextTurn};
pub use ledger::{Last, Limits, Report};
pub use location::Location;
pub use record::{Attempt, Run, Source, Uid};
