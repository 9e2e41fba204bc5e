//! Strategies for any message that the types allow.

use std::sync::Arc;

use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::strategy::Union;
use pytest_lens_protocol::{
    Activated, Artifact, Bytes, Case, CaseStatus, DebugFile, FileSkip, LaunchErrorCode, LogsIteratorOption,
    PluginSummary, RunEvent, RunEventPayload, SchedulingOptions, SuiteEvent, SuiteEventPayload, SuiteOptions,
    SuiteSpec, SuiteStatus,
};
use pytest_lens_protocol::{
    CollectError, ErrorCode, Event, EventPayload, Evidence, FileWarnings, FlakinessInfo, Hint, ImpactReason,
    NestedContext, NestedStatus, Output, OutputStream, PastOutcome, Range, ReachedFile, Request, Response, RunCounts,
    RunEnd, RunEndStatus, RunOptions, RunStart, SessionExit, TestImpact, TestNodeInfo, TestOutcome, TestOutcomes,
    TestResultInfo, Warning,
};
use serde_json::Value;

use crate::samples;

/// `Type::Variant { field: strategy, ... }` as a strategy.
macro_rules! any_of {
    ($name:ident :: $variant:ident { $($field:ident : $strategy:expr),* $(,)? }) => {
        ($($strategy,)*).prop_map(|($($field,)*)| $name::$variant { $($field),* }).boxed()
    };
    ($name:ident { $($field:ident : $strategy:expr,)* .. $rest:expr }) => {
        ($($strategy,)*).prop_map(|($($field,)*)| $name { $($field,)* ..$rest })
    };
    ($name:ident { $($field:ident : $strategy:expr),* $(,)? }) => {
        ($($strategy,)*).prop_map(|($($field,)*)| $name { $($field),* })
    };
}

fn text() -> BoxedStrategy<String> {
    prop_oneof![4 => "[a-z_:/.]{0,12}", 1 => any::<String>(), 1 => "x{32,300}"].boxed()
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    vec(text(), 0..4)
}

fn flag() -> impl Strategy<Value = bool> {
    any::<bool>()
}

fn int() -> impl Strategy<Value = u32> {
    prop_oneof![0..200u32, any::<u32>()]
}

fn long() -> impl Strategy<Value = u64> {
    prop_oneof![0..200u64, any::<u64>()]
}

fn count() -> impl Strategy<Value = usize> {
    any::<u32>().prop_map(|number| number as usize)
}

/// Finite: JSON knows no other numbers.
fn real() -> impl Strategy<Value = f64> {
    prop_oneof![Just(0.0), 0.0..1e6f64, proptest::num::f64::NORMAL]
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        flag().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        long().prop_map(Value::from),
        real().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(text(), inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn activated() -> impl Strategy<Value = Activated> {
    any_of!(Activated { virtual_env: of(text()), conda_prefix: of(text()), path: of(text()), program: of(text()) })
}

fn options() -> impl Strategy<Value = RunOptions> {
    // proptest has strategies for tuples of at most twelve.
    let first_ones = any_of!(RunOptions {
        keyword: of(text()),
        marker: of(text()),
        arguments: texts(),
        run_disabled: flag(),
        timeout_ms: of(long()),
        reruns: of(int()),
        source: of(text()),
        auto_workers: flag(),
        coverage: flag(),
        until_failure: of(int()),
        first: texts(),
        in_order_of: texts(),
        ..RunOptions::default()
    });
    let flags = (flag(), flag(), flag(), flag());
    (first_ones, flags).prop_map(|(options, (whole_files, ends_with_session, full_reports, phase_durations))| {
        RunOptions { whole_files, ends_with_session, full_reports, phase_durations, ..options }
    })
}

/// Any request. `extra` says whether it may be one that pytest-lens adds to the base protocol, or carry an addition.
pub fn request(extra: bool) -> impl Strategy<Value = Request> {
    let options = if extra { of(options()).boxed() } else { Just(None).boxed() };
    let activated = if extra { of(activated()).boxed() } else { Just(None).boxed() };
    let mut variants = vec![
        any_of!(Request::InitContext {
            protocol_version: int(),
            repo_path: text(),
            python_path: of(text()),
            execution_mode: of(text()),
            activated: activated,
        }),
        any_of!(Request::Collect { context_id: text(), force: flag() }),
        any_of!(Request::Run {
            context_id: text(),
            node_ids: texts(),
            workers: of(int()),
            maxfail: of(int()),
            options: options.clone(),
        }),
        any_of!(Request::List { context_id: text(), keyword: of(text()), marker: of(text()) }),
        any_of!(Request::GetInventory { context_id: text() }),
        any_of!(Request::GetWorkerStatus { context_id: text() }),
        any_of!(Request::ConfigureWorkers { context_id: text(), num_workers: int() }),
        any_of!(Request::Shutdown { context_id: of(text()) }),
        Just(Request::Ping).boxed(),
        any_of!(Request::RunStream {
            context_id: text(),
            node_ids: texts(),
            workers: of(int()),
            maxfail: of(int()),
            options: options.clone(),
        }),
        any_of!(Request::GetRunProgress { context_id: text(), run_id: text() }),
        any_of!(Request::GetFlakinessReport { context_id: text() }),
        any_of!(Request::GetTestFlakiness { context_id: text(), node_id: text() }),
        any_of!(Request::ConfigureRerun {
            context_id: text(),
            enabled: flag(),
            max_reruns: int(),
            only_flaky: flag(),
            delay_ms: int(),
        }),
        any_of!(Request::GetRerunConfig { context_id: text() }),
        any_of!(Request::RunWithRerun {
            context_id: text(),
            node_ids: texts(),
            workers: of(int()),
            maxfail: of(int()),
            options: options.clone(),
        }),
        any_of!(Request::ConfigureFixtureReuse {
            context_id: text(),
            enabled: flag(),
            max_age_seconds: real(),
            teardown_on_conftest_change: flag(),
        }),
        any_of!(Request::GetFixtureConfig { context_id: text() }),
        any_of!(Request::GetSessionStatus { context_id: text() }),
        any_of!(Request::GetShard {
            context_id: text(),
            node_ids: texts(),
            shard_index: int(),
            total_shards: int(),
            strategy: text(),
        }),
        any_of!(Request::GetShardInfo { context_id: text(), node_ids: texts(), total_shards: int(), strategy: text() }),
    ];
    if extra {
        variants.extend([
            any_of!(Request::ConfigureContext { context_id: text(), settings: json() }),
            any_of!(Request::GetEvents { context_id: text(), cursor: long(), wait_ms: long() }),
            any_of!(Request::GetOutput { context_id: text(), node_id: text() }),
            any_of!(Request::StopRun { run_id: text() }),
            any_of!(Request::KillRun { run_id: text() }),
            any_of!(Request::EnumerateCases { context_id: text(), test_url: text() }),
            any_of!(Request::NextCases { iterator_id: text() }),
            any_of!(Request::BuildRun {
                context_id: text(),
                suites: vec(suite(), 0..3),
                scheduling_options: of(any_of!(SchedulingOptions { max_parallel_suites: of(any::<u16>()) })),
            }),
            any_of!(Request::GetRunEvents { run_id: text() }),
            any_of!(Request::GetSuiteEvents { suite_id: text() }),
            any_of!(Request::StopSuite { suite_id: text() }),
            any_of!(Request::KillSuite { suite_id: text() }),
            any_of!(Request::ReadArtifact { artifact_id: text() }),
            any_of!(Request::NextDebugData { iterator_id: text() }),
            any_of!(Request::ReleaseDirectory { token: text() }),
            any_of!(Request::DebugRun { context_id: text(), node_ids: texts(), options: options }),
            any_of!(Request::GetContextStatus { context_id: text() }),
            any_of!(Request::GetLastFailed { context_id: text() }),
            any_of!(Request::GetLastOutcomes { context_id: text(), since_cleared: of(flag()) }),
            any_of!(Request::ClearLastOutcomes { context_id: text() }),
            any_of!(Request::GetAffected { context_id: text(), paths: texts() }),
            any_of!(Request::ExplainAffected { context_id: text(), paths: texts() }),
            any_of!(Request::GetChanges { context_id: text(), cursor: long(), wait_ms: long() }),
            any_of!(Request::GetHistory { repo_path: text() }),
            any_of!(Request::RecordRun {
                repo_path: text(),
                report_hash: text(),
                source: text(),
                started_ms: of(long()),
                outcomes: vec(past_outcome(), 0..3),
                code: of(text()),
            }),
            any_of!(Request::Trust { repo_path: text(), trusted: of(flag()) }),
        ]);
    }
    Union::new(variants)
}

/// Any response; `extra` as in [`request`].
pub fn response(extra: bool) -> impl Strategy<Value = Response> {
    let session_exit = (0..256, text()).prop_map(|(status, report)| SessionExit { status, report });
    let session_exit = if extra { of(session_exit).boxed() } else { Just(None).boxed() };
    let code = prop::sample::select(vec![
        ErrorCode::ContextNotFound,
        ErrorCode::CollectionFailed,
        ErrorCode::InvalidRequest,
        ErrorCode::InternalError,
        ErrorCode::Timeout,
        ErrorCode::PythonNotFound,
        ErrorCode::VersionMismatch,
    ]);
    let mut variants = vec![
        any_of!(Response::ContextReady { protocol_version: int(), context_id: text(), inventory_hash: text() }),
        any_of!(Response::CollectionComplete { node_count: count(), duration_ms: long() }),
        any_of!(Response::TestList { node_ids: texts() }),
        any_of!(Response::InventoryData { hash: text(), collected_at: long(), nodes: vec(node(), 0..3) }),
        any_of!(Response::RunComplete {
            total: count(),
            passed: count(),
            failed: count(),
            skipped: count(),
            errors: count(),
            duration_ms: long(),
        }),
        any_of!(Response::WorkerStatus {
            active_workers: int(),
            idle_workers: int(),
            tests_executed: long(),
            avg_test_duration_ms: long(),
        }),
        any_of!(Response::WorkerConfigAck { num_workers: int() }),
        Just(Response::ShutdownAck).boxed(),
        Just(Response::Pong).boxed(),
        any_of!(Response::RunStarted { run_id: text(), total_tests: count() }),
        any_of!(Response::RunProgress {
            run_id: text(),
            total: count(),
            completed: count(),
            running: count(),
            done: flag(),
            results: vec(result(), 0..3),
        }),
        any_of!(Response::Error { code: code, message: text(), session_exit: session_exit }),
        any_of!(Response::FlakinessReport {
            flaky_tests: vec(flakiness(), 0..3),
            unstable_tests: vec(flakiness(), 0..3),
            stable_count: count(),
            total_tracked: count(),
        }),
        any_of!(Response::TestFlakiness {
            node_id: text(),
            failure_rate: real(),
            is_flaky: flag(),
            flaky_streak: int(),
            consecutive_failures: int(),
            consecutive_passes: int(),
            total_runs: int(),
            recent_outcomes: texts(),
        }),
        any_of!(Response::RerunConfig { enabled: flag(), max_reruns: int(), only_flaky: flag(), delay_ms: int() }),
        any_of!(Response::FixtureConfig {
            enabled: flag(),
            max_fixture_age_seconds: real(),
            teardown_on_conftest_change: flag(),
            teardown_on_test_file_change: flag(),
            scopes_to_reuse: texts(),
        }),
        any_of!(Response::SessionStatus {
            session_id: text(),
            repo_path: text(),
            created_at: real(),
            last_run_at: real(),
            total_runs: int(),
            enabled: flag(),
        }),
        any_of!(Response::ShardedTests { shard_index: int(), total_shards: int(), node_ids: texts() }),
        any_of!(Response::ShardInfo {
            strategy: text(),
            total_shards: int(),
            total_tests: count(),
            shard_test_counts: vec(count(), 0..4),
            shard_durations_ms: vec(long(), 0..4),
            count_imbalance_percent: real(),
            duration_imbalance_percent: real(),
            estimated_wall_time_ms: long(),
        }),
        any_of!(Response::ConfigAck { config_type: text(), config: json() }),
    ];
    if extra {
        variants.extend([
            any_of!(Response::Events { cursor: long(), events: vec(event(), 0..3) }),
            any_of!(Response::TestOutput {
                node_id: text(),
                outcome: of(text()),
                message: of(text()),
                longrepr: of(text()),
                stdout: text(),
                stderr: text(),
                log: text(),
            }),
            Just(Response::ControlAck).boxed(),
            any_of!(Response::CaseIterator { iterator_id: text() }),
            any_of!(Response::Cases { cases: vec(any_of!(Case { name: text() }), 0..3) }),
            any_of!(Response::RunBuilt { run_id: text(), suite_ids: texts() }),
            any_of!(Response::RunEvents { events: vec(run_event(), 0..4) }),
            any_of!(Response::SuiteEvents { events: vec(suite_event(), 0..4) }),
            any_of!(Response::LaunchError { code: launch_error(), message: text() }),
            any_of!(Response::ArtifactData { data: vec(any::<u8>(), 0..300).prop_map(Bytes), done: flag() }),
            any_of!(Response::DebugData { data: vec(any_of!(DebugFile { name: text(), artifact_id: text() }), 0..3) }),
            any_of!(Response::DebugStarted { run_id: text(), host: text(), port: any::<u16>() }),
            context_status(),
            any_of!(Response::History {
                file: text(),
                exists: flag(),
                outcomes: count(),
                tracked: count(),
                stable: count(),
                flaky: vec(hint(), 0..3),
                unstable: vec(hint(), 0..3),
                trouble: of(text()),
                set_aside: texts(),
            }),
            any_of!(Response::Affected {
                everything: texts(),
                files: vec(any_of!(ReachedFile { path: text(), through: texts() }), 0..3),
                tests: vec(
                    any_of!(TestImpact {
                        node_id: text(),
                        reason: of(any_of!(ImpactReason { kind: text(), name: text() })),
                        inputs: any::<usize>(),
                        passed_ms: any::<u64>(),
                    }),
                    0..3
                ),
            }),
            any_of!(Response::Changes { cursor: long(), paths: texts(), everything: flag() }),
            any_of!(Response::RunRecorded { already_recorded: flag() }),
            any_of!(Response::Trust { untrusted: of(text()) }),
        ]);
    }
    Union::new(variants)
}

fn suite() -> impl Strategy<Value = SuiteSpec> {
    let iterator = prop::sample::select(vec![LogsIteratorOption::Batch, LogsIteratorOption::Archive]);
    let options = any_of!(SuiteOptions {
        run_disabled_tests: of(flag()),
        parallel: of(any::<u16>()),
        arguments: of(texts()),
        timeout: of(real()),
        case_filters_to_run: of(texts()),
        log_iterator: of(iterator),
    });
    any_of!(SuiteSpec { test_url: text(), options: of(options) })
}

fn artifact() -> impl Strategy<Value = Artifact> {
    Union::new(vec![
        any_of!(Artifact::Stdout { artifact_id: text() }),
        any_of!(Artifact::Stderr { artifact_id: text() }),
        any_of!(Artifact::Log { artifact_id: text() }),
        any_of!(Artifact::Custom { directory: text(), token: text(), component_moniker: text() }),
        any_of!(Artifact::DebugData { iterator_id: text() }),
    ])
}

fn run_event() -> impl Strategy<Value = RunEvent> {
    let payload = prop_oneof![
        Just(RunEventPayload::RunStarted),
        Just(RunEventPayload::RunStopped),
        any_of!(RunEventPayload::Artifact { artifact: artifact() }),
    ];
    any_of!(RunEvent { timestamp: long(), payload: payload })
}

fn suite_event() -> impl Strategy<Value = SuiteEvent> {
    let case = prop::sample::select(vec![CaseStatus::Passed, CaseStatus::TimedOut, CaseStatus::Error]);
    let status = prop::sample::select(vec![SuiteStatus::Passed, SuiteStatus::DidNotFinish, SuiteStatus::InternalError]);
    let payload = prop_oneof![
        any_of!(SuiteEventPayload::CaseFound { test_case_name: text(), identifier: int() }),
        any_of!(SuiteEventPayload::CaseStarted { identifier: int() }),
        any_of!(SuiteEventPayload::CaseStopped { identifier: int(), status: case }),
        any_of!(SuiteEventPayload::CaseFinished { identifier: int() }),
        any_of!(SuiteEventPayload::CaseArtifact { identifier: int(), artifact: artifact() }),
        any_of!(SuiteEventPayload::SuiteArtifact { artifact: artifact() }),
        Just(SuiteEventPayload::SuiteStarted),
        any_of!(SuiteEventPayload::SuiteStopped { status: status }),
    ];
    any_of!(SuiteEvent { timestamp: long(), payload: payload })
}

fn launch_error() -> impl Strategy<Value = LaunchErrorCode> {
    prop::sample::select(vec![
        LaunchErrorCode::ResourceUnavailable,
        LaunchErrorCode::InstanceCannotResolve,
        LaunchErrorCode::InvalidArgs,
        LaunchErrorCode::FailedToConnectToTestSuite,
        LaunchErrorCode::CaseEnumeration,
        LaunchErrorCode::InternalError,
        LaunchErrorCode::NoMatchingCases,
        LaunchErrorCode::InvalidManifest,
    ])
}

fn node() -> impl Strategy<Value = TestNodeInfo> {
    any_of!(TestNodeInfo {
        node_id: text(),
        file_path: text(),
        lineno: of(int()),
        name: text(),
        class_name: of(text()),
        markers: texts(),
        skip: flag(),
        xfail: flag(),
    })
}

fn result() -> impl Strategy<Value = TestResultInfo> {
    any_of!(TestResultInfo { node_id: text(), outcome: text(), duration_ms: long(), message: of(text()) })
}

fn past_outcome() -> impl Strategy<Value = PastOutcome> {
    any_of!(PastOutcome { id: text(), outcome: text(), attempt: int(), duration_ms: real() })
}

fn hint() -> impl Strategy<Value = Hint> {
    any_of!(Hint {
        id: text(),
        is_flaky: flag(),
        failure_rate: real(),
        flips: int(),
        total_runs: int(),
        consecutive_failures: int(),
        consecutive_passes: int(),
        recent_outcomes: texts(),
        evidence: of(prop::sample::select(vec![Evidence::SameCode, Evidence::AcrossChanges])),
    })
}

fn flakiness() -> impl Strategy<Value = FlakinessInfo> {
    any_of!(FlakinessInfo {
        node_id: text(),
        failure_rate: real(),
        flaky_streak: int(),
        total_runs: int(),
        consecutive_failures: int(),
        consecutive_passes: int(),
    })
}

/// Any number, and a payload: those of the samples, or one whose texts and numbers are arbitrary.
fn event() -> impl Strategy<Value = Arc<Event>> {
    let stream = prop::sample::select(vec![OutputStream::Stdout, OutputStream::Stderr, OutputStream::Log]);
    let status = prop::sample::select(vec![RunEndStatus::Passed, RunEndStatus::Killed, RunEndStatus::InternalError]);
    let outcome = (text(), text(), real(), int(), flag(), of(text()), of(text()));
    let outcome = outcome.prop_map(|(id, outcome, duration_ms, attempt, will_rerun, message, stdout)| TestOutcome {
        id,
        outcome,
        duration_ms,
        attempt,
        will_rerun,
        message,
        stdout,
        ..Default::default()
    });
    let counts = (count(), count(), count()).prop_map(|(total, passed, not_run)| RunCounts {
        total,
        passed,
        not_run,
        ..Default::default()
    });
    let files = vec(any_of!(FileWarnings { path: text(), count: count() }), 0..2);
    let warning = any_of!(Warning {
        category: text(),
        message: text(),
        location: Just(None),
        count: count(),
        ids: texts(),
        files: files,
    });
    let summary = any_of!(PluginSummary { project: text(), text: text() });
    let skip = any_of!(FileSkip { path: text(), line: int(), reason: text() });
    let error = (text(), text(), of(text())).prop_map(|(uri, message, longrepr)| CollectError {
        uri,
        range: Range::of_line(1),
        message,
        longrepr,
    });
    let payload = prop_oneof![
        prop::sample::select(samples::payloads()),
        any_of!(RunStart {
            run_id: text(),
            total: count(),
            ids: of(texts()),
            deselected: count(),
            collect_reports: texts(),
            skipped_files: vec(skip, 0..2),
            errors: vec(error, 0..2),
            header: texts(),
            on_collected: texts(),
            dropped: count(),
            output_options: texts()
        })
        .prop_map(EventPayload::RunStarted),
        any_of!(TestOutcomes { run_id: text(), outcomes: vec(outcome, 0..3) }).prop_map(EventPayload::TestOutcome),
        any_of!(Output { run_id: text(), id: of(text()), stream: stream, text: text() }).prop_map(EventPayload::Output),
        any_of!(RunEnd {
            run_id: text(),
            status: status,
            counts: counts,
            duration_ms: real(),
            message: of(text()),
            debug_data: of(text()),
            warnings: vec(warning, 0..2),
            timings: Just(None),
            summaries: vec(summary, 0..2),
            exit_status: of(any::<i32>())
        })
        .prop_map(EventPayload::RunFinished),
    ];
    (long(), payload).prop_map(|(seq, payload)| Arc::new(Event { seq, payload }))
}

/// More fields than a tuple of strategies can have.
fn context_status() -> BoxedStrategy<Response> {
    let nested = of(any_of!(NestedStatus {
        projects: vec(any_of!(NestedContext { path: text(), context_id: text() }), 0..3),
        problems: texts(),
    }));
    let texts_of_status = (vec(text(), 8), texts(), of(text()), texts(), texts(), nested);
    texts_of_status
        .prop_map(|(mut words, plugins, config_file, hazards, active_runs, nested)| {
            let mut word = || words.pop().unwrap_or_default();
            Response::ContextStatus {
                context_id: word(),
                repo_path: word(),
                python_path: word(),
                python_source: word(),
                python_version: word(),
                pytest_version: word(),
                plugins,
                config_file,
                execution_mode: word(),
                mode_reason: word(),
                hazards,
                active_runs,
                nested,
            }
        })
        .boxed()
}
