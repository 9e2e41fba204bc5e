//! The output of a run: for people in pytest's layout, for agents in few words.

pub(crate) mod agent;
mod counts;
mod dots;
mod entries;
mod failures;
mod figure;
mod header;
mod outcome_words;
mod plugin_summaries;
pub(crate) mod progress;
mod running;
pub(crate) mod sections;
pub(crate) mod statuses;
pub(crate) mod summary;
pub(crate) mod text;
pub(crate) mod timings;
