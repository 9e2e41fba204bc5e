//! How long the engine waits, and how often it looks: every duration of this crate, with the reason for its value.

use std::time::Duration;

/// The longest time for an interpreter to start, with pytest and the preloaded modules: on a cold disk these are
/// hundreds of megabytes.
pub(crate) const BOOT_LIMIT: Duration = Duration::from_secs(60);

/// The longest time for a fork to report in. It takes milliseconds; a machine that swaps takes many times that.
pub(crate) const FORK_LIMIT: Duration = Duration::from_secs(30);

/// The longest time for a Ray cluster to answer, or to start on this machine: it starts several processes, one after the
/// other, each with a deadline of Ray's own.
pub(crate) const CLUSTER_LIMIT: Duration = Duration::from_secs(90);

/// The longest time for a runner on a node: a cluster that grows on demand starts a machine first.
pub(crate) const NODE_LIMIT: Duration = Duration::from_secs(15 * 60);

/// The longest time for the driver of a cluster to read the files of a new snapshot.
pub(crate) const SNAPSHOT_LIMIT: Duration = Duration::from_secs(120);

/// The longest time for debugpy to listen: as long as an interpreter may take to start, since it is imported first.
pub(crate) const DEBUGPY_LIMIT: Duration = Duration::from_secs(60);

/// The longest time for a prestarted session to reach its collection. Nobody waits for it: one that takes longer is of no
/// use.
pub(crate) const PRESTART_LIMIT: Duration = Duration::from_secs(60);

/// Pause between two readings of the files that a collection opened: far less than it takes to open as many files as
/// the kernel keeps events (16,384).
pub(crate) const FILE_OPENS_INTERVAL: Duration = Duration::from_millis(100);

/// Milliseconds from forking a runner to its first test: 8 to 14 were measured.
pub(crate) const FORK_COST_MS: f64 = 15.0;

/// A collection that took less, in milliseconds, is made again after a run, so that the run can use the process that
/// collected: the fork that this saves takes 5 to 10 ms, and collecting again costs nobody's time.
pub(crate) const QUICK_COLLECTION_MS: f64 = 100.0;

/// Pause between the last use of a project's processes and work that no client waits for, so that runs which follow one
/// another at once have the processors for themselves.
pub(crate) const BACKGROUND_PAUSE: Duration = Duration::from_millis(150);

/// The longest time that a collection is shared. Values that it computed from the clock or from outside of the project age
/// unseen.
pub(crate) const COLLECTION_AGE_LIMIT: Duration = Duration::from_secs(30 * 60);

/// The longest time from a closed connection to the report on how its process ended. The kernel closes the connection
/// first; writing a core dump comes in between.
pub(crate) const EXIT_STATUS_LIMIT: Duration = Duration::from_secs(2);

/// A read of a worker's connection that waits for less than this is a quick one; several in a row make a runner busy.
pub(crate) const QUICK_READ: Duration = Duration::from_millis(4);

/// The longest rest between two reads of a busy runner: long enough for many short tests, and too short to be noticed.
pub(crate) const LONGEST_REST: Duration = Duration::from_millis(4);

/// The shortest such rest: the runtime's timers are no finer.
pub(crate) const SHORTEST_REST: Duration = Duration::from_millis(1);

/// An exit is reported this long after it was seen, if the process's connection is still open: its last messages may
/// be on their way, and a process that it left behind may hold the connection open.
pub(crate) const LAST_MESSAGES_GRACE: Duration = Duration::from_millis(1000);

/// Pause between two looks whether an idle process was stopped. One that was is replaced before the next run, rarely
/// during it.
pub(crate) const LIVENESS_INTERVAL: Duration = Duration::from_millis(50);

/// A process may stand still (`SIGSTOP`) for this long before it is given up: tests stop processes and continue them at
/// once.
pub(crate) const STOPPED_LIMIT: Duration = Duration::from_secs(2);

/// The longest time for a session that has nothing more to do to tear itself down; then it is killed. Session hooks
/// may stop containers.
pub(crate) const SESSION_END_LIMIT: Duration = Duration::from_secs(60);

/// The longest time that the next session waits for exiting ones, which may hold ports or databases: a third of their own
/// limit, because a person waits.
pub(crate) const EXITING_SESSIONS_LIMIT: Duration = Duration::from_secs(20);

/// The longest time for a resident to tear its fixtures down and end; then it is killed. The next run waits for it.
pub(crate) const RESIDENT_END_LIMIT: Duration = Duration::from_secs(10);

/// The longest time for a keeper to end after its interpreter: a second more than the five that `worker/processes/keeper.py` gives to
/// an idle interpreter and to what tests left behind.
pub(crate) const KEEPER_LIMIT: Duration = Duration::from_secs(6);

/// A process locks what it has made a moment later. An entry of this age without a lock never gets one: its maker is
/// dead.
pub(crate) const LOCK_LIMIT: Duration = Duration::from_secs(10);

/// The worker's files of other versions, and compiled code of the project, are kept for this long after their last use: an
/// engine of that version may still run, a branch may come back.
pub(crate) const WORKER_FILES_AGE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A run whose tests all have their outcome waits this long for its runners to confirm it, and to report what else
/// happened to their sessions. They only have to send a message, but a busy machine may take seconds for that; only a
/// runner that hangs takes all of it.
pub(crate) const DONE_LIMIT: Duration = Duration::from_secs(5);

/// The longest time for runners that stay to tear down what does not stay with them: module and class fixtures.
pub(crate) const RESIDENT_TEARDOWN_LIMIT: Duration = Duration::from_secs(30);

/// The longest time for runners to report the stacks of what runs when the time of the whole run is up. Reading them
/// takes milliseconds, on a busy machine a tenth of a second; a thread that holds the GIL never answers.
pub(crate) const STACKS_LIMIT: Duration = Duration::from_millis(500);

/// The longest time from an ended connection to the report on how the process ended: more than [`LAST_MESSAGES_GRACE`],
/// and enough for a core dump. All of it passes only where the process that reports has gone as well.
pub(crate) const EXIT_REPORT_GRACE: Duration = Duration::from_secs(5);

/// A test that overruns its time limit by this much is killed from outside. Its own process ends it first, and reports
/// its stacks, if it can.
pub(crate) const TIMEOUT_GRACE: Duration = Duration::from_secs(2);

/// A test that a newer run has taken over may go on for this long: most tests finish within it, and a person waits.
pub(crate) const PREEMPTION_GRACE: Duration = Duration::from_secs(1);

/// The longest time that a run waits for hooks that finish its sessions, and the end of a server's project for its
/// runners. Slower hooks hold up the next run only.
pub(crate) const SESSION_FINISH_LIMIT: Duration = Duration::from_secs(10);

/// The longest time for a runner to tear down its session: the same as for a session that has nothing more to do.
pub(crate) const RUNNER_TEARDOWN_LIMIT: Duration = Duration::from_secs(60);

/// The longest time that the end of a command waits for its runners: after an interrupt, session fixtures stop containers
/// there. It is less than their own limit, because a person waits.
pub(crate) const RUNNERS_END_LIMIT: Duration = Duration::from_secs(30);

/// The longest time for a runner to end that was dismissed while it collected: it has no fixture to tear down.
pub(crate) const DISMISS_LIMIT: Duration = Duration::from_secs(3);

/// The longest time for coverage.py to write its report: it parses every source file.
pub(crate) const COVERAGE_REPORT_LIMIT: Duration = Duration::from_secs(120);

/// A run is remembered for this long after its end, for clients that ask late.
pub(crate) const RUN_REMEMBERED: Duration = Duration::from_secs(600);

/// In a flood, readers get the events of this time at once: a fraction of what a frame on a screen takes.
pub(crate) const FLOOD_BATCH: Duration = Duration::from_millis(2);

/// As many events as make a flood, within this many nanoseconds, are one.
pub(crate) const FLOOD_WINDOW_NS: u64 = 4_000_000;

/// Changed files are looked at when none has changed for this long: editors save in several steps, a few milliseconds
/// apart.
pub(crate) const FILES_QUIET: Duration = Duration::from_millis(60);

/// The longest time that looking at changed files waits for a run to end: the run has the processors first.
pub(crate) const REFRESH_DELAY_LIMIT: Duration = Duration::from_secs(1);

/// The engine reads the sources only where pytest takes longer than this to collect: a client in a hurry reads them
/// itself.
pub(crate) const SOURCES_DELAY: Duration = Duration::from_secs(1);

/// Pause between two readings of what running tests print: 40 a second look continuous.
pub(crate) const OUTPUT_INTERVAL: Duration = Duration::from_millis(25);

/// A run has the machine to itself for this long before its code is hashed: the first test has begun by then.
pub(crate) const FINGERPRINT_DELAY: Duration = Duration::from_millis(30);

/// The limit of a run that has the terminal, where there is none: a person may stay at a breakpoint. A year, since
/// clocks can't count for ever.
pub(crate) const ATTENDED_LIMIT: Duration = Duration::from_hours(365 * 24);

/// The longest time that an answer from the history waits until its file is read: a local file of two million outcomes at
/// most.
pub(crate) const HISTORY_LOAD_LIMIT: Duration = Duration::from_secs(10);

/// The longest time that recording a run from elsewhere waits until its history is written: its caller has nothing else
/// to do, and other processes hold the file for moments only.
pub(crate) const HISTORY_WRITE_LIMIT: Duration = Duration::from_secs(30);

/// The longest time that the end of a project waits until its history is written, where other processes hold the file.
pub(crate) const HISTORY_FLUSH_LIMIT: Duration = Duration::from_secs(2);

/// Events are kept for at least this long, which is the time that readers have.
pub(crate) const EVENTS_KEPT: Duration = Duration::from_secs(60);

/// The longest time that the end of the engine waits for a project that is being opened: an interpreter that is
/// starting ends by itself when it finds nobody to report to.
pub(crate) const OPENING_LIMIT: Duration = Duration::from_secs(3);

/// Pause between two looks for runs that other processes recorded: soon for a person, and one `PRAGMA` each.
pub(crate) const HISTORY_INTERVAL: Duration = Duration::from_millis(500);

/// When somebody needs the engine, the test that it runs for itself may end by itself within this time, with its teardown:
/// most tests do, and it is hardly noticed.
pub(crate) const IDLE_RUN_GRACE: Duration = Duration::from_millis(100);

/// The tests of one run that the engine makes for itself take about as long as this, by their last durations.
pub(crate) const IDLE_RUN_LENGTH: Duration = Duration::from_secs(2);

/// If a test in a process of its own takes so much longer than its last duration, its fixtures take long, and the next
/// tests share a process.
pub(crate) const IDLE_SETUP_LIMIT: Duration = Duration::from_millis(500);

/// The longest time for such a run beyond the last durations of its tests: one that hangs holds up the others.
pub(crate) const IDLE_RUN_LIMIT: Duration = Duration::from_secs(30);

/// When nobody has used the engine for these times, it gives memory back to the system: soon after the last use, and when
/// it no longer needs to keep events for readers.
pub(crate) const GIVE_BACK_AFTER: [Duration; 2] = [IDLE_INTERVAL, EVENTS_KEPT.saturating_add(IDLE_INTERVAL)];

/// Pause between two looks for idle projects: a fraction of [`REST_AFTER`].
pub(crate) const IDLE_INTERVAL: Duration = Duration::from_secs(5);

/// The processes of a project that is idle for this long are let go, if it is not one of the last few in use.
pub(crate) const REST_AFTER: Duration = Duration::from_secs(20);

/// After this many times [`REST_AFTER`] without a use, five minutes, a project keeps only what its next run probably needs.
/// People go back and forth between files for less than that.
pub(crate) const LEFT_ALONE: u32 = 15;

/// The longest time that `get_events` waits; the client asks again. A client that is gone is noticed by then.
pub(crate) const EVENTS_WAIT_LIMIT: Duration = Duration::from_secs(300);

/// The longest time that a daemon waits for one that is about to end, or to begin, at the same address: ending kills runs
/// first.
pub(crate) const HANDOVER_LIMIT: Duration = Duration::from_secs(5);

/// Pause after a connection could not be accepted, mostly because too many files are open: others have to close first.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Pause between two looks whether a client is still there that has sent everything, or too much at once.
pub(crate) const CLIENT_INTERVAL: Duration = Duration::from_millis(50);

/// A connection that can't be followed any more is read for this long: a client that is still writing would not see the
/// answer otherwise.
pub(crate) const DRAIN_LIMIT: Duration = Duration::from_secs(2);

/// Pause between two attempts to take the lock of a daemon's address.
pub(crate) const HANDOVER_INTERVAL: Duration = Duration::from_millis(20);

/// The longest time that the end of a project waits for a run that it has killed, and then for what that run leaves to
/// be recorded.
pub(crate) const KILLED_RUN_LIMIT: Duration = Duration::from_secs(5);

/// The longest time that the end of a project waits for its killed processes: the kernel needs milliseconds, unless one
/// hangs in a driver.
pub(crate) const PROCESSES_END_LIMIT: Duration = Duration::from_secs(3);

/// The longest time for an environment manager (uv, poetry, hatch, pdm) to name the interpreter: they are Python programs that
/// start slowly.
pub(crate) const MANAGER_LIMIT: Duration = Duration::from_secs(10);

/// The longest time that a reader of output waits for what is on its way through the pipe.
pub(crate) const RELAY_FLUSH_LIMIT: Duration = Duration::from_millis(200);

/// Waiting for idle projects looks again after this: another project may have become busy.
pub(crate) const IDLE_WAIT: Duration = Duration::from_secs(60);
