//! Which test goes to which worker, and in what order.
//!
//! [`units()`] cuts the selection into runs of tests that want to stay together; a [`Dispatcher`]
//! then hands units to workers as these get through them.

mod dispatcher;
mod units;

pub use dispatcher::{Command, Dispatcher, Lost};
pub use units::{Item, units, whole_files};
