//! How long the language server waits, and how often it looks: every duration of this crate, with the reason for its value.

use std::time::Duration;

/// The longest time that events and diagnostics are held back to be sent together: a frame at 60 Hz, so that nobody sees it.
pub(crate) const BATCH_WINDOW: Duration = Duration::from_millis(16);

/// The least time between two refreshes of lenses and hints. An editor answers each with requests for every visible
/// file, and ten a second look continuous.
pub(crate) const REFRESH_INTERVAL: Duration = Duration::from_millis(100);

/// After this time without an edit, a person has paused: longer than the gap between two keys, shorter than a look at
/// the result.
pub(crate) const TYPING_PAUSE: Duration = Duration::from_millis(300);

/// Diagnostics of a file that is being edited are sent when no edit has come for this long: a burst of changes (a
/// formatter, a multi-cursor edit) is over by then.
pub(crate) const EDIT_REST: Duration = Duration::from_millis(50);

/// They are not held back longer than this while edits go on: marks that lag behind the text more are noticed.
pub(crate) const EDIT_REST_LIMIT: Duration = Duration::from_millis(250);

/// A collection waits until no file has changed for this long, because editors, formatters and version control change
/// many files in a row.
pub(crate) const FILES_QUIET: Duration = Duration::from_millis(200);

/// Pause before the next attempt to reach a daemon that is gone: long enough for one to be started, and no load.
pub(crate) const RECONNECT_PAUSE: Duration = Duration::from_secs(3);

/// The longest time that a command waits for the client's `initialized`, which comes right after the answer to
/// `initialize`.
pub(crate) const INITIALIZED_LIMIT: Duration = Duration::from_secs(10);

/// The longest time that an answer waits until the view holds the events that came before it. They are on their way
/// already, so only a stuck task takes longer.
pub(crate) const CATCH_UP_LIMIT: Duration = Duration::from_secs(2);

/// A run that a user canceled in the progress display may finish its tests for this long; then it is killed. Half a
/// minute leaves room for fixtures to be torn down.
pub(crate) const CANCEL_GRACE: Duration = Duration::from_secs(30);

/// A request that waits for events ends after this many milliseconds and is sent again, so that a lost peer is noticed.
pub(crate) const EVENTS_WAIT_MS: u64 = 30_000;

/// Handlers may go on for this long after the client's input has ended: a client that closes its end early still gets
/// its answers, and the process does not outlive it for ever.
pub(crate) const HANDLERS_LIMIT: Duration = Duration::from_secs(60);

/// A file that changed within this time may change again and keep its stamp: some file systems count whole seconds
/// (FAT even pairs of them).
pub(crate) const MTIME_RESOLUTION: Duration = Duration::from_secs(2);

/// Comparing two texts gets rough after this long, which happens only to large texts with nothing in common.
pub(crate) const COMPARE_LIMIT: Duration = Duration::from_millis(200);
