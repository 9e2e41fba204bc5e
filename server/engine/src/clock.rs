//! The clocks that the engine reads.

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix time in milliseconds.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
}

/// The monotonic clock, in nanoseconds.
pub(crate) fn now_ns() -> u64 {
    pytest_lens_platform::clock::monotonic_ns()
}
