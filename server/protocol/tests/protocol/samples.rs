//! One message of every variant, each field filled in: what the golden bytes are made of.

use std::sync::Arc;

use pytest_lens_protocol::{
    Activated, Artifact, Bytes, Case, CaseStatus, DebugFile, LaunchErrorCode, LogsIteratorOption, Phase, RunEvent,
    RunEventPayload, SchedulingOptions, SuiteEvent, SuiteEventPayload, SuiteOptions, SuiteSpec, SuiteStatus,
};
use pytest_lens_protocol::{
    CollectError, ErrorCode, Event, EventPayload, Evidence, FailedReport, FileSkip, FlakinessHints, FlakinessInfo,
    Frame, Hint, ImpactReason, InventoryDelta, ItemKind, Location, Output, OutputSection, OutputStream,
    PROTOCOL_VERSION, PastOutcome, PhaseDurations, PluginSummary, Range, ReachedFile, ReportStatus, Request, Response,
    RunCounts, RunEnd, RunEndStatus, RunOptions, RunStart, RunTimings, Siblings, StaleOutcomes, Subtest, TestImpact,
    TestItem, TestNodeInfo, TestOutcome, TestOutcomes, TestResultInfo, TestsStarted, TimeKind, TimeSpent, Warning,
};
use serde_json::json;

pub fn ctx() -> String {
    "ctx-1".into()
}

fn run() -> String {
    "run-1".into()
}

fn id() -> String {
    "t.py::test_a".into()
}

fn ids() -> Vec<String> {
    vec![id(), "t.py::TestB".into()]
}

pub fn options() -> RunOptions {
    RunOptions {
        keyword: Some("a or b".into()),
        marker: Some("not slow".into()),
        arguments: vec!["-x".into()],
        run_disabled: true,
        timeout_ms: Some(60_000),
        reruns: Some(2),
        source: Some("cli".into()),
        auto_workers: true,
        coverage: true,
        until_failure: Some(100),
        first: vec![id()],
        in_order_of: vec![id()],
        whole_files: true,
        ends_with_session: true,
        full_reports: true,
        timings: true,
        phase_durations: true,
        executor: Some("ray=10.0.0.1:6379".into()),
    }
}

/// Every request; those that may carry options come twice, without and with them.
pub fn requests() -> Vec<Request> {
    vec![
        Request::InitContext {
            protocol_version: PROTOCOL_VERSION,
            repo_path: "/repo".into(),
            python_path: Some("/usr/bin/python3".into()),
            execution_mode: None,
            activated: None,
        },
        Request::InitContext {
            protocol_version: PROTOCOL_VERSION,
            repo_path: "/repo".into(),
            python_path: None,
            execution_mode: Some("auto".into()),
            activated: Some(Activated {
                virtual_env: Some("/venv".into()),
                conda_prefix: None,
                path: Some("/venv/bin:/usr/bin".into()),
                program: Some("/usr/bin/pytest-lens".into()),
            }),
        },
        Request::Collect { context_id: ctx(), force: true },
        Request::Run { context_id: ctx(), node_ids: ids(), workers: Some(4), maxfail: None, options: None },
        Request::Run { context_id: ctx(), node_ids: vec![], workers: None, maxfail: None, options: Some(options()) },
        Request::List { context_id: ctx(), keyword: Some("auth".into()), marker: None },
        Request::GetInventory { context_id: ctx() },
        Request::GetWorkerStatus { context_id: ctx() },
        Request::ConfigureWorkers { context_id: ctx(), num_workers: 8 },
        Request::Shutdown { context_id: Some(ctx()) },
        Request::Ping,
        Request::RunStream { context_id: ctx(), node_ids: ids(), workers: None, maxfail: Some(1), options: None },
        Request::RunStream {
            context_id: ctx(),
            node_ids: ids(),
            workers: None,
            maxfail: Some(1),
            options: Some(RunOptions::default()),
        },
        Request::GetRunProgress { context_id: ctx(), run_id: run() },
        Request::GetFlakinessReport { context_id: ctx() },
        Request::GetTestFlakiness { context_id: ctx(), node_id: id() },
        Request::ConfigureRerun { context_id: ctx(), enabled: true, max_reruns: 3, only_flaky: false, delay_ms: 250 },
        Request::GetRerunConfig { context_id: ctx() },
        Request::RunWithRerun { context_id: ctx(), node_ids: ids(), workers: Some(2), maxfail: None, options: None },
        Request::RunWithRerun {
            context_id: ctx(),
            node_ids: ids(),
            workers: Some(2),
            maxfail: None,
            options: Some(options()),
        },
        Request::ConfigureFixtureReuse {
            context_id: ctx(),
            enabled: true,
            max_age_seconds: 600.0,
            teardown_on_conftest_change: true,
        },
        Request::GetFixtureConfig { context_id: ctx() },
        Request::GetSessionStatus { context_id: ctx() },
        Request::GetShard {
            context_id: ctx(),
            node_ids: vec![],
            shard_index: 1,
            total_shards: 3,
            strategy: "hash".into(),
        },
        Request::GetShardInfo {
            context_id: ctx(),
            node_ids: ids(),
            total_shards: 3,
            strategy: "duration_balanced".into(),
        },
        Request::ConfigureContext {
            context_id: ctx(),
            settings: json!({"workers": 2, "env": {"A": "b"}, "arguments": [], "timeoutMs": null}),
        },
        Request::GetEvents { context_id: ctx(), cursor: 300, wait_ms: 70_000 },
        Request::GetOutput { context_id: ctx(), node_id: id() },
        Request::StopRun { run_id: run() },
        Request::KillRun { run_id: run() },
        Request::EnumerateCases { context_id: ctx(), test_url: "t.py".into() },
        Request::NextCases { iterator_id: "cases-1".into() },
        Request::BuildRun { context_id: ctx(), suites: suites(), scheduling_options: None },
        Request::BuildRun {
            context_id: ctx(),
            suites: vec![],
            scheduling_options: Some(SchedulingOptions { max_parallel_suites: Some(2) }),
        },
        Request::GetRunEvents { run_id: run() },
        Request::GetSuiteEvents { suite_id: run() },
        Request::StopSuite { suite_id: run() },
        Request::KillSuite { suite_id: run() },
        Request::ReadArtifact { artifact_id: "run-1/0".into() },
        Request::NextDebugData { iterator_id: "run-1/debug".into() },
        Request::ReleaseDirectory { token: "run-1/1".into() },
        Request::DebugRun { context_id: ctx(), node_ids: vec![id()], options: None },
        Request::GetContextStatus { context_id: ctx() },
        Request::GetLastFailed { context_id: ctx() },
        Request::GetLastOutcomes { context_id: ctx(), since_cleared: None },
        Request::GetLastOutcomes { context_id: ctx(), since_cleared: Some(true) },
        Request::ClearLastOutcomes { context_id: ctx() },
        Request::GetAffected { context_id: ctx(), paths: vec!["src/low.py".into()] },
        Request::ExplainAffected { context_id: ctx(), paths: vec!["src/low.py".into()] },
        Request::GetChanges { context_id: ctx(), cursor: 7, wait_ms: 60_000 },
        Request::GetHistory { repo_path: "/repo".into() },
        Request::RecordRun {
            repo_path: "/repo".into(),
            report_hash: "00ff".repeat(16),
            source: "ci".into(),
            started_ms: Some(1_700_000_000_000),
            outcomes: vec![PastOutcome { id: id(), outcome: "failed".into(), attempt: 1, duration_ms: 1.5 }],
            code: None,
        },
        Request::RecordRun {
            repo_path: "/repo".into(),
            report_hash: "00ff".repeat(16),
            source: "cli".into(),
            started_ms: None,
            outcomes: vec![],
            code: Some("c0de".into()),
        },
        Request::Trust { repo_path: "/repo".into(), trusted: Some(false) },
    ]
}

fn hint() -> Hint {
    Hint {
        id: id(),
        is_flaky: true,
        failure_rate: 0.5,
        flips: 1,
        total_runs: 2,
        consecutive_failures: 0,
        consecutive_passes: 1,
        recent_outcomes: vec!["failed".into(), "passed".into()],
        evidence: Some(Evidence::SameCode),
    }
}

/// Every response.
pub fn responses() -> Vec<Response> {
    vec![
        Response::ContextReady {
            protocol_version: PROTOCOL_VERSION,
            context_id: ctx(),
            inventory_hash: "abc123".into(),
        },
        Response::CollectionComplete { node_count: 1_000, duration_ms: 150 },
        Response::TestList { node_ids: ids() },
        Response::InventoryData { hash: "abc123".into(), collected_at: 1_234_567_890_123, nodes: vec![node()] },
        Response::RunComplete { total: 10, passed: 6, failed: 1, skipped: 2, errors: 1, duration_ms: 5_000 },
        Response::WorkerStatus { active_workers: 1, idle_workers: 3, tests_executed: 70_000, avg_test_duration_ms: 4 },
        Response::WorkerConfigAck { num_workers: 4 },
        Response::ShutdownAck,
        Response::Pong,
        Response::RunStarted { run_id: run(), total_tests: 10 },
        Response::RunProgress {
            run_id: run(),
            total: 10,
            completed: 5,
            running: 2,
            done: false,
            results: vec![TestResultInfo {
                node_id: id(),
                outcome: "failed".into(),
                duration_ms: 100,
                message: Some("assert 1 == 2".into()),
            }],
        },
        Response::Error { code: ErrorCode::ContextNotFound, message: "no context".into(), session_exit: None },
        Response::FlakinessReport {
            flaky_tests: vec![flakiness()],
            unstable_tests: vec![],
            stable_count: 9,
            total_tracked: 10,
        },
        Response::TestFlakiness {
            node_id: id(),
            failure_rate: 0.5,
            is_flaky: true,
            flaky_streak: 3,
            consecutive_failures: 0,
            consecutive_passes: 1,
            total_runs: 4,
            recent_outcomes: vec!["failed".into(), "passed".into()],
        },
        Response::RerunConfig { enabled: true, max_reruns: 2, only_flaky: true, delay_ms: 0 },
        Response::FixtureConfig {
            enabled: false,
            max_fixture_age_seconds: 600.0,
            teardown_on_conftest_change: true,
            teardown_on_test_file_change: false,
            scopes_to_reuse: vec!["session".into()],
        },
        Response::SessionStatus {
            session_id: "s-1".into(),
            repo_path: "/repo".into(),
            created_at: 1.5,
            last_run_at: 2.5,
            total_runs: 7,
            enabled: true,
        },
        Response::ShardedTests { shard_index: 0, total_shards: 2, node_ids: ids() },
        Response::ShardInfo {
            strategy: "hash".into(),
            total_shards: 2,
            total_tests: 3,
            shard_test_counts: vec![2, 1],
            shard_durations_ms: vec![300, 100],
            count_imbalance_percent: 33.5,
            duration_imbalance_percent: 50.0,
            estimated_wall_time_ms: 300,
        },
        Response::ConfigAck { config_type: "rerun".into(), config: json!({"enabled": true, "delay": null}) },
        Response::Events {
            cursor: 7,
            events: payloads().into_iter().zip(1..).map(|(payload, seq)| Arc::new(Event { seq, payload })).collect(),
        },
        Response::TestOutput {
            node_id: id(),
            outcome: Some("failed".into()),
            message: Some("assert".into()),
            longrepr: None,
            stdout: "out".into(),
            stderr: String::new(),
            log: String::new(),
        },
        Response::ControlAck,
        Response::CaseIterator { iterator_id: "cases-1".into() },
        Response::Cases { cases: vec![Case { name: id() }] },
        Response::RunBuilt { run_id: run(), suite_ids: vec!["run-2".into()] },
        Response::RunEvents { events: run_events() },
        Response::SuiteEvents { events: suite_events() },
        Response::LaunchError { code: LaunchErrorCode::NoMatchingCases, message: "no case".into() },
        Response::ArtifactData { data: Bytes(vec![0, b'a', 255]), done: true },
        Response::DebugData { data: vec![DebugFile { name: "coverage.json".into(), artifact_id: "run-1/2".into() }] },
        Response::DebugStarted { run_id: run(), host: "127.0.0.1".into(), port: 40_000 },
        Response::ContextStatus {
            context_id: ctx(),
            repo_path: "/repo".into(),
            python_path: "/repo/.venv/bin/python".into(),
            python_source: ".venv".into(),
            python_version: "3.11.7".into(),
            pytest_version: "9.2.0".into(),
            plugins: vec!["xdist 3.8.0".into()],
            config_file: Some("/repo/pytest.ini".into()),
            execution_mode: "embedded".into(),
            mode_reason: "safe to fork".into(),
            hazards: vec![],
            active_runs: vec![run()],
            nested: None,
        },
        Response::History {
            file: "/state/repo.db".into(),
            exists: true,
            outcomes: 12,
            tracked: 3,
            stable: 1,
            flaky: vec![hint()],
            unstable: vec![],
            trouble: Some("locked".into()),
            set_aside: vec!["/state/repo.db.damaged-1".into()],
        },
        Response::Affected {
            everything: vec![],
            files: vec![ReachedFile { path: "t.py".into(), through: vec!["t.py".into(), "src/low.py".into()] }],
            tests: vec![],
        },
        Response::Affected {
            everything: vec![],
            files: vec![],
            tests: vec![TestImpact {
                node_id: "t.py::test_a".into(),
                reason: Some(ImpactReason { kind: "function".into(), name: "src/low.py::parse".into() }),
                inputs: 3,
                passed_ms: 1_700_000_000_000,
            }],
        },
        Response::Changes { cursor: 8, paths: vec!["src/low.py".into()], everything: false },
        Response::RunRecorded { already_recorded: true },
        Response::Trust { untrusted: Some("/repo".into()) },
    ]
}

/// Suites without options, with the defaults, and with everything.
pub fn suites() -> Vec<SuiteSpec> {
    let all = SuiteOptions {
        run_disabled_tests: Some(true),
        parallel: Some(4),
        arguments: Some(vec!["-x".into()]),
        timeout: Some(1.5),
        case_filters_to_run: Some(vec!["*a".into(), "-b*".into()]),
        log_iterator: Some(LogsIteratorOption::Archive),
    };
    let spec = |options| SuiteSpec { test_url: "t.py".into(), options };
    vec![spec(None), spec(Some(SuiteOptions::default())), spec(Some(all))]
}

/// One artifact of every kind.
pub fn artifacts() -> Vec<Artifact> {
    vec![
        Artifact::Stdout { artifact_id: "run-1/0".into() },
        Artifact::Stderr { artifact_id: "run-1/1".into() },
        Artifact::Log { artifact_id: "run-1/2".into() },
        Artifact::Custom { directory: "/tmp/x".into(), token: "run-1/3".into(), component_moniker: id() },
        Artifact::DebugData { iterator_id: "run-1/debug".into() },
    ]
}

/// One event of every kind, and one with each artifact.
pub fn run_events() -> Vec<RunEvent> {
    let plain = [RunEventPayload::RunStarted, RunEventPayload::RunStopped];
    let artifacts = artifacts().into_iter().map(|artifact| RunEventPayload::Artifact { artifact });
    let payloads = plain.into_iter().chain(artifacts);
    payloads.zip(1..).map(|(payload, timestamp)| RunEvent { timestamp, payload }).collect()
}

/// One event of every kind.
pub fn suite_events() -> Vec<SuiteEvent> {
    let artifact = || artifacts().remove(3);
    let payloads = vec![
        SuiteEventPayload::CaseFound { test_case_name: id(), identifier: 0 },
        SuiteEventPayload::CaseStarted { identifier: 0 },
        SuiteEventPayload::CaseStopped { identifier: 0, status: CaseStatus::TimedOut },
        SuiteEventPayload::CaseFinished { identifier: 0 },
        SuiteEventPayload::CaseArtifact { identifier: 0, artifact: artifact() },
        SuiteEventPayload::SuiteArtifact { artifact: artifact() },
        SuiteEventPayload::SuiteStarted,
        SuiteEventPayload::SuiteStopped { status: SuiteStatus::DidNotFinish },
    ];
    payloads.into_iter().zip(70_000..).map(|(payload, timestamp)| SuiteEvent { timestamp, payload }).collect()
}

fn node() -> TestNodeInfo {
    TestNodeInfo {
        node_id: id(),
        file_path: "t.py".into(),
        lineno: Some(10),
        name: "test_a".into(),
        class_name: None,
        markers: vec!["slow".into()],
        skip: false,
        xfail: true,
    }
}

fn flakiness() -> FlakinessInfo {
    FlakinessInfo {
        node_id: id(),
        failure_rate: 0.25,
        flaky_streak: 2,
        total_runs: 4,
        consecutive_failures: 0,
        consecutive_passes: 2,
    }
}

fn place() -> Location {
    Location { uri: "file:///repo/t.py".into(), range: Range::of_line(12) }
}

/// One payload of every kind of event.
pub fn payloads() -> Vec<EventPayload> {
    vec![
        EventPayload::Inventory(InventoryDelta {
            revision: 1,
            upserts: vec![Arc::new(TestItem {
                id: id().into(),
                parent: Some("t.py".into()),
                kind: ItemKind::Function,
                label: "test_a".into(),
                uri: "file:///repo/t.py".into(),
                range: Some(Range::of_line(10)),
                markers: vec![],
                skip: false,
                xfail: false,
                case_count: Some(3),
                provisional: true,
            })],
            removed: vec!["gone.py".into()],
            order: vec![Siblings { parent: "t.py".into(), ids: vec![id()] }],
            errors: vec![CollectError {
                uri: "file:///repo/b.py".into(),
                range: Range::of_line(1),
                message: "no".into(),
                longrepr: Some("E   no".into()),
            }],
            whole: false,
            whole_files: vec!["t.py".into()],
        }),
        EventPayload::RunStarted(RunStart {
            run_id: run(),
            total: 1,
            ids: Some(vec![id()]),
            deselected: 2,
            collect_reports: vec![],
            skipped_files: vec![FileSkip { path: "u.py".into(), line: 2, reason: "no".into() }],
            errors: vec![CollectError {
                uri: "file:///repo/b.py".into(),
                range: Range::of_line(1),
                message: "no".into(),
                longrepr: None,
            }],
            header: Vec::new(),
            on_collected: Vec::new(),
            dropped: 0,
            output_options: Vec::new(),
        }),
        EventPayload::TestStarted(TestsStarted { run_id: run(), ids: vec![id()] }),
        EventPayload::TestOutcome(TestOutcomes {
            run_id: run(),
            outcomes: vec![
                TestOutcome {
                    id: id(),
                    outcome: "failed".into(),
                    duration_ms: 1.5,
                    attempt: 1,
                    will_rerun: true,
                    phase: Some(Phase::Call),
                    message: Some("assert 1 == 2".into()),
                    location: Some(place()),
                    expected: Some("2".into()),
                    actual: Some("1".into()),
                    frames: vec![Frame {
                        name: "test_a".into(),
                        location: place(),
                        text: Some("assert x == 2".into()),
                    }],
                    longrepr: Some("E  assert 1 == 2".into()),
                    stdout: Some("out".into()),
                    stderr: Some("err".into()),
                    log: Some("log".into()),
                    subtests: vec![Subtest { label: "[i=1]".into(), outcome: "failed".into(), message: None }],
                    as_of: None,
                    before_teardown: None,
                    reports: vec![],
                    sections: vec![
                        OutputSection { name: "Captured stdout call".into(), length: 3, subtest: Some(0), text: None },
                        OutputSection {
                            name: "Screenshot".into(),
                            length: 5,
                            subtest: None,
                            text: Some("a.png".into()),
                        },
                    ],
                    failed_reports: vec![FailedReport {
                        title: "test_a [i=1]".into(),
                        phase: Phase::Call,
                        subtest: Some(0),
                        message: Some("assert 1 == 2".into()),
                        longrepr: "E  assert 1 == 2".into(),
                    }],
                    phase_durations: Some(PhaseDurations { setup: Some(0.5), call: Some(1.0), teardown: None }),
                    stale: false,
                    node: Some("10.0.0.7 (9f3a12bc)".into()),
                    statuses: Some(vec![ReportStatus {
                        phase: Phase::Call,
                        subtest: None,
                        category: "flaky".into(),
                        letter: "K".into(),
                        word: "FLAKY".into(),
                        markup: vec!["purple".into()],
                        reason: Some("known".into()),
                    }]),
                },
                TestOutcome { id: id(), outcome: "passed".into(), duration_ms: 2.0, attempt: 2, ..Default::default() },
            ],
        }),
        EventPayload::Output(Output { run_id: run(), id: None, stream: OutputStream::Stderr, text: "boo\n".into() }),
        EventPayload::RunFinished(RunEnd {
            run_id: run(),
            status: RunEndStatus::TimedOut,
            counts: RunCounts { total: 1, passed: 0, failed: 1, skipped: 0, errors: 0, not_run: 2 },
            duration_ms: 12.25,
            message: Some("out of time".into()),
            debug_data: Some("run-1/debug".into()),
            warnings: vec![Warning {
                category: "DeprecationWarning".into(),
                message: "old".into(),
                location: Some(Location { uri: "file:///r/a.py".into(), range: Range::of_line(3) }),
                count: 2,
                ids: vec![id()],
                files: Vec::new(),
            }],
            timings: Some(Box::new(RunTimings {
                start_ms: 1.0,
                collect_ms: 0.0,
                collected_before_ms: Some(2.5),
                run_ms: 10.0,
                runners: 2,
                runners_ms: 20.0,
                projects: 1,
                collection: Vec::new(),
                run: vec![TimeSpent { kind: TimeKind::Body, name: id(), count: 1, own_ms: 1.5, total_ms: 2.0 }],
            })),
            summaries: vec![PluginSummary { project: "pkg/api".into(), text: "TOTAL 9\n".into() }],
            exit_status: Some(7),
        }),
        EventPayload::FlakinessHint(FlakinessHints { hints: vec![hint()] }),
        EventPayload::StaleOutcomes(StaleOutcomes { stale: ids(), fresh: vec!["test_b.py::test_c".into()] }),
    ]
}
