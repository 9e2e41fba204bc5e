//! The responses of the engine.

use crate::macros::messages;
use crate::{
    Bytes, Case, DebugFile, ErrorCode, Event, FlakinessInfo, Hint, LaunchErrorCode, NestedStatus, ReachedFile,
    RunEvent, SessionExit, SuiteEvent, TestImpact, TestNodeInfo, TestResultInfo,
};

messages! {
    /// The answer to a [`crate::Request`].
    pub enum Response {
        /// A context is open.
        ContextReady = "context_ready" {
            /// The engine's protocol version.
            protocol_version: u32,
            /// Id of the context, for every further request.
            context_id: String,
            /// Changes whenever the inventory does; empty before the first collection.
            inventory_hash: String,
        },
        /// The inventory is up to date.
        CollectionComplete = "collection_complete" {
            /// Number of tests in it.
            node_count: usize,
            /// Duration of the collection, in milliseconds.
            duration_ms: u64,
        },
        /// The tests that matched.
        TestList = "test_list" {
            /// Their node ids, in pytest's order.
            node_ids: Vec<String>,
        },
        /// The inventory.
        InventoryData = "inventory_data" {
            /// As in `context_ready`.
            hash: String,
            /// Time of its last update, Unix time in milliseconds; 0 before the first collection.
            collected_at: u64,
            /// Every test, in pytest's order.
            nodes: Vec<TestNodeInfo>,
        },
        /// The end of a run. The counts add up to `total`; none of them counts a test that was not run.
        RunComplete = "run_complete" {
            /// Number of tests with an outcome.
            total: usize,
            /// Passed, or passed unexpectedly without a strict xfail.
            passed: usize,
            /// Failed or timed out.
            failed: usize,
            /// Skipped, or failed as expected.
            skipped: usize,
            /// Errors in set-up or teardown, and crashes.
            errors: usize,
            /// Wall time in milliseconds.
            duration_ms: u64,
        },
        /// The figures of the runners.
        WorkerStatus = "worker_status" {
            /// Number of runners that run a test.
            active_workers: u32,
            /// Number of runners that wait for one.
            idle_workers: u32,
            /// Number of tests that this context has run.
            tests_executed: u64,
            /// Mean duration of these tests, in milliseconds.
            avg_test_duration_ms: u64,
        },
        /// The number of runners is set.
        WorkerConfigAck = "worker_config_ack" {
            /// The number now in force.
            num_workers: u32,
        },
        /// The context, or the engine, has ended.
        ShutdownAck = "shutdown_ack",
        /// The engine is alive.
        Pong = "pong",
        /// The engine accepted a streaming run.
        RunStarted = "run_started" {
            /// Id of the run, for further requests.
            run_id: String,
            /// Number of tests that will have an outcome.
            total_tests: usize,
        },
        /// The progress of a streaming run.
        RunProgress = "run_progress" {
            /// The run.
            run_id: String,
            /// Number of selected tests.
            total: usize,
            /// Number of tests with an outcome.
            completed: usize,
            /// Number of tests that run now.
            running: usize,
            /// Whether the run is over and this answer holds its last outcomes.
            done: bool,
            /// Outcomes since this session last asked, at most 10,000.
            results: Vec<TestResultInfo>,
        },
        /// The engine did not carry out the request.
        Error = "error" {
            /// Category of the error.
            code: ErrorCode,
            /// One sentence that names the culprit and the way out.
            message: String,
            /// How pytest ended its session before any test; only in the answer to a `run_stream` with `options`.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            session_exit: Option<SessionExit>,
        },
        /// The flakiness of every test with a history.
        FlakinessReport = "flakiness_report" {
            /// Tests that passed and failed on the same code.
            flaky_tests: Vec<FlakinessInfo>,
            /// Tests that passed and failed, but across changes of code.
            unstable_tests: Vec<FlakinessInfo>,
            /// Number of tests that did neither.
            stable_count: usize,
            /// Number of tests with a history.
            total_tracked: usize,
        },
        /// The flakiness of one test.
        TestFlakiness = "test_flakiness" {
            /// pytest's node id.
            node_id: String,
            /// Share of failures, 0.0 to 1.0.
            failure_rate: f64,
            /// Whether it passed and failed on the same code.
            is_flaky: bool,
            /// Number of changes between pass and failure.
            flaky_streak: u32,
            /// Number of failures since the last pass.
            consecutive_failures: u32,
            /// Number of passes since the last failure.
            consecutive_passes: u32,
            /// Number of runs in the window.
            total_runs: u32,
            /// The last outcomes, oldest first.
            #[schemars(with = "Vec<crate::Outcome>")]
            recent_outcomes: Vec<String>,
        },
        /// The settings for repeating failures.
        RerunConfig = "rerun_config" {
            /// Whether failures are repeated.
            enabled: bool,
            /// The most repeats of a test.
            max_reruns: u32,
            /// Repeat only tests known to be flaky.
            only_flaky: bool,
            /// Pause before each repeat, in milliseconds.
            delay_ms: u32,
        },
        /// The settings of fixture reuse.
        FixtureConfig = "fixture_config" {
            /// Whether fixtures stay set up between runs.
            enabled: bool,
            /// The longest time that they stay, in seconds.
            max_fixture_age_seconds: f64,
            /// Whether a change of a `conftest.py` tears them down.
            teardown_on_conftest_change: bool,
            /// Whether a change of a test file tears them down.
            teardown_on_test_file_change: bool,
            /// Scopes whose fixtures stay.
            scopes_to_reuse: Vec<String>,
        },
        /// The session that holds the reused fixtures.
        SessionStatus = "session_status" {
            /// Id of the session; empty before there is one.
            session_id: String,
            /// Root of the repo.
            repo_path: String,
            /// Time of its start, Unix time in seconds.
            created_at: f64,
            /// Time of its last run, Unix time in seconds.
            last_run_at: f64,
            /// Number of runs that used it.
            total_runs: u32,
            /// Whether fixtures are reused.
            enabled: bool,
        },
        /// The tests of one shard.
        ShardedTests = "sharded_tests" {
            /// Index of the shard, from 0.
            shard_index: u32,
            /// Number of shards.
            total_shards: u32,
            /// Node ids of its tests.
            node_ids: Vec<String>,
        },
        /// Figures of a distribution.
        ShardInfo = "shard_info" {
            /// The strategy of the distribution.
            strategy: String,
            /// Number of shards.
            total_shards: u32,
            /// Number of distributed tests.
            total_tests: usize,
            /// Number of tests in each shard.
            shard_test_counts: Vec<usize>,
            /// Expected duration of each shard, in milliseconds.
            shard_durations_ms: Vec<u64>,
            /// Percentage by which the largest count exceeds the mean.
            count_imbalance_percent: f64,
            /// Percentage by which the longest duration exceeds the mean.
            duration_imbalance_percent: f64,
            /// Duration of the longest shard, in milliseconds.
            estimated_wall_time_ms: u64,
        },
        /// A configuration is in force.
        ConfigAck = "config_ack" {
            /// The kind of configuration: `rerun`, `fixture_reuse` or `settings`.
            config_type: String,
            /// The configuration in force; `problems`, a list of sentences, names the parts of it that can't be
            /// followed.
            config: serde_json::Value,
        },
        /// Events of the context's log (an addition of pytest-lens).
        Events = "events" {
            /// Argument for the next `get_events`.
            cursor: u64,
            /// The events in order, each a map in either shape. If the first `seq` is above the requested cursor, older
            /// events were dropped.
            events: Vec<std::sync::Arc<Event>>,
        },
        /// The output of a test in its last run (an addition of pytest-lens).
        TestOutput = "test_output" {
            /// pytest's node id.
            node_id: String,
            /// Its outcome in that run; `None` if it never ran.
            #[schemars(with = "Option<crate::Outcome>")]
            outcome: Option<String>,
            /// The reason why it failed or was skipped.
            message: Option<String>,
            /// pytest's text of the failure.
            longrepr: Option<String>,
            /// Captured standard output.
            stdout: String,
            /// Captured standard error.
            stderr: String,
            /// Captured log.
            log: String,
        },
        /// The control took effect (an addition of pytest-lens).
        ControlAck = "control_ack",
        /// Iterator over the cases of a suite (an addition of pytest-lens).
        CaseIterator = "case_iterator" {
            /// Argument for `next_cases`.
            iterator_id: String,
        },
        /// Cases of a suite (an addition of pytest-lens).
        Cases = "cases" {
            /// The next cases, in pytest's order; empty = no more.
            cases: Vec<Case>,
        },
        /// A run of suites has started (an addition of pytest-lens).
        RunBuilt = "run_built" {
            /// Id of the run, for further requests.
            run_id: String,
            /// Ids of its suites, in the order of the request.
            suite_ids: Vec<String>,
        },
        /// Events of a run (an addition of pytest-lens).
        RunEvents = "run_events" {
            /// The events in order; empty only when the run is over.
            events: Vec<RunEvent>,
        },
        /// Events of a suite (an addition of pytest-lens).
        SuiteEvents = "suite_events" {
            /// The events in order; empty only when the suite is over.
            events: Vec<SuiteEvent>,
        },
        /// A suite could not start (an addition of pytest-lens).
        LaunchError = "launch_error" {
            /// Category of the error.
            code: LaunchErrorCode,
            /// One sentence that names the culprit and the way out.
            message: String,
        },
        /// Bytes of an artifact (an addition of pytest-lens).
        ArtifactData = "artifact_data" {
            /// The next bytes.
            data: Bytes,
            /// Whether these are the last bytes.
            done: bool,
        },
        /// Debug data (an addition of pytest-lens).
        DebugData = "debug_data" {
            /// The next files; empty = no more.
            data: Vec<DebugFile>,
        },
        /// A run waits for a debugger (an addition of pytest-lens).
        DebugStarted = "debug_started" {
            /// Id of the run, for further requests.
            run_id: String,
            /// Host on which debugpy listens, for the Debug Adapter Protocol.
            host: String,
            /// Port on which debugpy listens.
            port: u16,
        },
        /// How the context runs tests (an addition of pytest-lens).
        ContextStatus = "context_status" {
            /// The context.
            context_id: String,
            /// Root of the repo.
            repo_path: String,
            /// Path of the interpreter.
            python_path: String,
            /// How the interpreter was found.
            python_source: String,
            /// Version of the interpreter, e.g. `3.11.7`.
            python_version: String,
            /// Version of pytest.
            pytest_version: String,
            /// Installed pytest plugins, `name version`.
            plugins: Vec<String>,
            /// pytest's configuration file, if there is one.
            config_file: Option<String>,
            /// The mode of the next run: `embedded` or `subprocess`.
            execution_mode: String,
            /// The reason for the mode.
            mode_reason: String,
            /// The reasons why tests are not forked off a collected session, each a sentence.
            hazards: Vec<String>,
            /// Ids of the runs in progress.
            active_runs: Vec<String>,
            /// The nested projects of the root, if it has any.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            nested: Option<NestedStatus>,
        },
        /// The summary of a repo's history (an addition of pytest-lens).
        History = "history" {
            /// Path of the file that holds the history.
            file: String,
            /// Whether the file exists.
            exists: bool,
            /// Number of recorded attempts.
            outcomes: usize,
            /// Number of tests with recorded outcomes.
            tracked: usize,
            /// Number of tests that are neither flaky nor unstable.
            stable: usize,
            /// Tests that passed and failed on the same code, the worst first.
            flaky: Vec<Hint>,
            /// Tests that passed and failed across changes of code only, the worst first.
            unstable: Vec<Hint>,
            /// Fault of the file, as a sentence; `None` if there is none.
            trouble: Option<String>,
            /// Paths of damaged files that were set aside, the oldest first.
            set_aside: Vec<String>,
        },
        /// The test files that a change of files may reach, and why (an addition of pytest-lens).
        Affected = "affected" {
            /// How the change reaches every test: a file on which all of them depend, the file that it imports, and so on
            /// down to a changed file; empty if it does not.
            everything: Vec<String>,
            /// The reached test files, in order.
            files: Vec<ReachedFile>,
            /// Tests of which more is known, because what they depend on was recorded when they ran last. They take
            /// precedence over `everything` and `files`.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            tests: Vec<TestImpact>,
        },
        /// The files that changed on disk (an addition of pytest-lens).
        Changes = "changes" {
            /// Cursor for the next request.
            cursor: u64,
            /// The changed, new and deleted files and deleted folders, relative to the repo, in order.
            paths: Vec<String>,
            /// Changes were missed: any file may have changed.
            everything: bool,
        },
        /// A run is recorded (an addition of pytest-lens).
        RunRecorded = "run_recorded" {
            /// Whether the history held it before.
            already_recorded: bool,
        },
        /// Whether the user trusts a repo (an addition of pytest-lens).
        Trust = "trust" {
            /// The repo's root, or the folder above it, that the user of an editor does not trust; `None` if no editor
            /// said so.
            untrusted: Option<String>,
        },
    }
}

impl Response {
    /// An error response.
    #[must_use]
    pub fn error(code: ErrorCode, message: impl Into<String>) -> Self {
        Response::Error { code, message: message.into(), session_exit: None }
    }
}
