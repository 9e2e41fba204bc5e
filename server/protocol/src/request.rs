//! The requests of a client.

use crate::macros::messages;
use crate::{Activated, PastOutcome, RunOptions, SchedulingOptions, SuiteSpec};

messages! {
    /// A request. Its answer is the [`crate::Response`] that its docs name, or [`crate::Response::Error`].
    pub enum Request {
        /// Opens the context of a repo, or returns the open one. Answer: `context_ready`.
        InitContext = "init_context" {
            /// The client's protocol version; the engine refuses any other than [`crate::PROTOCOL_VERSION`].
            protocol_version: u32,
            /// Absolute path of the repo's root.
            repo_path: String,
            /// The interpreter; `None` lets the engine search for one.
            python_path: Option<String>,
            /// `embedded`, `subprocess` or `auto` (the default).
            #[serde(default)]
            execution_mode: Option<String>,
            /// The environment that the client has activated, in which the engine searches for the interpreter (an addition
            /// of pytest-lens); `None` stands for the engine's own. Clients whose environments lead to different
            /// interpreters get different contexts of the same repo.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            activated: Option<Activated>,
        },
        /// Brings the inventory up to date. Answer: `collection_complete`.
        Collect = "collect" {
            /// From `context_ready`.
            context_id: String,
            /// Collect everything again, including unchanged files.
            force: bool,
        },
        /// Runs tests and answers when the run ends. Answer: `run_complete`.
        Run = "run" {
            /// From `context_ready`.
            context_id: String,
            /// Node ids of tests, parametrized functions or classes, or paths of files or folders; empty = all.
            node_ids: Vec<String>,
            /// Number of runners; `None` lets the engine choose.
            workers: Option<u32>,
            /// Stop after this many failures.
            maxfail: Option<u32>,
            /// Further options of the run (an addition of pytest-lens).
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
        /// Requests the whole inventory. Answer: `inventory_data`.
        GetInventory = "get_inventory" {
            /// From `context_ready`.
            context_id: String,
        },
        /// Requests the figures of the runners. Answer: `worker_status`.
        GetWorkerStatus = "get_worker_status" {
            /// From `context_ready`.
            context_id: String,
        },
        /// Sets the number of runners. Answer: `worker_config_ack`.
        ConfigureWorkers = "configure_workers" {
            /// From `context_ready`.
            context_id: String,
            /// Number of runners, at least 1.
            num_workers: u32,
        },
        /// Ends one context, or the engine. Answer: `shutdown_ack`.
        Shutdown = "shutdown" {
            /// The context to end; `None` ends all.
            context_id: Option<String>,
        },
        /// Requests a sign of life. Answer: `pong`.
        Ping = "ping",
        /// Starts a run and returns at once. Answer: `run_started`.
        RunStream = "run_stream" {
            /// From `context_ready`.
            context_id: String,
            /// As in `run`.
            node_ids: Vec<String>,
            /// Number of runners; `None` lets the engine choose.
            workers: Option<u32>,
            /// Stop after this many failures.
            maxfail: Option<u32>,
            /// Further options of the run (an addition of pytest-lens).
            #[serde(default, skip_serializing_if = "Option::is_none")]
            options: Option<RunOptions>,
        },
        /// Requests the progress of a streaming run since this session last asked. Answer: `run_progress`.
        GetRunProgress = "get_run_progress" {
            /// From `context_ready`.
            context_id: String,
            /// From `run_started`.
            run_id: String,
        },
        /// Requests the flakiness of every test with a history. Answer: `flakiness_report`.
        GetFlakinessReport = "get_flakiness_report" {
            /// From `context_ready`.
            context_id: String,
        },
        /// Requests the flakiness of one test. Answer: `test_flakiness`.
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
            /// The most repeats of a test.
            max_reruns: u32,
            /// Repeat only tests known to be flaky.
            only_flaky: bool,
            /// Pause before each repeat, in milliseconds.
            delay_ms: u32,
        },
        /// Requests the settings for repeating failures. Answer: `rerun_config`.
        GetRerunConfig = "get_rerun_config" {
            /// From `context_ready`.
            context_id: String,
        },
        /// Runs tests, repeats failures, and answers when the run ends. Answer: `run_complete`.
        RunWithRerun = "run_with_rerun" {
            /// From `context_ready`.
            context_id: String,
            /// As in `run`.
            node_ids: Vec<String>,
            /// Number of runners; `None` lets the engine choose.
            workers: Option<u32>,
            /// Stop after this many failures.
            maxfail: Option<u32>,
            /// Further options of the run (an addition of pytest-lens).
            #[serde(default, skip_serializing_if = "Option::is_none")]
            options: Option<RunOptions>,
        },
        /// Sets whether fixtures stay set up between runs. Answer: `config_ack`.
        ConfigureFixtureReuse = "configure_fixture_reuse" {
            /// From `context_ready`.
            context_id: String,
            /// Whether fixtures stay set up.
            enabled: bool,
            /// The longest time that they stay, in seconds.
            max_age_seconds: f64,
            /// Whether a change of a `conftest.py` tears them down.
            teardown_on_conftest_change: bool,
        },
        /// Requests the settings of fixture reuse. Answer: `fixture_config`.
        GetFixtureConfig = "get_fixture_config" {
            /// From `context_ready`.
            context_id: String,
        },
        /// Requests the state of the session that holds the reused fixtures. Answer: `session_status`.
        GetSessionStatus = "get_session_status" {
            /// From `context_ready`.
            context_id: String,
        },
        /// Requests the tests of one shard. Answer: `sharded_tests`.
        GetShard = "get_shard" {
            /// From `context_ready`.
            context_id: String,
            /// Tests to distribute; empty = the whole inventory.
            node_ids: Vec<String>,
            /// Index of the shard, from 0.
            shard_index: u32,
            /// Number of shards, at least 1.
            total_shards: u32,
            /// `hash`, `round_robin` or `duration_balanced`.
            strategy: String,
        },
        /// Requests the figures of a distribution. Answer: `shard_info`.
        GetShardInfo = "get_shard_info" {
            /// From `context_ready`.
            context_id: String,
            /// Tests to distribute; empty = the whole inventory.
            node_ids: Vec<String>,
            /// Number of shards, at least 1.
            total_shards: u32,
            /// `hash`, `round_robin` or `duration_balanced`.
            strategy: String,
        },
        /// Sets the client's settings of a context, in place of earlier ones (an addition of pytest-lens). They go over
        /// those in the project's `pytest-lens.toml` or `pyproject.toml`. Answer: `config_ack` with `config_type` `settings`
        /// and the settings in force; its `fileProblems` are sentences on these files.
        ConfigureContext = "configure_context" {
            /// From `context_ready`.
            context_id: String,
            /// An object of [`crate::Settings`]' JSON; keys left out are as the project's files say, otherwise as the same
            /// object's `defaults` say, otherwise they have their defaults.
            settings: serde_json::Value,
        },
        /// Waits for events of the context's log (an addition of pytest-lens). Answer: `events`.
        GetEvents = "get_events" {
            /// From `context_ready`.
            context_id: String,
            /// The `cursor` of the last answer; 0 = from the oldest event that the engine keeps.
            cursor: u64,
            /// The longest time to wait for a first event, in milliseconds.
            wait_ms: u64,
        },
        /// Requests the output of a test in its last run (an addition of pytest-lens). Answer: `test_output`.
        GetOutput = "get_output" {
            /// From `context_ready`.
            context_id: String,
            /// pytest's node id.
            node_id: String,
        },
        /// Lets running tests finish and starts no more (an addition of pytest-lens). Answer: `control_ack`.
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
        /// Requests the next batch of cases (an addition of pytest-lens). Answer: `cases`.
        NextCases = "next_cases" {
            /// From `case_iterator`.
            iterator_id: String,
        },
        /// Builds a run of suites and starts it (an addition of pytest-lens). The run belongs to the session: the
        /// engine kills it when the session ends. Answer: `run_built`.
        BuildRun = "build_run" {
            /// From `context_ready`.
            context_id: String,
            /// The suites.
            suites: Vec<SuiteSpec>,
            /// How to schedule the suites.
            #[serde(default)]
            scheduling_options: Option<SchedulingOptions>,
        },
        /// Waits for events of a run that this session has not received yet (an addition of pytest-lens). Answer:
        /// `run_events`.
        GetRunEvents = "get_run_events" {
            /// From `run_built` or `run_started`.
            run_id: String,
        },
        /// Waits for events of a suite that this session has not received yet (an addition of pytest-lens). Answer:
        /// `suite_events` or `launch_error`.
        GetSuiteEvents = "get_suite_events" {
            /// From `run_built`; or a `run_id` of `run_started`, whose run is a suite by itself.
            suite_id: String,
        },
        /// Lets running tests of a suite finish and starts no more of it (an addition of pytest-lens). Answer:
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
        /// Waits for bytes of an artifact that this session has not received yet (an addition of pytest-lens). Answer:
        /// `artifact_data`.
        ReadArtifact = "read_artifact" {
            /// From an event or from `debug_data`.
            artifact_id: String,
        },
        /// Requests the next batch of debug data (an addition of pytest-lens). Answer: `debug_data`.
        NextDebugData = "next_debug_data" {
            /// From an event.
            iterator_id: String,
        },
        /// Releases the folder of a custom artifact; the engine removes it (an addition of pytest-lens). Answer:
        /// `control_ack`.
        ReleaseDirectory = "release_directory" {
            /// From an event.
            token: String,
        },
        /// Runs tests in a fresh process that first waits for a debugger (an addition of pytest-lens): one process, no
        /// time limit, no repeats. The answer comes before the tests start. Answer: `debug_started`.
        DebugRun = "debug_run" {
            /// From `context_ready`.
            context_id: String,
            /// As in `run`.
            node_ids: Vec<String>,
            /// Options over the context's settings; limits of time, repeats and coverage have no effect.
            #[serde(default)]
            options: Option<RunOptions>,
        },
        /// Requests how the context runs tests (an addition of pytest-lens). Answer: `context_status`.
        GetContextStatus = "get_context_status" {
            /// From `context_ready`.
            context_id: String,
        },
        /// Lists the tests whose last recorded outcome since `clear_last_outcomes` is a failure, recorded by any process,
        /// and those that have not run since their file could not be collected for a run, but can be by now (an addition
        /// of pytest-lens). The list includes tests that no longer exist. Answer: `test_list`.
        GetLastFailed = "get_last_failed" {
            /// From `context_ready`.
            context_id: String,
        },
        /// Requests the last recorded outcome of each test that ran on this machine, with its time in `asOf` (an
        /// addition of pytest-lens). They include tests that no longer exist. Answer: `events` with `testOutcome`s of
        /// the run `remembered`, which are not in the log.
        GetLastOutcomes = "get_last_outcomes" {
            /// From `context_ready`.
            context_id: String,
            /// Leave out the outcomes of runs before `clear_last_outcomes`.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            since_cleared: Option<bool>,
        },
        /// Clears what later runs are selected and ordered by, as pytest's `--cache-clear` (an addition of pytest-lens):
        /// `get_last_failed` takes no notice of runs that started before. Flakiness and the last outcomes remain.
        /// Answer: `control_ack`.
        ClearLastOutcomes = "clear_last_outcomes" {
            /// From `context_ready`.
            context_id: String,
        },
        /// Lists the tests whose outcomes a change of files may alter (an addition of pytest-lens): by imports, by what
        /// tests were seen to read, start and load since the context was opened, and by the records of what each test
        /// depended on when it passed last. From this request on the context's runs make such records, unless
        /// `impact.record` is off. Answer: `test_list` with the ids of test files, and of tests where not all of a file
        /// are affected.
        GetAffected = "get_affected" {
            /// From `context_ready`.
            context_id: String,
            /// The changed files, relative to the repo or absolute.
            paths: Vec<String>,
        },
        /// As `get_affected`, with the reason for each test file, for changes that were made before the context was opened
        /// (an addition of pytest-lens): which tests read a file is not known for sure then, so a changed data file
        /// reaches every test, and a test file that starts processes is reached by any change; recorded tests are known
        /// better, and affected by whatever changed since they passed, named here or not. From this request on the
        /// context's runs make such records. Answer: `affected`.
        ExplainAffected = "explain_affected" {
            /// From `context_ready`.
            context_id: String,
            /// The changed files, relative to the repo or absolute; deleted ones, too.
            paths: Vec<String>,
        },
        /// Lists the files of the project that changed on disk since a cursor (an addition of pytest-lens). Changes are
        /// noticed from the first such request on; it is answered when they are. `get_affected` says which tests they
        /// may affect. Answer: `changes`.
        GetChanges = "get_changes" {
            /// From `context_ready`.
            context_id: String,
            /// From the last answer; a greater number (2^64 - 1) for changes from now on.
            cursor: u64,
            /// Longest time to wait for the first change, in milliseconds.
            wait_ms: u64,
        },
        /// Requests the summary of a repo's history, with its flaky tests (an addition of pytest-lens). Needs no context
        /// and starts no Python. Answer: `history`.
        GetHistory = "get_history" {
            /// Absolute path of the repo's root.
            repo_path: String,
        },
        /// Records a run that has ended elsewhere, such as in CI (an addition of pytest-lens). Needs no context and
        /// starts no Python. Answer: `run_recorded`.
        RecordRun = "record_run" {
            /// Absolute path of the repo's root.
            repo_path: String,
            /// SHA-256 of the run's report in hexadecimal digits: a report is recorded once.
            report_hash: String,
            /// As in the options of a run.
            source: String,
            /// When the run began, in milliseconds since 1970; `None` = now.
            started_ms: Option<u64>,
            /// Every attempt, in the order of the run.
            outcomes: Vec<PastOutcome>,
            /// The fingerprint of the code that ran; without it the run proves no test flaky. It counts for the tests of
            /// the root itself, since nested projects have fingerprints of their own.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            code: Option<String>,
        },
        /// Requests whether the user trusts a repo, by what editors said of it or of a folder above, and stores what an
        /// editor says (an addition of pytest-lens). Clients that run code without being asked by a person each time
        /// respect it. Needs no context and starts no Python. Answer: `trust`.
        Trust = "trust" {
            /// Absolute path of the repo's root.
            repo_path: String,
            /// The decision of an editor's user; `None` = only asks.
            trusted: Option<bool>,
        },
    }
}
