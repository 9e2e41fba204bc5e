//! The planning crate through its public seams: tables for the rules, properties for the promises.
//! One binary, because linking costs more than the tests.

mod case_filter;
mod dispatcher;
mod flaky;
mod nodes;
mod outcome;
mod rerun;
mod select;
mod shard;
mod suite;
mod units;
