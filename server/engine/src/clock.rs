//! The clocks that the engine reads.

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix time in milliseconds.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
}

/// The clock of a project's runs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Clock {
    /// The system's.
    System,
    /// One that begins at this Unix time in milliseconds and goes on with the runtime's clock, which may be paused.
    #[cfg(test)]
    Simulated { epoch_ms: u64, begun: tokio::time::Instant },
}

impl Clock {
    /// Unix time in milliseconds.
    pub(crate) fn now_ms(self) -> u64 {
        match self {
            Clock::System => now_ms(),
            #[cfg(test)]
            Clock::Simulated { epoch_ms, begun } => {
                epoch_ms + u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
            }
        }
    }
}

/// The monotonic clock, in nanoseconds.
pub(crate) fn now_ns() -> u64 {
    pytest_lens_platform::clock::monotonic_ns()
}
