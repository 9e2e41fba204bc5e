//! What the engine answers.

use crate::macros::messages;
use crate::{
    Bytes, Case, DebugFile, ErrorCode, Event, FlakinessInfo, LaunchErrorCode, RunEvent, SuiteEvent, TestNodeInfo,
    TestResultInfo,
};

messages! {
    /// The answer to a [`crate::Request`].
    pub enum Response {
        /// A context is open.
        ContextReady = "context_ready" {
            /// The engine's protocol version.
            protocol_version: u32,
            /// Names the context in every further request.
            context_id: String,
            /// Changes whenever the inventory does; empty before anything was collected.
            inventory_hash: String,
        },
        /// The inventory is up to date.
        CollectionComplete = "collection_complete" {
            /// Tests in it.
            node_count: usize,
            /// How long it took, in milliseconds.
            duration_ms: u64,
        },
        /// Tests that matched.
        TestList = "test_list" {
            /// Their node ids, in pytest's order.
            node_ids: Vec<String>,
        },
        /// The inventory.
        InventoryData = "inventory_data" {
            /// As in `context_ready`.
            hash: String,
            /// When it was last brought up to date, Unix time in milliseconds; 0 before that.
            collected_at: u64,
            /// Every test, in pytest's order.
            nodes: Vec<TestNodeInfo>,
        },
        /// A run's end. The counts add up to `total`; tests that were not run are in none of them.
        RunComplete = "run_complete" {
            /// Tests with an outcome.
            total: usize,
            /// Passed, or passed unexpectedly where that is no failure.
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
        /// What the runners are doing.
        WorkerStatus = "worker_status" {
            /// Runners that run a test.
            active_workers: u32,
            /// Runners that wait for one.
            idle_workers: u32,
            /// Tests that this context has run.
            tests_executed: u64,
            /// Their mean duration in milliseconds.
            avg_test_duration_ms: u64,
        },
        /// The number of runners is set.
        WorkerConfigAck = "worker_config_ack" {
            /// What it is now.
            num_workers: u32,
        },
        /// What was to end has ended.
        ShutdownAck = "shutdown_ack",
        /// A sign of life.
        Pong = "pong",
        /// A streaming run was accepted.
        RunStarted = "run_started" {
            /// Names the run in further requests.
            run_id: String,
            /// Tests that it will give an outcome each.
            total_tests: usize,
        },
        /// What has come of a streaming run.
        RunProgress = "run_progress" {
            /// Which run.
            run_id: String,
            /// Tests selected.
            total: usize,
            /// Tests with an outcome.
            completed: usize,
            /// Tests running now.
            running: usize,
            /// Whether it is over, and everything was told.
            done: bool,
            /// Outcomes since this session last asked, 10,000 at most.
            results: Vec<TestResultInfo>,
        },
        /// The request was not carried out.
        Error = "error" {
            /// Category.
            code: ErrorCode,
            /// One sentence that names what is at fault, and the way out.
            message: String,
        },
        /// Flakiness of every test with a history.
        FlakinessReport = "flakiness_report" {
            /// Passed and failed on the same code.
            flaky_tests: Vec<FlakinessInfo>,
            /// Passed and failed, but across changes of code.
            unstable_tests: Vec<FlakinessInfo>,
            /// Tests that did neither.
            stable_count: usize,
            /// Tests with a history.
            total_tracked: usize,
        },
        /// Flakiness of one test.
        TestFlakiness = "test_flakiness" {
            /// pytest's node id.
            node_id: String,
            /// Share of failures, 0.0 to 1.0.
            failure_rate: f64,
            /// Whether it passed and failed on the same code.
            is_flaky: bool,
            /// Number of changes between pass and fail.
            flaky_streak: u32,
            /// Failures since the last pass.
            consecutive_failures: u32,
            /// Passes since the last failure.
            consecutive_passes: u32,
            /// Runs in the window.
            total_runs: u32,
            /// The last outcomes, oldest first.
            recent_outcomes: Vec<String>,
        },
        /// How failures are repeated.
        RerunConfig = "rerun_config" {
            /// Whether they are.
            enabled: bool,
            /// How often at most.
            max_reruns: u32,
            /// Only tests known to be flaky.
            only_flaky: bool,
            /// Pause before each, in milliseconds.
            delay_ms: u32,
        },
        /// How fixtures are reused.
        FixtureConfig = "fixture_config" {
            /// Whether they are.
            enabled: bool,
            /// How old one may become, in seconds.
            max_fixture_age_seconds: f64,
            /// Whether a changed conftest.py tears them down.
            teardown_on_conftest_change: bool,
            /// Whether a changed test file tears them down.
            teardown_on_test_file_change: bool,
            /// Scopes that live on.
            scopes_to_reuse: Vec<String>,
        },
        /// The session that holds the reused fixtures.
        SessionStatus = "session_status" {
            /// Names it; empty before there is one.
            session_id: String,
            /// The repo's root.
            repo_path: String,
            /// When it began, Unix time in seconds.
            created_at: f64,
            /// When it last ran, Unix time in seconds.
            last_run_at: f64,
            /// Runs that it served.
            total_runs: u32,
            /// Whether fixtures are reused.
            enabled: bool,
        },
        /// The tests of one shard.
        ShardedTests = "sharded_tests" {
            /// Which shard, counted from 0.
            shard_index: u32,
            /// How many there are.
            total_shards: u32,
            /// Its tests.
            node_ids: Vec<String>,
        },
        /// Figures of a distribution.
        ShardInfo = "shard_info" {
            /// The strategy it was made by.
            strategy: String,
            /// How many shards there are.
            total_shards: u32,
            /// Tests distributed.
            total_tests: usize,
            /// Tests of each shard.
            shard_test_counts: Vec<usize>,
            /// Expected duration of each shard, in milliseconds.
            shard_durations_ms: Vec<u64>,
            /// How far the largest count lies above the mean, in percent.
            count_imbalance_percent: f64,
            /// How far the longest duration lies above the mean, in percent.
            duration_imbalance_percent: f64,
            /// The longest shard's duration, in milliseconds.
            estimated_wall_time_ms: u64,
        },
        /// A configuration is in force.
        ConfigAck = "config_ack" {
            /// What was configured: `rerun`, `fixture_reuse`, `settings`.
            config_type: String,
            /// What now holds; `problems`, a list of sentences, says what is missing all the same.
            config: serde_json::Value,
        },
        /// Events of the context's log (an addition of pytest-lens).
        Events = "events" {
            /// To be sent with the next `get_events`.
            cursor: u64,
            /// In order; each a map in either shape. A `seq` above the asked cursor says that older ones were dropped.
            events: Vec<std::sync::Arc<Event>>,
        },
        /// What a test printed in its last run (an addition of pytest-lens).
        TestOutput = "test_output" {
            /// pytest's node id.
            node_id: String,
            /// Its outcome there; `None` where it never ran.
            outcome: Option<String>,
            /// Why it failed or was skipped.
            message: Option<String>,
            /// pytest's own text of the failure.
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
        /// A suite's cases can be read (an addition of pytest-lens).
        CaseIterator = "case_iterator" {
            /// For `next_cases`.
            iterator_id: String,
        },
        /// Cases of a suite (an addition of pytest-lens).
        Cases = "cases" {
            /// The next ones, in pytest's order; empty = no more.
            cases: Vec<Case>,
        },
        /// A run of suites is going (an addition of pytest-lens).
        RunBuilt = "run_built" {
            /// Names the run in further requests.
            run_id: String,
            /// Names its suites, in the order given.
            suite_ids: Vec<String>,
        },
        /// Events of a run (an addition of pytest-lens).
        RunEvents = "run_events" {
            /// In order; empty only when the run is over.
            events: Vec<RunEvent>,
        },
        /// Events of a suite (an addition of pytest-lens).
        SuiteEvents = "suite_events" {
            /// In order; empty only when the suite is over.
            events: Vec<SuiteEvent>,
        },
        /// A suite could not be launched (an addition of pytest-lens).
        LaunchError = "launch_error" {
            /// Category.
            code: LaunchErrorCode,
            /// One sentence that names what is at fault, and the way out.
            message: String,
        },
        /// Bytes of an artifact (an addition of pytest-lens).
        ArtifactData = "artifact_data" {
            /// The next ones.
            data: Bytes,
            /// Whether these were the last.
            done: bool,
        },
        /// Debug data (an addition of pytest-lens).
        DebugData = "debug_data" {
            /// The next files; empty = no more.
            data: Vec<DebugFile>,
        },
        /// A run waits for a debugger (an addition of pytest-lens).
        DebugStarted = "debug_started" {
            /// Names the run in further requests.
            run_id: String,
            /// Where debugpy listens, for the Debug Adapter Protocol.
            host: String,
            /// On which port.
            port: u16,
        },
        /// How the context runs tests (an addition of pytest-lens).
        ContextStatus = "context_status" {
            /// Which context.
            context_id: String,
            /// Its root.
            repo_path: String,
            /// The interpreter.
            python_path: String,
            /// How the interpreter was found.
            python_source: String,
            /// Its version, e.g. `3.11.7`.
            python_version: String,
            /// pytest's version.
            pytest_version: String,
            /// Installed pytest plugins, `name version`.
            plugins: Vec<String>,
            /// pytest's configuration file, if there is one.
            config_file: Option<String>,
            /// `embedded` or `subprocess`: what runs use now.
            execution_mode: String,
            /// Why.
            mode_reason: String,
            /// What keeps tests from being forked off a collected session, each a sentence.
            hazards: Vec<String>,
            /// Ids of the runs going on.
            active_runs: Vec<String>,
        },
    }
}

impl Response {
    /// An error response.
    #[must_use]
    pub fn error(code: ErrorCode, message: impl Into<String>) -> Self {
        Response::Error { code, message: message.into() }
    }
}
