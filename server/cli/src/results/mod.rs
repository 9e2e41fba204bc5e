//! The state and the results of a run.

pub(crate) mod code;
pub(crate) mod report;
