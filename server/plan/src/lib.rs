//! The decisions of a test run, and nothing else: which tests an expression selects, which worker
//! runs them in what order, how outcomes are counted, what is flaky, how tests are split over
//! machines and which are repeated.
//!
//! Everything here is a pure function or a state machine that is fed events. There is no clock, no
//! disk, no randomness and no task in this crate, so every decision can be replayed and is
//! property-tested.
#![warn(unreachable_pub)]

pub mod case_filter;
pub mod flaky;
pub mod order;
pub mod outcome;
pub mod rerun;
pub mod select;
pub mod shard;
pub mod suite;
pub mod workers;

mod weight;
