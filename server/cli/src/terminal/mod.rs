//! The output of a run: for people in pytest's layout, for agents in few words.

pub(crate) mod agent;
mod counts;
mod dots;
mod failures;
mod figure;
mod header;
mod outcome_words;
pub(crate) mod progress;
mod running;
pub(crate) mod sections;
pub(crate) mod summary;
pub(crate) mod text;
pub(crate) mod timings;
