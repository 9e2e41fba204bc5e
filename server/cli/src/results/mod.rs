//! What came of a run.

pub mod report;
