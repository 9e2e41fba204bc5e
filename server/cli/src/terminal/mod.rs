//! What people see of a run, laid out as pytest does it.

mod counts;
mod failures;
mod outcome_words;
pub(crate) mod progress;
pub(crate) mod sections;
pub(crate) mod summary;
mod text;
