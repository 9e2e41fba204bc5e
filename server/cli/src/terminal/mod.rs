//! What people see of a run, laid out as pytest does it.

mod counts;
mod failures;
mod outcome_words;
pub mod progress;
pub mod sections;
pub mod summary;
mod text;
