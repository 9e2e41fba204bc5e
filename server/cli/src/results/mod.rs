//! The state and the results of a run.

pub(crate) mod report;
