//! Clocks.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime};

/// A monotonic clock, in nanoseconds since its first reading.
#[must_use]
pub fn monotonic_ns() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    // 0 stands for no time at some places.
    u64::try_from(START.get_or_init(Instant::now).elapsed().as_nanos()).unwrap_or(u64::MAX).saturating_add(1)
}

/// A time that is not later than that of any file that changes from now on.
#[must_use]
pub fn disk_time() -> SystemTime {
    SystemTime::now()
}
