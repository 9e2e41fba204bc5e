//! How long the history waits, with the reason for each value.

use std::time::Duration;

/// The longest time that one attempt to reach the file waits for other processes. It blocks the thread that stores, so
/// SQLite gives up early and the thread tries again.
pub(crate) const BUSY_LIMIT: Duration = Duration::from_millis(200);

/// The most milliseconds that a run may begin ahead of now, as after a clock was set right. Time makes up for these.
pub(crate) const AHEAD_MS: u64 = 60_000;

/// Pause between two attempts to reach a locked file: other processes write within milliseconds.
pub(crate) const LOCKED_PAUSE: Duration = Duration::from_millis(250);

/// Pause between two attempts where something else is wrong, such as a full disk: a person has to act first.
pub(crate) const TROUBLE_PAUSE: Duration = Duration::from_secs(30);
