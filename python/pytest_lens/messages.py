"""The types of the engine's responses and events.

Made by `cargo xtask codegen` from the Rust definitions in server/protocol: change those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict, Union

if TYPE_CHECKING:
    from typing_extensions import NotRequired  # every type checker knows it


CaseStatus = Literal["passed", "failed", "timed_out", "skipped", "error"]
"""How a case ended."""

ErrorCode = Literal[
    "context_not_found",
    "collection_failed",
    "invalid_request",
    "internal_error",
    "timeout",
    "python_not_found",
    "version_mismatch",
]
"""The category of an `Response::Error`."""

Evidence = Literal["same_code", "across_changes"]
"""The evidence of flakiness."""

Executor = Literal["local", "ray"]
"""`pytestLens.executor`."""

ItemKind = Literal["dir", "file", "class", "function", "case", "doctest"]
"""The kind of an item of the tree."""

LaunchErrorCode = Literal[
    "resource_unavailable",
    "instance_cannot_resolve",
    "invalid_args",
    "failed_to_connect_to_test_suite",
    "case_enumeration",
    "internal_error",
    "no_matching_cases",
    "invalid_manifest",
]
"""Why a suite could not be launched."""

Outcome = Literal[
    "passed",
    "failed",
    "skipped",
    "error",
    "xfailed",
    "xpassed",
    "timed_out",
    "crashed",
    "not_run",
]
"""How a test ended."""

OutputStream = Literal["stdout", "stderr", "log"]
"""A stream of a process."""

RunEndStatus = Literal["passed", "failed", "stopped", "killed", "timed_out", "internal_error"]
"""How a run ended."""

RunOnSave = Literal["off", "file", "affected"]
"""`pytestLens.runOnSave`."""

SuiteStatus = Literal[
    "passed",
    "failed",
    "did_not_finish",
    "timed_out",
    "stopped",
    "internal_error",
]
"""How a suite ended, from the weakest to the one that outranks all others."""

WorkerCount = Union[Literal["auto"], int]
"""How many runners a run has."""


class StdoutArtifact(TypedDict):
    """Standard output.

    * ``artifact_id``: For ``read_artifact``.
    """

    type: Literal["stdout"]
    artifact_id: str


class StderrArtifact(TypedDict):
    """Standard error.

    * ``artifact_id``: For ``read_artifact``.
    """

    type: Literal["stderr"]
    artifact_id: str


class LogArtifact(TypedDict):
    """Log records.

    * ``artifact_id``: For ``read_artifact``.
    """

    type: Literal["log"]
    artifact_id: str


class CustomArtifact(TypedDict):
    """A folder that a test filled.

    * ``directory``: Its absolute path.
    * ``token``: For ``release_directory``.
    * ``component_moniker``: The node id of the test.
    """

    type: Literal["custom"]
    directory: str
    token: str
    component_moniker: str


class DebugDataArtifact(TypedDict):
    """Files such as coverage data.

    * ``iterator_id``: For ``next_debug_data``.
    """

    type: Literal["debug_data"]
    iterator_id: str


class Case(TypedDict):
    """One case of a suite.

    * ``name``: Its node id.
    """

    name: str


class CodeLensSettings(TypedDict):
    """`pytestLens.codeLens`.

    * ``enable``: Whether lenses are shown.
    """

    enable: bool


class CollectError(TypedDict):
    """A file that could not be collected.

    * ``uri``: The file.
    * ``range``: The line that caused it.
    * ``message``: The message of Python or pytest.
    * ``longrepr``: pytest's report with source lines.
    """

    uri: str
    range: Range
    message: str
    longrepr: NotRequired[str]


class DebugFile(TypedDict):
    """A file of debug data.

    * ``name``: Its name, unique within its iterator.
    * ``artifact_id``: For ``read_artifact``.
    """

    name: str
    artifact_id: str


class FixtureReuseSettings(TypedDict):
    """`pytestLens.fixtureReuse`.

    * ``enabled``: Whether fixtures live on between runs.
    * ``maxAgeSeconds``: How old one may become, in seconds: finite, not negative.
    * ``teardownOnConftestChange``: Whether a changed conftest.py tears them down at once. Else that
      waits for the run that needs its new code.
    * ``teardownOnTestFileChange``: Whether a changed test file tears them down. Else only what it
      defines itself goes.
    * ``scopes``: Scopes that live on: ``session``, ``package``, ``module``, ``class``. What is
      wider than one of them lives on with it.
    """

    enabled: bool
    maxAgeSeconds: float
    teardownOnConftestChange: bool
    teardownOnTestFileChange: bool
    scopes: list[str]


class FlakinessHints(TypedDict):
    """Flakiness changed.

    * ``hints``: One hint per test.
    """

    hints: list[Hint]


class FlakinessInfo(TypedDict):
    """What the history says of one test.

    * ``node_id``: pytest's node id.
    * ``failure_rate``: Share of failures, 0.0 to 1.0.
    * ``flaky_streak``: Number of changes between pass and fail.
    * ``total_runs``: Runs in the window.
    * ``consecutive_failures``: Failures since the last pass.
    * ``consecutive_passes``: Passes since the last failure.
    """

    node_id: str
    failure_rate: float
    flaky_streak: int
    total_runs: int
    consecutive_failures: int
    consecutive_passes: int


class FlakySettings(TypedDict):
    """`pytestLens.flaky`.

    * ``window``: Runs of a test that count.
    """

    window: int


class Frame(TypedDict):
    """One frame of a traceback.

    * ``name``: Name of the function.
    * ``location``: The line that was executed.
    * ``text``: Text of the line, if known.
    """

    name: str
    location: Location
    text: NotRequired[str]


class Hint(TypedDict):
    """The flakiness of one test, from the history.

    * ``id``: Node id.
    * ``isFlaky``: Whether the test passed and failed on the same code.
    * ``failureRate``: Share of failures, 0.0 to 1.0.
    * ``flips``: Number of changes between pass and failure.
    * ``totalRuns``: Number of runs in the window.
    * ``consecutiveFailures``: Number of failures since the last pass.
    * ``consecutivePasses``: Number of passes since the last failure.
    * ``recentOutcomes``: The last outcomes, oldest first.
    * ``evidence``: The evidence; left out if the test is neither flaky nor suspected.
    """

    id: str
    isFlaky: bool
    failureRate: float
    flips: int
    totalRuns: int
    consecutiveFailures: int
    consecutivePasses: int
    recentOutcomes: list[Outcome]
    evidence: NotRequired[Evidence]


class InlayHintSettings(TypedDict):
    """`pytestLens.inlayHints`.

    * ``enable``: Whether durations are shown behind tests.
    """

    enable: bool


class InventoryDelta(TypedDict):
    """What changed in the inventory.

    * ``revision``: Revision of the inventory after this change.
    * ``upserts``: New and changed items, parents before children, siblings in source order.
    * ``removed``: Removed items; their children are removed too.
    * ``order``: The order of siblings within files, where new items are not last or siblings moved.
      Files and folders are sorted by name instead.
    * ``errors``: All current collection errors.
    * ``whole``: The upserts are the whole inventory: all other items are removed. Sent first to a
      reader whose position in the log is no longer kept.
    * ``wholeFiles``: Files whose upserts are all their tests: other tests in them are removed. Only
      the language server sends this, to clients that request tests file by file.
    """

    revision: int
    upserts: list[TestItem]
    removed: list[str]
    order: NotRequired[list[Siblings]]
    errors: list[CollectError]
    whole: NotRequired[bool]
    wholeFiles: NotRequired[list[str]]


class Location(TypedDict):
    """A span of a file, as in LSP.

    * ``uri``: ``file:`` URI.
    * ``range``: The span.
    """

    uri: str
    range: Range


class Output(TypedDict):
    """A process printed outside of pytest's capture.

    * ``runId``: The run.
    * ``id``: Node id of the test, if known.
    * ``stream``: The stream that it printed to.
    * ``text``: The printed text.
    """

    runId: str
    id: NotRequired[str]
    stream: OutputStream
    text: str


class Position(TypedDict):
    """A place in a text: 0-based line, 0-based offset in it, as in LSP.

    * ``line``: 0-based line.
    * ``character``: 0-based offset in the line; engine events give 0 or UTF-16 units.
    """

    line: int
    character: int


class Range(TypedDict):
    """A span of a text, its end exclusive, as in LSP.

    * ``start``: Where it begins.
    * ``end``: Where it ends.
    """

    start: Position
    end: Position


class RayConfig(TypedDict):
    """`pytestLens.ray`.

    * ``address``: The cluster's address.
    """

    address: str | None


class RerunSettings(TypedDict):
    """`pytestLens.rerun`.

    * ``enabled``: Whether failures are repeated.
    * ``maxReruns``: How often at most.
    * ``onlyFlaky``: Only tests known to be flaky.
    * ``delayMs``: Pause before each, in milliseconds.
    """

    enabled: bool
    maxReruns: int
    onlyFlaky: bool
    delayMs: int


class ContextReady(TypedDict):
    """A context is open.

    * ``protocol_version``: The engine's protocol version.
    * ``context_id``: Names the context in every further request.
    * ``inventory_hash``: Changes whenever the inventory does; empty before anything was collected.
    """

    type: Literal["context_ready"]
    protocol_version: int
    context_id: str
    inventory_hash: str


class CollectionComplete(TypedDict):
    """The inventory is up to date.

    * ``node_count``: Tests in it.
    * ``duration_ms``: How long it took, in milliseconds.
    """

    type: Literal["collection_complete"]
    node_count: int
    duration_ms: int


class TestList(TypedDict):
    """Tests that matched.

    * ``node_ids``: Their node ids, in pytest's order.
    """

    type: Literal["test_list"]
    node_ids: list[str]


class InventoryData(TypedDict):
    """The inventory.

    * ``hash``: As in ``context_ready``.
    * ``collected_at``: When it was last brought up to date, Unix time in milliseconds; 0 before
      that.
    * ``nodes``: Every test, in pytest's order.
    """

    type: Literal["inventory_data"]
    hash: str
    collected_at: int
    nodes: list[TestNodeInfo]


class RunComplete(TypedDict):
    """A run's end. The counts add up to `total`; tests that were not run are in none of them.

    * ``total``: Tests with an outcome.
    * ``passed``: Passed, or passed unexpectedly where that is no failure.
    * ``failed``: Failed or timed out.
    * ``skipped``: Skipped, or failed as expected.
    * ``errors``: Errors in set-up or teardown, and crashes.
    * ``duration_ms``: Wall time in milliseconds.
    """

    type: Literal["run_complete"]
    total: int
    passed: int
    failed: int
    skipped: int
    errors: int
    duration_ms: int


class WorkerStatus(TypedDict):
    """What the runners are doing.

    * ``active_workers``: Runners that run a test.
    * ``idle_workers``: Runners that wait for one.
    * ``tests_executed``: Tests that this context has run.
    * ``avg_test_duration_ms``: Their mean duration in milliseconds.
    """

    type: Literal["worker_status"]
    active_workers: int
    idle_workers: int
    tests_executed: int
    avg_test_duration_ms: int


class WorkerConfigAck(TypedDict):
    """The number of runners is set.

    * ``num_workers``: What it is now.
    """

    type: Literal["worker_config_ack"]
    num_workers: int


class ShutdownAck(TypedDict):
    """What was to end has ended."""

    type: Literal["shutdown_ack"]


class Pong(TypedDict):
    """A sign of life."""

    type: Literal["pong"]


class RunStarted(TypedDict):
    """A streaming run was accepted.

    * ``run_id``: Names the run in further requests.
    * ``total_tests``: Tests that it will give an outcome each.
    """

    type: Literal["run_started"]
    run_id: str
    total_tests: int


class RunProgress(TypedDict):
    """What has come of a streaming run.

    * ``run_id``: Which run.
    * ``total``: Tests selected.
    * ``completed``: Tests with an outcome.
    * ``running``: Tests running now.
    * ``done``: Whether it is over, and everything was told.
    * ``results``: Outcomes since this session last asked, 10,000 at most.
    """

    type: Literal["run_progress"]
    run_id: str
    total: int
    completed: int
    running: int
    done: bool
    results: list[TestResultInfo]


class Error(TypedDict):
    """The request was not carried out.

    * ``code``: Category.
    * ``message``: One sentence that names what is at fault, and the way out.
    """

    type: Literal["error"]
    code: ErrorCode
    message: str


class FlakinessReport(TypedDict):
    """Flakiness of every test with a history.

    * ``flaky_tests``: Passed and failed on the same code.
    * ``unstable_tests``: Passed and failed, but across changes of code.
    * ``stable_count``: Tests that did neither.
    * ``total_tracked``: Tests with a history.
    """

    type: Literal["flakiness_report"]
    flaky_tests: list[FlakinessInfo]
    unstable_tests: list[FlakinessInfo]
    stable_count: int
    total_tracked: int


class TestFlakiness(TypedDict):
    """Flakiness of one test.

    * ``node_id``: pytest's node id.
    * ``failure_rate``: Share of failures, 0.0 to 1.0.
    * ``is_flaky``: Whether it passed and failed on the same code.
    * ``flaky_streak``: Number of changes between pass and fail.
    * ``consecutive_failures``: Failures since the last pass.
    * ``consecutive_passes``: Passes since the last failure.
    * ``total_runs``: Runs in the window.
    * ``recent_outcomes``: The last outcomes, oldest first.
    """

    type: Literal["test_flakiness"]
    node_id: str
    failure_rate: float
    is_flaky: bool
    flaky_streak: int
    consecutive_failures: int
    consecutive_passes: int
    total_runs: int
    recent_outcomes: list[str]


class RerunConfig(TypedDict):
    """How failures are repeated.

    * ``enabled``: Whether they are.
    * ``max_reruns``: How often at most.
    * ``only_flaky``: Only tests known to be flaky.
    * ``delay_ms``: Pause before each, in milliseconds.
    """

    type: Literal["rerun_config"]
    enabled: bool
    max_reruns: int
    only_flaky: bool
    delay_ms: int


class FixtureConfig(TypedDict):
    """How fixtures are reused.

    * ``enabled``: Whether they are.
    * ``max_fixture_age_seconds``: How old one may become, in seconds.
    * ``teardown_on_conftest_change``: Whether a changed conftest.py tears them down.
    * ``teardown_on_test_file_change``: Whether a changed test file tears them down.
    * ``scopes_to_reuse``: Scopes that live on.
    """

    type: Literal["fixture_config"]
    enabled: bool
    max_fixture_age_seconds: float
    teardown_on_conftest_change: bool
    teardown_on_test_file_change: bool
    scopes_to_reuse: list[str]


class SessionStatus(TypedDict):
    """The session that holds the reused fixtures.

    * ``session_id``: Names it; empty before there is one.
    * ``repo_path``: The repo's root.
    * ``created_at``: When it began, Unix time in seconds.
    * ``last_run_at``: When it last ran, Unix time in seconds.
    * ``total_runs``: Runs that it served.
    * ``enabled``: Whether fixtures are reused.
    """

    type: Literal["session_status"]
    session_id: str
    repo_path: str
    created_at: float
    last_run_at: float
    total_runs: int
    enabled: bool


class ShardedTests(TypedDict):
    """The tests of one shard.

    * ``shard_index``: Which shard, counted from 0.
    * ``total_shards``: How many there are.
    * ``node_ids``: Its tests.
    """

    type: Literal["sharded_tests"]
    shard_index: int
    total_shards: int
    node_ids: list[str]


class ShardInfo(TypedDict):
    """Figures of a distribution.

    * ``strategy``: The strategy it was made by.
    * ``total_shards``: How many shards there are.
    * ``total_tests``: Tests distributed.
    * ``shard_test_counts``: Tests of each shard.
    * ``shard_durations_ms``: Expected duration of each shard, in milliseconds.
    * ``count_imbalance_percent``: How far the largest count lies above the mean, in percent.
    * ``duration_imbalance_percent``: How far the longest duration lies above the mean, in percent.
    * ``estimated_wall_time_ms``: The longest shard's duration, in milliseconds.
    """

    type: Literal["shard_info"]
    strategy: str
    total_shards: int
    total_tests: int
    shard_test_counts: list[int]
    shard_durations_ms: list[int]
    count_imbalance_percent: float
    duration_imbalance_percent: float
    estimated_wall_time_ms: int


class ConfigAck(TypedDict):
    """A configuration is in force.

    * ``config_type``: What was configured: ``rerun``, ``fixture_reuse``, ``settings``.
    * ``config``: What now holds; ``problems``, a list of sentences, says what is missing all the
      same.
    """

    type: Literal["config_ack"]
    config_type: str
    config: Any


class Events(TypedDict):
    """Events of the context's log (an addition of pytest-lens).

    * ``cursor``: To be sent with the next ``get_events``.
    * ``events``: In order; each a map in either shape. A ``seq`` above the asked cursor says that
      older ones were dropped.
    """

    type: Literal["events"]
    cursor: int
    events: list[Event]


class TestOutput(TypedDict):
    """What a test printed in its last run (an addition of pytest-lens).

    * ``node_id``: pytest's node id.
    * ``outcome``: Its outcome there; ``None`` where it never ran.
    * ``message``: Why it failed or was skipped.
    * ``longrepr``: pytest's own text of the failure.
    * ``stdout``: Captured standard output.
    * ``stderr``: Captured standard error.
    * ``log``: Captured log.
    """

    type: Literal["test_output"]
    node_id: str
    outcome: str | None
    message: str | None
    longrepr: str | None
    stdout: str
    stderr: str
    log: str


class ControlAck(TypedDict):
    """The control took effect (an addition of pytest-lens)."""

    type: Literal["control_ack"]


class CaseIterator(TypedDict):
    """A suite's cases can be read (an addition of pytest-lens).

    * ``iterator_id``: For ``next_cases``.
    """

    type: Literal["case_iterator"]
    iterator_id: str


class Cases(TypedDict):
    """Cases of a suite (an addition of pytest-lens).

    * ``cases``: The next ones, in pytest's order; empty = no more.
    """

    type: Literal["cases"]
    cases: list[Case]


class RunBuilt(TypedDict):
    """A run of suites is going (an addition of pytest-lens).

    * ``run_id``: Names the run in further requests.
    * ``suite_ids``: Names its suites, in the order given.
    """

    type: Literal["run_built"]
    run_id: str
    suite_ids: list[str]


class RunEvents(TypedDict):
    """Events of a run (an addition of pytest-lens).

    * ``events``: In order; empty only when the run is over.
    """

    type: Literal["run_events"]
    events: list[RunEvent]


class SuiteEvents(TypedDict):
    """Events of a suite (an addition of pytest-lens).

    * ``events``: In order; empty only when the suite is over.
    """

    type: Literal["suite_events"]
    events: list[SuiteEvent]


class LaunchError(TypedDict):
    """A suite could not be launched (an addition of pytest-lens).

    * ``code``: Category.
    * ``message``: One sentence that names what is at fault, and the way out.
    """

    type: Literal["launch_error"]
    code: LaunchErrorCode
    message: str


class ArtifactData(TypedDict):
    """Bytes of an artifact (an addition of pytest-lens).

    * ``data``: The next ones.
    * ``done``: Whether these were the last.
    """

    type: Literal["artifact_data"]
    data: bytes
    done: bool


class DebugData(TypedDict):
    """Debug data (an addition of pytest-lens).

    * ``data``: The next files; empty = no more.
    """

    type: Literal["debug_data"]
    data: list[DebugFile]


class DebugStarted(TypedDict):
    """A run waits for a debugger (an addition of pytest-lens).

    * ``run_id``: Names the run in further requests.
    * ``host``: Where debugpy listens, for the Debug Adapter Protocol.
    * ``port``: On which port.
    """

    type: Literal["debug_started"]
    run_id: str
    host: str
    port: int


class ContextStatus(TypedDict):
    """How the context runs tests (an addition of pytest-lens).

    * ``context_id``: Which context.
    * ``repo_path``: Its root.
    * ``python_path``: The interpreter.
    * ``python_source``: How the interpreter was found.
    * ``python_version``: Its version, e.g. ``3.11.7``.
    * ``pytest_version``: pytest's version.
    * ``plugins``: Installed pytest plugins, ``name version``.
    * ``config_file``: pytest's configuration file, if there is one.
    * ``execution_mode``: ``embedded`` or ``subprocess``: what runs use now.
    * ``mode_reason``: Why.
    * ``hazards``: What keeps tests from being forked off a collected session, each a sentence.
    * ``active_runs``: Ids of the runs going on.
    """

    type: Literal["context_status"]
    context_id: str
    repo_path: str
    python_path: str
    python_source: str
    python_version: str
    pytest_version: str
    plugins: list[str]
    config_file: str | None
    execution_mode: str
    mode_reason: str
    hazards: list[str]
    active_runs: list[str]


class RunCounts(TypedDict):
    """Tests by final outcome. `passed`, `failed`, `skipped` and `errors` add up to `total`.

    * ``total``: Tests with an outcome.
    * ``passed``: Passed, or passed unexpectedly without a strict xfail.
    * ``failed``: Failed or timed out.
    * ``skipped``: Skipped, or failed as expected.
    * ``errors``: Errors in set-up or teardown, and crashes.
    * ``notRun``: Selected but not run; not included in the other counts.
    """

    total: int
    passed: int
    failed: int
    skipped: int
    errors: int
    notRun: int


class RunEnd(TypedDict):
    """A run ended.

    * ``runId``: The run.
    * ``status``: How it ended.
    * ``counts``: Numbers of tests by final outcome.
    * ``durationMs``: Wall time since the run was accepted, in milliseconds.
    * ``message``: The reason, if the status alone does not explain it.
    * ``debugData``: The iterator of the debug data (``next_debug_data``), if the run measured
      coverage.
    * ``warnings``: Warnings of the collection and of the run, as in pytest's summary.
    """

    runId: str
    status: RunEndStatus
    counts: RunCounts
    durationMs: float
    message: NotRequired[str]
    debugData: NotRequired[str]
    warnings: NotRequired[list[Warning]]


class RunEvent(TypedDict):
    """Something that happened in a run as a whole.

    * ``timestamp``: When, in nanoseconds of the machine's monotonic clock.
    * ``payload``: What.
    """

    timestamp: int
    payload: RunEventPayload


class RunStartedRunEventPayload(TypedDict):
    """It started: always first."""

    type: Literal["run_started"]


class RunStoppedRunEventPayload(TypedDict):
    """It is over; artifacts may follow."""

    type: Literal["run_stopped"]


class ArtifactRunEventPayload(TypedDict):
    """It produced an artifact.

    * ``artifact``: Which.
    """

    type: Literal["artifact"]
    artifact: Artifact


class RunStart(TypedDict):
    """The engine accepted a run.

    * ``runId``: The run.
    * ``total``: Number of selected tests.
    * ``ids``: The selected tests; left out for the whole inventory.
    * ``deselected``: Number of requested tests that expressions or pytest's configuration
      deselected.
    """

    runId: str
    total: int
    ids: NotRequired[list[str]]
    deselected: NotRequired[int]


class Settings(TypedDict):
    """Every setting, with its default. Dotted keys of editors are nested objects here.

    * ``pythonPath``: The interpreter; ``None`` searches for one.
    * ``executionMode``: ``embedded``, ``subprocess`` or ``auto``.
    * ``workers``: Runners at a time, or ``auto``; ``None`` is 1, but ``auto`` where the project
      itself asks pytest-xdist for several.
    * ``arguments``: Further arguments for pytest.
    * ``env``: Environment variables for the tests; they win over ``env_file``.
    * ``envFile``: A file of ``NAME=value`` lines, relative to the root.
    * ``codeLens``: Code lenses.
    * ``inlayHints``: Inlay hints.
    * ``runOnSave``: What saving a file runs.
    * ``timeoutMs``: Limit for each test, in milliseconds.
    * ``collectTimeoutMs``: Limit for a collection, in milliseconds.
    * ``debugTimeoutMs``: How long a run that is to be debugged waits for its debugger, in
      milliseconds.
    * ``rerun``: Repeating failures.
    * ``fixtureReuse``: Keeping fixtures between runs.
    * ``flaky``: Flakiness.
    * ``executor``: Where runners live.
    * ``ray``: Ray.
    """

    pythonPath: str | None
    executionMode: str
    workers: WorkerCount | None
    arguments: list[str]
    env: dict[str, str]
    envFile: str | None
    codeLens: CodeLensSettings
    inlayHints: InlayHintSettings
    runOnSave: RunOnSave
    timeoutMs: int | None
    collectTimeoutMs: int
    debugTimeoutMs: int
    rerun: RerunSettings
    fixtureReuse: FixtureReuseSettings
    flaky: FlakySettings
    executor: Executor
    ray: RayConfig


class Siblings(TypedDict):
    """The children of an item, in order.

    * ``parent``: The item that contains them.
    * ``ids``: Their ids. Other children come after them.
    """

    parent: str
    ids: list[str]


class Subtest(TypedDict):
    """One subtest of a test.

    * ``label``: Message and parameters of the subtest.
    * ``outcome``: ``passed``, ``failed`` or ``skipped``.
    * ``message``: The reason why it failed.
    """

    label: str
    outcome: Outcome
    message: NotRequired[str]


class SuiteEvent(TypedDict):
    """Something that happened in a suite.

    * ``timestamp``: When, in nanoseconds of the machine's monotonic clock.
    * ``payload``: What.
    """

    timestamp: int
    payload: SuiteEventPayload


class CaseFoundSuiteEventPayload(TypedDict):
    """A case was found: the first event of each case.

    * ``test_case_name``: Its node id.
    * ``identifier``: Names it in the events that follow; unique in the suite's run.
    """

    type: Literal["case_found"]
    test_case_name: str
    identifier: int


class CaseStartedSuiteEventPayload(TypedDict):
    """A case is about to run.

    * ``identifier``: Which case.
    """

    type: Literal["case_started"]
    identifier: int


class CaseStoppedSuiteEventPayload(TypedDict):
    """A case is over; artifacts of it may follow.

    * ``identifier``: Which case.
    * ``status``: How it ended.
    """

    type: Literal["case_stopped"]
    identifier: int
    status: CaseStatus


class CaseFinishedSuiteEventPayload(TypedDict):
    """The last event of a case: all its artifacts were told.

    * ``identifier``: Which case.
    """

    type: Literal["case_finished"]
    identifier: int


class CaseArtifactSuiteEventPayload(TypedDict):
    """A case produced an artifact.

    * ``identifier``: Which case.
    * ``artifact``: Which artifact.
    """

    type: Literal["case_artifact"]
    identifier: int
    artifact: Artifact


class SuiteArtifactSuiteEventPayload(TypedDict):
    """The suite produced an artifact.

    * ``artifact``: Which.
    """

    type: Literal["suite_artifact"]
    artifact: Artifact


class SuiteStartedSuiteEventPayload(TypedDict):
    """The suite started; its timeout counts from here."""

    type: Literal["suite_started"]


class SuiteStoppedSuiteEventPayload(TypedDict):
    """The whole suite is over.

    * ``status``: How it ended.
    """

    type: Literal["suite_stopped"]
    status: SuiteStatus


class TestItem(TypedDict):
    """An item of the test tree.

    * ``id``: Node id; the path for a folder.
    * ``parent``: The item that contains it; left out at the top.
    * ``kind``: The kind of the item.
    * ``label``: The name to display.
    * ``uri``: URI of the file or folder.
    * ``range``: The range in the file, if known.
    * ``markers``: Marker names.
    * ``skip``: Marked to be skipped.
    * ``xfail``: Marked as expected to fail.
    * ``caseCount``: Number of cases of a parametrized function.
    * ``provisional``: Read from the source and not yet confirmed by pytest.
    """

    id: str
    parent: NotRequired[str]
    kind: ItemKind
    label: str
    uri: str
    range: NotRequired[Range]
    markers: list[str]
    skip: bool
    xfail: bool
    caseCount: NotRequired[int]
    provisional: NotRequired[bool]


class TestNodeInfo(TypedDict):
    """One test of the inventory.

    * ``node_id``: pytest's node id, relative to the repo's root.
    * ``file_path``: The file of the node id, relative to the repo's root.
    * ``lineno``: 1-based line of the ``def`` keyword, of a doctest its first example; ``None``
      where the test is inherited from another file.
    * ``name``: Name of the function or method, with the brackets of its case.
    * ``class_name``: Name of the class, nested ones joined by ``::``; ``None`` for a function.
    * ``markers``: Names of its markers, its own first, each once.
    * ``skip``: Whether it is marked to be skipped.
    * ``xfail``: Whether it is marked as expected to fail.
    """

    node_id: str
    file_path: str
    lineno: int | None
    name: str
    class_name: str | None
    markers: list[str]
    skip: bool
    xfail: bool


class TestOutcome(TypedDict):
    """The outcome of one test, with its details.

    * ``id``: Node id.
    * ``outcome``: How it ended.
    * ``durationMs``: Duration of set-up, call and teardown, in milliseconds.
    * ``attempt``: Number of the attempt, from 1.
    * ``willRerun``: Another attempt follows: this outcome is not final.
    * ``phase``: The phase that failed: ``setup``, ``call`` or ``teardown``.
    * ``message``: The reason why it failed, was skipped or was not run.
    * ``location``: The failing line, in the test's own file where the failure passed through it.
    * ``expected``: The expected value of a failed comparison (its right side).
    * ``actual``: The actual value of a failed comparison (its left side).
    * ``frames``: The traceback, outermost first.
    * ``longrepr``: pytest's text of the failure.
    * ``stdout``: Captured standard output.
    * ``stderr``: Captured standard error.
    * ``log``: Captured log.
    * ``subtests``: Subtests, in order.
    * ``asOf``: Set if the outcome comes from the history: the time of that run, Unix time in
      milliseconds.
    """

    id: str
    outcome: Outcome
    durationMs: float
    attempt: int
    willRerun: NotRequired[bool]
    phase: NotRequired[str]
    message: NotRequired[str]
    location: NotRequired[Location]
    expected: NotRequired[str]
    actual: NotRequired[str]
    frames: NotRequired[list[Frame]]
    longrepr: NotRequired[str]
    stdout: NotRequired[str]
    stderr: NotRequired[str]
    log: NotRequired[str]
    subtests: NotRequired[list[Subtest]]
    asOf: NotRequired[int]


class TestOutcomes(TypedDict):
    """Tests have an outcome.

    * ``runId``: The run.
    * ``outcomes``: One outcome per test.
    """

    runId: str
    outcomes: list[TestOutcome]


class TestResultInfo(TypedDict):
    """One test's final outcome.

    * ``node_id``: pytest's node id.
    * ``outcome``: How it ended.
    * ``duration_ms``: Set-up, call and teardown together, in milliseconds.
    * ``message``: Why it failed, was skipped or was not run.
    """

    node_id: str
    outcome: Outcome
    duration_ms: int
    message: str | None


class TestsStarted(TypedDict):
    """Tests start.

    * ``runId``: The run.
    * ``ids``: Their node ids.
    """

    runId: str
    ids: list[str]


class Warning(TypedDict):
    """A warning of a run.

    * ``category``: The class of the warning, such as ``DeprecationWarning``.
    * ``message``: The text of the warning.
    * ``location``: The line that the warning refers to.
    * ``count``: Number of occurrences.
    * ``ids``: The first few tests that issued it; empty if the collection issued it.
    """

    category: str
    message: str
    location: NotRequired[Location]
    count: int
    ids: NotRequired[list[str]]


class InventoryEvent(InventoryDelta):
    """The inventory changed.

    * ``seq``: Sequence number, from 1 without gaps.
    """

    event: Literal["inventory"]
    seq: int


class RunStartedEvent(RunStart):
    """The engine accepted a run.

    * ``seq``: Sequence number, from 1 without gaps.
    """

    event: Literal["runStarted"]
    seq: int


class TestStartedEvent(TestsStarted):
    """Tests start.

    * ``seq``: Sequence number, from 1 without gaps.
    """

    event: Literal["testStarted"]
    seq: int


class TestOutcomeEvent(TestOutcomes):
    """Tests have an outcome.

    * ``seq``: Sequence number, from 1 without gaps.
    """

    event: Literal["testOutcome"]
    seq: int


class OutputEvent(Output):
    """A process printed outside of pytest's capture.

    * ``seq``: Sequence number, from 1 without gaps.
    """

    event: Literal["output"]
    seq: int


class RunFinishedEvent(RunEnd):
    """A run ended.

    * ``seq``: Sequence number, from 1 without gaps.
    """

    event: Literal["runFinished"]
    seq: int


class FlakinessHintEvent(FlakinessHints):
    """Flakiness changed.

    * ``seq``: Sequence number, from 1 without gaps.
    """

    event: Literal["flakinessHint"]
    seq: int


Artifact = Union[StdoutArtifact, StderrArtifact, LogArtifact, CustomArtifact, DebugDataArtifact]
"""Something that a test, a suite or a run leaves behind."""

Event = Union[
    InventoryEvent,
    RunStartedEvent,
    TestStartedEvent,
    TestOutcomeEvent,
    OutputEvent,
    RunFinishedEvent,
    FlakinessHintEvent,
]
"""One entry of the log."""

Response = Union[
    ContextReady,
    CollectionComplete,
    TestList,
    InventoryData,
    RunComplete,
    WorkerStatus,
    WorkerConfigAck,
    ShutdownAck,
    Pong,
    RunStarted,
    RunProgress,
    Error,
    FlakinessReport,
    TestFlakiness,
    RerunConfig,
    FixtureConfig,
    SessionStatus,
    ShardedTests,
    ShardInfo,
    ConfigAck,
    Events,
    TestOutput,
    ControlAck,
    CaseIterator,
    Cases,
    RunBuilt,
    RunEvents,
    SuiteEvents,
    LaunchError,
    ArtifactData,
    DebugData,
    DebugStarted,
    ContextStatus,
]
"""The answer to a `Request`."""

RunEventPayload = Union[
    RunStartedRunEventPayload,
    RunStoppedRunEventPayload,
    ArtifactRunEventPayload,
]
"""What happened in a run as a whole."""

SuiteEventPayload = Union[
    CaseFoundSuiteEventPayload,
    CaseStartedSuiteEventPayload,
    CaseStoppedSuiteEventPayload,
    CaseFinishedSuiteEventPayload,
    CaseArtifactSuiteEventPayload,
    SuiteArtifactSuiteEventPayload,
    SuiteStartedSuiteEventPayload,
    SuiteStoppedSuiteEventPayload,
]
"""What happened in a suite."""
