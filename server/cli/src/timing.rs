//! How long the commands wait, and how often the terminal is drawn: every duration of this crate, with the reason for its
//! value.

use std::time::Duration;

/// A request that waits for events ends after this many milliseconds and is sent again, so that a lost daemon is noticed.
pub(crate) const EVENTS_WAIT_MS: u64 = 60_000;

/// A daemon that was started for an agent ends after this many seconds without clients and runs: the next agent, or the
/// same one after a pause, finds it warm.
pub(crate) const DAEMON_IDLE_SECONDS: u64 = 900;

/// A daemon listens within milliseconds, on a busy machine within seconds.
pub(crate) const DAEMON_START_LIMIT: Duration = Duration::from_secs(20);

/// Pause between two looks whether a daemon listens: it takes a few of them.
pub(crate) const DAEMON_POLL_INTERVAL: Duration = Duration::from_millis(10);

/// The time within which a killed run is reported as ended.
pub(crate) const KILL_LIMIT: Duration = Duration::from_secs(10);

/// Pause between two reports of an agent's progress: each may cost it attention.
pub(crate) const PROGRESS_INTERVAL: Duration = Duration::from_millis(500);

/// Pause between two drawings of the progress bar while nothing happens: its spinner turns smoothly.
pub(crate) const BAR_INTERVAL: Duration = Duration::from_millis(100);

/// A test that runs for this long is slow: it is named while it runs, each time that it has run for so long again, and
/// at the end. nextest waits for as long by default.
pub(crate) const SLOW: Duration = Duration::from_secs(60);

/// The bar shows the age of a test from here on: faster tests change too quickly to read it.
pub(crate) const SHOW_AGE: Duration = Duration::from_secs(5);

/// Pause between two looks at the running tests: ages are shown in whole seconds.
pub(crate) const AGE_INTERVAL: Duration = Duration::from_secs(1);

/// A change that is noticed this soon after the end of a run may be the run's own: notices come a moment later, and
/// reports and databases are written at the end.
pub(crate) const AFTERMATH: Duration = Duration::from_secs(1);

/// `--durations` lists no test that is faster, unless `--durations-min` says otherwise: pytest's default.
pub(crate) const DURATIONS_MIN: Duration = Duration::from_millis(5);
