//! What a client may ask of the engine.

use crate::macros::messages;
use crate::{RunOptions, SchedulingOptions, SuiteSpec};

messages! {
    /// A request. Its answer is the [`crate::Response`] that its docs name, or [`crate::Response::Error`].
    pub enum Request {
        /// Opens the context of a repo, or finds it again. Answer: `context_ready`.
        InitContext = "init_context" {
            /// The client's protocol version; another than [`crate::PROTOCOL_VERSION`] is refused.
            protocol_version: u32,
            /// Absolute path of the repo's root.
            repo_path: String,
            /// Interpreter to use; `None` searches.
            python_path: Option<String>,
            /// `embedded`, `subprocess` or `auto` (the default).
            #[serde(default)]
            execution_mode: Option<String>,
        },
        /// Brings the inventory up to date. Answer: `collection_complete`.
        Collect = "collect" {
            /// From `context_ready`.
            context_id: String,
            /// Collect everything again, also what has not changed.
            force: bool,
        },
        /// Runs tests and waits for the end. Answer: `run_complete`.
        Run = "run" {
            /// From `context_ready`.
            context_id: String,
            /// Tests, parametrized functions, classes, files or folders; empty = all.
            node_ids: Vec<String>,
            /// Runners at a time; `None` chooses.
            workers: Option<u32>,
            /// Stop after so many failures.
            maxfail: Option<u32>,
            /// What else the run is told (an addition of pytest-lens).
            #[serde(default, skip_serializing_if = "Option::is_none")]
            options: Option<RunOptions>,
        },
        /// Lists the tests that match, without running them. Answer: `test_list`.
        List = "list" {
            /// From `context_ready`.
            context_id: String,
            /// pytest's `-k` expression.
            keyword: Option<String>,
            /// pytest's `-m` expression.
            marker: Option<String>,
        },
        /// The whole inventory. Answer: `inventory_data`.
        GetInventory = "get_inventory" {
            /// From `context_ready`.
            context_id: String,
        },
        /// What the runners are doing. Answer: `worker_status`.
        GetWorkerStatus = "get_worker_status" {
            /// From `context_ready`.
            context_id: String,
        },
        /// Sets the number of runners. Answer: `worker_config_ack`.
        ConfigureWorkers = "configure_workers" {
            /// From `context_ready`.
            context_id: String,
            /// Runners at a time, at least 1.
            num_workers: u32,
        },
        /// Ends one context, or the engine. Answer: `shutdown_ack`.
        Shutdown = "shutdown" {
            /// The context to end; `None` ends all.
            context_id: Option<String>,
        },
        /// Asks for a sign of life. Answer: `pong`.
        Ping = "ping",
        /// Starts a run and returns at once. Answer: `run_started`.
        RunStream = "run_stream" {
            /// From `context_ready`.
            context_id: String,
            /// As in `run`.
            node_ids: Vec<String>,
            /// Runners at a time; `None` chooses.
            workers: Option<u32>,
            /// Stop after so many failures.
            maxfail: Option<u32>,
            /// What else the run is told (an addition of pytest-lens).
            #[serde(default, skip_serializing_if = "Option::is_none")]
            options: Option<RunOptions>,
        },
        /// What has come of a streaming run since this session last asked. Answer: `run_progress`.
        GetRunProgress = "get_run_progress" {
            /// From `context_ready`.
            context_id: String,
            /// From `run_started`.
            run_id: String,
        },
        /// Flakiness of every test with a history. Answer: `flakiness_report`.
        GetFlakinessReport = "get_flakiness_report" {
            /// From `context_ready`.
            context_id: String,
        },
        /// Flakiness of one test. Answer: `test_flakiness`.
        GetTestFlakiness = "get_test_flakiness" {
            /// From `context_ready`.
            context_id: String,
            /// pytest's node id.
            node_id: String,
        },
        /// Sets whether and how failures are repeated. Answer: `config_ack`.
        ConfigureRerun = "configure_rerun" {
            /// From `context_ready`.
            context_id: String,
            /// Whether failures are repeated.
            enabled: bool,
            /// How often at most.
            max_reruns: u32,
            /// Only tests known to be flaky.
            only_flaky: bool,
            /// Pause before each, in milliseconds.
            delay_ms: u32,
        },
        /// How failures are repeated. Answer: `rerun_config`.
        GetRerunConfig = "get_rerun_config" {
            /// From `context_ready`.
            context_id: String,
        },
        /// Runs tests, repeats failures, and waits for the end. Answer: `run_complete`.
        RunWithRerun = "run_with_rerun" {
            /// From `context_ready`.
            context_id: String,
            /// As in `run`.
            node_ids: Vec<String>,
            /// Runners at a time; `None` chooses.
            workers: Option<u32>,
            /// Stop after so many failures.
            maxfail: Option<u32>,
            /// What else the run is told (an addition of pytest-lens).
            #[serde(default, skip_serializing_if = "Option::is_none")]
            options: Option<RunOptions>,
        },
        /// Sets whether fixtures live on between runs. Answer: `config_ack`.
        ConfigureFixtureReuse = "configure_fixture_reuse" {
            /// From `context_ready`.
            context_id: String,
            /// Whether they do.
            enabled: bool,
            /// How old one may become, in seconds.
            max_age_seconds: f64,
            /// Whether a changed conftest.py tears them down.
            teardown_on_conftest_change: bool,
        },
        /// How fixtures are reused. Answer: `fixture_config`.
        GetFixtureConfig = "get_fixture_config" {
            /// From `context_ready`.
            context_id: String,
        },
        /// The session that holds the reused fixtures. Answer: `session_status`.
        GetSessionStatus = "get_session_status" {
            /// From `context_ready`.
            context_id: String,
        },
        /// The tests of one shard. Answer: `sharded_tests`.
        GetShard = "get_shard" {
            /// From `context_ready`.
            context_id: String,
            /// Tests to distribute; empty = the whole inventory.
            node_ids: Vec<String>,
            /// Which shard, counted from 0.
            shard_index: u32,
            /// How many shards there are, at least 1.
            total_shards: u32,
            /// `hash`, `round_robin` or `duration_balanced`.
            strategy: String,
        },
        /// Figures of a distribution. Answer: `shard_info`.
        GetShardInfo = "get_shard_info" {
            /// From `context_ready`.
            context_id: String,
            /// Tests to distribute; empty = the whole inventory.
            node_ids: Vec<String>,
            /// How many shards there are, at least 1.
            total_shards: u32,
            /// `hash`, `round_robin` or `duration_balanced`.
            strategy: String,
        },
        /// Sets every setting of a context (an addition of pytest-lens). Answer: `config_ack` with `config_type`
        /// `settings` and what now holds.
        ConfigureContext = "configure_context" {
            /// From `context_ready`.
            context_id: String,
            /// An object of [`crate::Settings`]' JSON; keys left out take their defaults.
            settings: serde_json::Value,
        },
        /// Waits for events of the context's log (an addition of pytest-lens). Answer: `events`.
        GetEvents = "get_events" {
            /// From `context_ready`.
            context_id: String,
            /// From the last answer; 0 = from the beginning of what is kept.
            cursor: u64,
            /// How long to wait for a first event, in milliseconds.
            wait_ms: u64,
        },
        /// What a test printed in its last run (an addition of pytest-lens). Answer: `test_output`.
        GetOutput = "get_output" {
            /// From `context_ready`.
            context_id: String,
            /// pytest's node id.
            node_id: String,
        },
        /// Lets what runs finish and starts nothing more (an addition of pytest-lens). Answer: `control_ack`.
        StopRun = "stop_run" {
            /// From `run_started`.
            run_id: String,
        },
        /// Ends a run's processes now (an addition of pytest-lens). Answer: `control_ack`.
        KillRun = "kill_run" {
            /// From `run_started`.
            run_id: String,
        },
        /// Lists the cases of a suite (an addition of pytest-lens). Answer: `case_iterator` or `launch_error`.
        EnumerateCases = "enumerate_cases" {
            /// From `context_ready`.
            context_id: String,
            /// A test file, a folder or a node id, relative to the repo.
            test_url: String,
        },
        /// The next batch of cases (an addition of pytest-lens). Answer: `cases`.
        NextCases = "next_cases" {
            /// From `case_iterator`.
            iterator_id: String,
        },
        /// Builds a run of suites and sets it going (an addition of pytest-lens). The run belongs to the session: when
        /// that goes, it is killed. Answer: `run_built`.
        BuildRun = "build_run" {
            /// From `context_ready`.
            context_id: String,
            /// The suites.
            suites: Vec<SuiteSpec>,
            /// How they are scheduled.
            #[serde(default)]
            scheduling_options: Option<SchedulingOptions>,
        },
        /// Waits for events of a run that this session has not been told (an addition of pytest-lens). Answer:
        /// `run_events`.
        GetRunEvents = "get_run_events" {
            /// From `run_built` or `run_started`.
            run_id: String,
        },
        /// Waits for events of a suite that this session has not been told (an addition of pytest-lens). Answer:
        /// `suite_events` or `launch_error`.
        GetSuiteEvents = "get_suite_events" {
            /// From `run_built`; or a `run_id` of `run_started`, whose run is a suite by itself.
            suite_id: String,
        },
        /// Lets what runs of a suite finish and starts nothing more of it (an addition of pytest-lens). Answer:
        /// `control_ack`.
        StopSuite = "stop_suite" {
            /// As in `get_suite_events`.
            suite_id: String,
        },
        /// Ends a suite's processes now (an addition of pytest-lens). Answer: `control_ack`.
        KillSuite = "kill_suite" {
            /// As in `get_suite_events`.
            suite_id: String,
        },
        /// Waits for bytes of an artifact that this session has not been given (an addition of pytest-lens). Answer:
        /// `artifact_data`.
        ReadArtifact = "read_artifact" {
            /// From an event or from `debug_data`.
            artifact_id: String,
        },
        /// The next batch of debug data (an addition of pytest-lens). Answer: `debug_data`.
        NextDebugData = "next_debug_data" {
            /// From an event.
            iterator_id: String,
        },
        /// Lets go of a custom artifact's folder, which is removed (an addition of pytest-lens). Answer: `control_ack`.
        ReleaseDirectory = "release_directory" {
            /// From an event.
            token: String,
        },
        /// Runs tests in a fresh process that waits for a debugger first (an addition of pytest-lens): one process, no
        /// time limit, no repeats. The run goes on by itself. Answer: `debug_started`.
        DebugRun = "debug_run" {
            /// From `context_ready`.
            context_id: String,
            /// As in `run`.
            node_ids: Vec<String>,
            /// Over the context's settings; limits of time, repeats and coverage have no effect.
            #[serde(default)]
            options: Option<RunOptions>,
        },
        /// How the context runs tests (an addition of pytest-lens). Answer: `context_status`.
        GetContextStatus = "get_context_status" {
            /// From `context_ready`.
            context_id: String,
        },
        /// Tests whose last recorded outcome is a failure, whichever process recorded it (an addition of pytest-lens).
        /// Those of tests that are gone are among them. Answer: `test_list`.
        GetLastFailed = "get_last_failed" {
            /// From `context_ready`.
            context_id: String,
        },
        /// The last recorded outcome of each test that was run on this machine, with its time in `asOf` (an addition of
        /// pytest-lens). Those of tests that are gone are among them. Answer: `events`, of `testOutcome`s of the run
        /// `remembered` outside of the log.
        GetLastOutcomes = "get_last_outcomes" {
            /// From `context_ready`.
            context_id: String,
        },
        /// The test files whose outcomes a change of files may alter (an addition of pytest-lens): by imports, and by
        /// what tests were seen to read, start and load since the context was opened. Answer: `test_list` with their
        /// ids.
        GetAffected = "get_affected" {
            /// From `context_ready`.
            context_id: String,
            /// The changed files, relative to the repo or absolute.
            paths: Vec<String>,
        },
    }
}
