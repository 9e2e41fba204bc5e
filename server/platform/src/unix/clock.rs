//! Clocks.

use std::time::SystemTime;

use rustix::time::{ClockId, clock_gettime};

/// The monotonic clock, in nanoseconds.
#[must_use]
pub fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let nanoseconds = i128::from(now.tv_sec) * 1_000_000_000 + i128::from(now.tv_nsec);
    u64::try_from(nanoseconds).unwrap_or_default()
}

/// A time that is not later than that of any file that changes from now on: files get theirs from a clock that lags
/// behind others by a tick. A newer kernel gives some files the finer clock's time, so files that changed before may
/// have a later one.
#[must_use]
pub fn disk_time() -> SystemTime {
    super::kernel::disk_time()
}
