//! The answer to an AI agent: a verdict that never claims more than what ran, then the failures in few words.

pub(crate) mod answer;
pub(crate) mod failures;
pub(crate) mod verdict;
