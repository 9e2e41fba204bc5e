//! What came of a run.

pub(crate) mod report;
