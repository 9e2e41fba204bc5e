//! How long the commands wait, and how often the terminal is drawn: every duration of this crate, with the reason for its
//! value.

use std::time::Duration;

/// A request that waits for events ends after this many milliseconds and is sent again, so that a lost daemon is noticed.
pub(crate) const EVENTS_WAIT_MS: u64 = 60_000;

/// Pause between two drawings of the progress bar while nothing happens: its spinner turns smoothly.
pub(crate) const BAR_INTERVAL: Duration = Duration::from_millis(100);

/// `--durations` lists no test that is faster, unless `--durations-min` says otherwise: pytest's default.
pub(crate) const DURATIONS_MIN: Duration = Duration::from_millis(5);
