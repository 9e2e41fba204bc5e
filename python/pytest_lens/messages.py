"""The types of the engine's responses and events.

Made by `cargo xtask codegen` from the Rust definitions in server/protocol: change those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict, Union

if TYPE_CHECKING:
    from typing_extensions import NotRequired  # every type checker knows it


CaseStatus = Literal["passed", "failed", "timed_out", "skipped", "error"]
"""The status of a case that is over."""

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

ImpactRecord = Literal["run", "idle", "off"]
"""`pytestLens.impact.record`."""

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
"""The reason why a suite could not start."""

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

Phase = Literal["setup", "call", "teardown"]
"""A phase of pytest's run of one test."""

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
"""The status of a suite that is over, from the weakest to the one that outranks all others."""

TimeKind = Literal[
    "import",
    "file",
    "collection",
    "setup",
    "teardown",
    "body",
    "pytest",
    "runner",
    "wait",
    "lost",
]
"""The kind of a thing that takes time in a process."""

WorkerCount = Union[Literal["auto"], int]
"""How many runners a run has."""


class StdoutArtifact(TypedDict):
    """Standard output.

    * ``artifact_id``: Argument for ``read_artifact``.
    """

    type: Literal["stdout"]
    artifact_id: str


class StderrArtifact(TypedDict):
    """Standard error.

    * ``artifact_id``: Argument for ``read_artifact``.
    """

    type: Literal["stderr"]
    artifact_id: str


class LogArtifact(TypedDict):
    """Log records.

    * ``artifact_id``: Argument for ``read_artifact``.
    """

    type: Literal["log"]
    artifact_id: str


class CustomArtifact(TypedDict):
    """A folder that a test filled with files.

    * ``directory``: Absolute path of the folder.
    * ``token``: Argument for ``release_directory``.
    * ``component_moniker``: Node id of the test.
    """

    type: Literal["custom"]
    directory: str
    token: str
    component_moniker: str


class DebugDataArtifact(TypedDict):
    """Files such as coverage data.

    * ``iterator_id``: Argument for ``next_debug_data``.
    """

    type: Literal["debug_data"]
    iterator_id: str


class Case(TypedDict):
    """One case of a suite.

    * ``name``: Node id of the case.
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

    * ``name``: Name of the file, unique within its iterator.
    * ``artifact_id``: Argument for ``read_artifact``.
    """

    name: str
    artifact_id: str


class FailedReport(TypedDict):
    """One of pytest's failed reports of a test.

    * ``title``: pytest's heading.
    * ``phase``: The phase that failed.
    * ``subtest``: The index of the subtest that it is about, if it is about one.
    * ``message``: The reason.
    * ``longrepr``: pytest's text.
    """

    title: str
    phase: Phase
    subtest: NotRequired[int]
    message: NotRequired[str]
    longrepr: str


class FileSkip(TypedDict):
    """A file that skips itself as a whole.

    * ``path``: Path, relative to the root.
    * ``line``: The line that skips it, from 1; 0 if it is not known.
    * ``reason``: The reason.
    """

    path: str
    line: int
    reason: str


class FileWarnings(TypedDict):
    """How often tests of a file issued a warning.

    * ``path``: Path, relative to the root.
    * ``count``: Number of occurrences.
    """

    path: str
    count: int


class FixtureReuseSettings(TypedDict):
    """`pytestLens.fixtureReuse`.

    * ``enabled``: Whether fixtures stay set up between runs.
    * ``maxAgeSeconds``: The longest time that they stay, in seconds: finite, not negative.
    * ``teardownOnConftestChange``: Whether a changed ``conftest.py`` tears them down at once;
      otherwise the next run that needs its code does.
    * ``teardownOnTestFileChange``: Whether a changed test file tears them down; otherwise only
      fixtures that it defines are torn down.
    * ``scopes``: Scopes whose fixtures stay: ``session``, ``package``, ``module``, ``class``. Wider
      scopes than a listed one stay with it.
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
    """The flakiness of one test, from the history.

    * ``node_id``: pytest's node id.
    * ``failure_rate``: Share of failures, 0.0 to 1.0.
    * ``flaky_streak``: Number of changes between pass and failure.
    * ``total_runs``: Number of runs in the window.
    * ``consecutive_failures``: Number of failures since the last pass.
    * ``consecutive_passes``: Number of passes since the last failure.
    """

    node_id: str
    failure_rate: float
    flaky_streak: int
    total_runs: int
    consecutive_failures: int
    consecutive_passes: int


class FlakySettings(TypedDict):
    """`pytestLens.flaky`.

    * ``window``: The number of a test's last runs that count.
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


class ImpactReason(TypedDict):
    """Why a test is affected.

    * ``kind``: The change, or the reason why it may reach the test: ``function``, ``file``,
      ``folder`` or ``variable`` (an input that changed), ``lines`` (a source whose text the test
      reads), ``imports`` (a module that its file imports, directly or not), ``environment`` (the
      interpreter, its packages or pytest's arguments), ``configuration`` (a file of pytest's
      configuration), ``stat`` (a file, if the test asks for the existence, size or time of files),
      ``exists`` (a file or folder for whose existence a library looked), ``library`` (a folder with
      a library's code or data, which changed), ``process``, ``network``, ``extension`` or
      ``tracing`` (nobody can know what the test depends on), ``not_passed`` (its last outcome is a
      failure), ``unknown``.
    * ``name``: The name of the input, such as ``pkg/core.py::parse`` (``*`` stands for the names of
      all variables), or the last outcome; may be empty.
    """

    kind: str
    name: str


class ImpactSettings(TypedDict):
    """`pytestLens.impact`.

    * ``record``: When to record what each test depends on.
    """

    record: ImpactRecord


class InlayHintSettings(TypedDict):
    """`pytestLens.inlayHints`.

    * ``enable``: Whether durations are shown after tests.
    """

    enable: bool


class InventoryDelta(TypedDict):
    """A change of the inventory.

    * ``revision``: Revision of the inventory after this change.
    * ``upserts``: New and changed items, parents before children, siblings in source order.
    * ``removed``: Removed items; their children are removed too.
    * ``order``: The order of siblings within files, if new items are not last or siblings moved.
      Folders and files are sorted by name and have no entry.
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
    """A range of a file, as in LSP.

    * ``uri``: ``file:`` URI.
    * ``range``: The range.
    """

    uri: str
    range: Range


class NestedContext(TypedDict):
    """A project of its own below a root.

    * ``path``: Its folder, relative to the root; the ids of its tests begin with it.
    * ``context_id``: Its own context, in which ids are relative to its folder.
    """

    path: str
    context_id: str


class NestedStatus(TypedDict):
    """The nested projects of a root.

    * ``projects``: The projects, by their folders.
    * ``problems``: Their faults, a sentence each.
    """

    projects: list[NestedContext]
    problems: list[str]


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


class OutputSection(TypedDict):
    """A part of a test's captured output, with the heading that pytest gives it.

    * ``name``: The heading, such as ``Captured stdout setup``. Its second word names the stream,
      unless there is a ``text``.
    * ``length``: Number of Unicode scalar values. The sections of a stream follow one another in
      its text.
    * ``subtest``: The index of the subtest that printed it, if it belongs to one.
    * ``text``: Its text, if it is no captured output: a hook added it to a report of a test that
      passed.
    """

    name: str
    length: int
    subtest: NotRequired[int]
    text: NotRequired[str]


class PhaseDurations(TypedDict):
    """The durations of a test's phases, in milliseconds; a phase that did not run has none.

    * ``setup``: Setting up its fixtures.
    * ``call``: The test function itself.
    * ``teardown``: Tearing down its fixtures.
    """

    setup: NotRequired[float]
    call: NotRequired[float]
    teardown: NotRequired[float]


class PluginSummary(TypedDict):
    """The sections of plugins and conftests in the summary of a session.

    * ``project``: The folder of the project, relative to the root; left out for the root's own.
    * ``text``: The text, in 80 columns.
    """

    project: NotRequired[str]
    text: str


class Position(TypedDict):
    """A position in a text, as in LSP.

    * ``line``: 0-based line.
    * ``character``: 0-based offset in the line; engine events give 0 or UTF-16 units.
    """

    line: int
    character: int


class Range(TypedDict):
    """A range of a text, its end exclusive, as in LSP.

    * ``start``: The first position of the range.
    * ``end``: The position after the range.
    """

    start: Position
    end: Position


class RayConfig(TypedDict):
    """`pytestLens.ray`.

    * ``address``: Address of the cluster's head, ``HOST:PORT``; without one, a cluster is started
      on this machine.
    * ``packages``: Packages that Ray installs on the nodes, as ``uv`` names them; without any, the
      nodes must have them.
    """

    address: str | None
    packages: list[str]


class ReachedFile(TypedDict):
    """A test file that a change of files may reach.

    * ``path``: Path, relative to the repo.
    * ``through``: The way to it: the file itself, the file that it imports or reads, and so on down
      to a changed file; ``*`` stands for any file, at the end of the way of a file that starts
      processes.
    """

    path: str
    through: list[str]


class ReportStatus(TypedDict):
    """How pytest shows one report of a test: the result of its hook `pytest_report_teststatus`.

    * ``phase``: The phase that the report is about.
    * ``subtest``: The index of the subtest that it is about, if it is about one.
    * ``category``: The word by which pytest counts and lists the report; it counts none without a
      word.
    * ``letter``: The text for the line of dots.
    * ``word``: The word for ``-v`` and the short summary.
    * ``markup``: pytest's names of the colors and looks of the letter and the word.
    * ``reason``: The reason that follows the word.
    """

    phase: Phase
    subtest: NotRequired[int]
    category: str
    letter: str
    word: str
    markup: list[str]
    reason: NotRequired[str]


class RerunSettings(TypedDict):
    """`pytestLens.rerun`.

    * ``enabled``: Whether failures are repeated.
    * ``maxReruns``: The most repeats of a test.
    * ``onlyFlaky``: Repeat only tests known to be flaky.
    * ``delayMs``: Pause before each repeat, in milliseconds.
    """

    enabled: bool
    maxReruns: int
    onlyFlaky: bool
    delayMs: int


class ContextReady(TypedDict):
    """A context is open.

    * ``protocol_version``: The engine's protocol version.
    * ``context_id``: Id of the context, for every further request.
    * ``inventory_hash``: Changes whenever the inventory does; empty before the first collection.
    """

    type: Literal["context_ready"]
    protocol_version: int
    context_id: str
    inventory_hash: str


class CollectionComplete(TypedDict):
    """The inventory is up to date.

    * ``node_count``: Number of tests in it.
    * ``duration_ms``: Duration of the collection, in milliseconds.
    """

    type: Literal["collection_complete"]
    node_count: int
    duration_ms: int


class TestList(TypedDict):
    """The tests that matched.

    * ``node_ids``: Their node ids, in pytest's order.
    """

    type: Literal["test_list"]
    node_ids: list[str]


class InventoryData(TypedDict):
    """The inventory.

    * ``hash``: As in ``context_ready``.
    * ``collected_at``: Time of its last update, Unix time in milliseconds; 0 before the first
      collection.
    * ``nodes``: Every test, in pytest's order.
    """

    type: Literal["inventory_data"]
    hash: str
    collected_at: int
    nodes: list[TestNodeInfo]


class RunComplete(TypedDict):
    """The end of a run. The counts add up to `total`; none of them counts a test that was not run.

    * ``total``: Number of tests with an outcome.
    * ``passed``: Passed, or passed unexpectedly without a strict xfail.
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
    """The figures of the runners.

    * ``active_workers``: Number of runners that run a test.
    * ``idle_workers``: Number of runners that wait for one.
    * ``tests_executed``: Number of tests that this context has run.
    * ``avg_test_duration_ms``: Mean duration of these tests, in milliseconds.
    """

    type: Literal["worker_status"]
    active_workers: int
    idle_workers: int
    tests_executed: int
    avg_test_duration_ms: int


class WorkerConfigAck(TypedDict):
    """The number of runners is set.

    * ``num_workers``: The number now in force.
    """

    type: Literal["worker_config_ack"]
    num_workers: int


class ShutdownAck(TypedDict):
    """The context, or the engine, has ended."""

    type: Literal["shutdown_ack"]


class Pong(TypedDict):
    """The engine is alive."""

    type: Literal["pong"]


class RunStarted(TypedDict):
    """The engine accepted a streaming run.

    * ``run_id``: Id of the run, for further requests.
    * ``total_tests``: Number of tests that will have an outcome.
    """

    type: Literal["run_started"]
    run_id: str
    total_tests: int


class RunProgress(TypedDict):
    """The progress of a streaming run.

    * ``run_id``: The run.
    * ``total``: Number of selected tests.
    * ``completed``: Number of tests with an outcome.
    * ``running``: Number of tests that run now.
    * ``done``: Whether the run is over and this answer holds its last outcomes.
    * ``results``: Outcomes since this session last asked, at most 10,000.
    """

    type: Literal["run_progress"]
    run_id: str
    total: int
    completed: int
    running: int
    done: bool
    results: list[TestResultInfo]


class Error(TypedDict):
    """The engine did not carry out the request.

    * ``code``: Category of the error.
    * ``message``: One sentence that names the culprit and the way out.
    * ``session_exit``: How pytest ended its session before any test; only in the answer to a
      ``run_stream`` with ``options``.
    """

    type: Literal["error"]
    code: ErrorCode
    message: str
    session_exit: NotRequired[SessionExit]


class FlakinessReport(TypedDict):
    """The flakiness of every test with a history.

    * ``flaky_tests``: Tests that passed and failed on the same code.
    * ``unstable_tests``: Tests that passed and failed, but across changes of code.
    * ``stable_count``: Number of tests that did neither.
    * ``total_tracked``: Number of tests with a history.
    """

    type: Literal["flakiness_report"]
    flaky_tests: list[FlakinessInfo]
    unstable_tests: list[FlakinessInfo]
    stable_count: int
    total_tracked: int


class TestFlakiness(TypedDict):
    """The flakiness of one test.

    * ``node_id``: pytest's node id.
    * ``failure_rate``: Share of failures, 0.0 to 1.0.
    * ``is_flaky``: Whether it passed and failed on the same code.
    * ``flaky_streak``: Number of changes between pass and failure.
    * ``consecutive_failures``: Number of failures since the last pass.
    * ``consecutive_passes``: Number of passes since the last failure.
    * ``total_runs``: Number of runs in the window.
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
    recent_outcomes: list[Outcome]


class RerunConfig(TypedDict):
    """The settings for repeating failures.

    * ``enabled``: Whether failures are repeated.
    * ``max_reruns``: The most repeats of a test.
    * ``only_flaky``: Repeat only tests known to be flaky.
    * ``delay_ms``: Pause before each repeat, in milliseconds.
    """

    type: Literal["rerun_config"]
    enabled: bool
    max_reruns: int
    only_flaky: bool
    delay_ms: int


class FixtureConfig(TypedDict):
    """The settings of fixture reuse.

    * ``enabled``: Whether fixtures stay set up between runs.
    * ``max_fixture_age_seconds``: The longest time that they stay, in seconds.
    * ``teardown_on_conftest_change``: Whether a change of a ``conftest.py`` tears them down.
    * ``teardown_on_test_file_change``: Whether a change of a test file tears them down.
    * ``scopes_to_reuse``: Scopes whose fixtures stay.
    """

    type: Literal["fixture_config"]
    enabled: bool
    max_fixture_age_seconds: float
    teardown_on_conftest_change: bool
    teardown_on_test_file_change: bool
    scopes_to_reuse: list[str]


class SessionStatus(TypedDict):
    """The session that holds the reused fixtures.

    * ``session_id``: Id of the session; empty before there is one.
    * ``repo_path``: Root of the repo.
    * ``created_at``: Time of its start, Unix time in seconds.
    * ``last_run_at``: Time of its last run, Unix time in seconds.
    * ``total_runs``: Number of runs that used it.
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

    * ``shard_index``: Index of the shard, from 0.
    * ``total_shards``: Number of shards.
    * ``node_ids``: Node ids of its tests.
    """

    type: Literal["sharded_tests"]
    shard_index: int
    total_shards: int
    node_ids: list[str]


class ShardInfo(TypedDict):
    """Figures of a distribution.

    * ``strategy``: The strategy of the distribution.
    * ``total_shards``: Number of shards.
    * ``total_tests``: Number of distributed tests.
    * ``shard_test_counts``: Number of tests in each shard.
    * ``shard_durations_ms``: Expected duration of each shard, in milliseconds.
    * ``count_imbalance_percent``: Percentage by which the largest count exceeds the mean.
    * ``duration_imbalance_percent``: Percentage by which the longest duration exceeds the mean.
    * ``estimated_wall_time_ms``: Duration of the longest shard, in milliseconds.
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

    * ``config_type``: The kind of configuration: ``rerun``, ``fixture_reuse`` or ``settings``.
    * ``config``: The configuration in force; ``problems``, a list of sentences, names the parts of
      it that can't be followed.
    """

    type: Literal["config_ack"]
    config_type: str
    config: Any


class Events(TypedDict):
    """Events of the context's log (an addition of pytest-lens).

    * ``cursor``: Argument for the next ``get_events``.
    * ``events``: The events in order, each a map in either shape. If the first ``seq`` is above the
      requested cursor, older events were dropped.
    """

    type: Literal["events"]
    cursor: int
    events: list[Event]


class TestOutput(TypedDict):
    """The output of a test in its last run (an addition of pytest-lens).

    * ``node_id``: pytest's node id.
    * ``outcome``: Its outcome in that run; ``None`` if it never ran.
    * ``message``: The reason why it failed or was skipped.
    * ``longrepr``: pytest's text of the failure.
    * ``stdout``: Captured standard output.
    * ``stderr``: Captured standard error.
    * ``log``: Captured log.
    """

    type: Literal["test_output"]
    node_id: str
    outcome: Outcome | None
    message: str | None
    longrepr: str | None
    stdout: str
    stderr: str
    log: str


class ControlAck(TypedDict):
    """The control took effect (an addition of pytest-lens)."""

    type: Literal["control_ack"]


class CaseIterator(TypedDict):
    """Iterator over the cases of a suite (an addition of pytest-lens).

    * ``iterator_id``: Argument for ``next_cases``.
    """

    type: Literal["case_iterator"]
    iterator_id: str


class Cases(TypedDict):
    """Cases of a suite (an addition of pytest-lens).

    * ``cases``: The next cases, in pytest's order; empty = no more.
    """

    type: Literal["cases"]
    cases: list[Case]


class RunBuilt(TypedDict):
    """A run of suites has started (an addition of pytest-lens).

    * ``run_id``: Id of the run, for further requests.
    * ``suite_ids``: Ids of its suites, in the order of the request.
    """

    type: Literal["run_built"]
    run_id: str
    suite_ids: list[str]


class RunEvents(TypedDict):
    """Events of a run (an addition of pytest-lens).

    * ``events``: The events in order; empty only when the run is over.
    """

    type: Literal["run_events"]
    events: list[RunEvent]


class SuiteEvents(TypedDict):
    """Events of a suite (an addition of pytest-lens).

    * ``events``: The events in order; empty only when the suite is over.
    """

    type: Literal["suite_events"]
    events: list[SuiteEvent]


class LaunchError(TypedDict):
    """A suite could not start (an addition of pytest-lens).

    * ``code``: Category of the error.
    * ``message``: One sentence that names the culprit and the way out.
    """

    type: Literal["launch_error"]
    code: LaunchErrorCode
    message: str


class ArtifactData(TypedDict):
    """Bytes of an artifact (an addition of pytest-lens).

    * ``data``: The next bytes.
    * ``done``: Whether these are the last bytes.
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

    * ``run_id``: Id of the run, for further requests.
    * ``host``: Host on which debugpy listens, for the Debug Adapter Protocol.
    * ``port``: Port on which debugpy listens.
    """

    type: Literal["debug_started"]
    run_id: str
    host: str
    port: int


class ContextStatus(TypedDict):
    """How the context runs tests (an addition of pytest-lens).

    * ``context_id``: The context.
    * ``repo_path``: Root of the repo.
    * ``python_path``: Path of the interpreter.
    * ``python_source``: How the interpreter was found.
    * ``python_version``: Version of the interpreter, e.g. ``3.11.7``.
    * ``pytest_version``: Version of pytest.
    * ``plugins``: Installed pytest plugins, ``name version``.
    * ``config_file``: pytest's configuration file, if there is one.
    * ``execution_mode``: The mode of the next run: ``embedded`` or ``subprocess``.
    * ``mode_reason``: The reason for the mode.
    * ``hazards``: The reasons why tests are not forked off a collected session, each a sentence.
    * ``active_runs``: Ids of the runs in progress.
    * ``nested``: The nested projects of the root, if it has any.
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
    nested: NotRequired[NestedStatus]


class History(TypedDict):
    """The summary of a repo's history (an addition of pytest-lens).

    * ``file``: Path of the file that holds the history.
    * ``exists``: Whether the file exists.
    * ``outcomes``: Number of recorded attempts.
    * ``tracked``: Number of tests with recorded outcomes.
    * ``stable``: Number of tests that are neither flaky nor unstable.
    * ``flaky``: Tests that passed and failed on the same code, the worst first.
    * ``unstable``: Tests that passed and failed across changes of code only, the worst first.
    * ``trouble``: Fault of the file, as a sentence; ``None`` if there is none.
    * ``set_aside``: Paths of damaged files that were set aside, the oldest first.
    """

    type: Literal["history"]
    file: str
    exists: bool
    outcomes: int
    tracked: int
    stable: int
    flaky: list[Hint]
    unstable: list[Hint]
    trouble: str | None
    set_aside: list[str]


class Affected(TypedDict):
    """The test files that a change of files may reach, and why (an addition of pytest-lens).

    * ``everything``: How the change reaches every test: a file on which all of them depend, the
      file that it imports, and so on down to a changed file; empty if it does not.
    * ``files``: The reached test files, in order.
    * ``tests``: Tests of which more is known, because what they depend on was recorded when they
      ran last. They take precedence over ``everything`` and ``files``.
    """

    type: Literal["affected"]
    everything: list[str]
    files: list[ReachedFile]
    tests: NotRequired[list[TestImpact]]


class Changes(TypedDict):
    """The files that changed on disk (an addition of pytest-lens).

    * ``cursor``: Cursor for the next request.
    * ``paths``: The changed, new and deleted files and deleted folders, relative to the repo, in
      order.
    * ``everything``: Changes were missed: any file may have changed.
    """

    type: Literal["changes"]
    cursor: int
    paths: list[str]
    everything: bool


class RunRecorded(TypedDict):
    """A run is recorded (an addition of pytest-lens).

    * ``already_recorded``: Whether the history held it before.
    """

    type: Literal["run_recorded"]
    already_recorded: bool


class Trust(TypedDict):
    """Whether the user trusts a repo (an addition of pytest-lens).

    * ``untrusted``: The repo's root, or the folder above it, that the user of an editor does not
      trust; ``None`` if no editor said so.
    """

    type: Literal["trust"]
    untrusted: str | None


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
    * ``timings``: Where the time went, if the request asked for it.
    * ``summaries``: The sections of plugins and conftests in pytest's summary, such as a table of
      coverage; in runs of commands.
    * ``exitStatus``: The exit status that a test or hook asked for
      (``pytest.exit(returncode=...)``, ``session.exitstatus = ...``), or that pytest has if files
      that can't be collected reach the limit of failures.
    """

    runId: str
    status: RunEndStatus
    counts: RunCounts
    durationMs: float
    message: NotRequired[str]
    debugData: NotRequired[str]
    warnings: NotRequired[list[Warning]]
    timings: NotRequired[RunTimings]
    summaries: NotRequired[list[PluginSummary]]
    exitStatus: NotRequired[int]


class RunEvent(TypedDict):
    """An event of a run as a whole.

    * ``timestamp``: Time of the event, in nanoseconds of the machine's monotonic clock.
    * ``payload``: Payload of the event.
    """

    timestamp: int
    payload: RunEventPayload


class RunStartedRunEventPayload(TypedDict):
    """The run started; always the first event."""

    type: Literal["run_started"]


class RunStoppedRunEventPayload(TypedDict):
    """The run is over; artifacts may follow."""

    type: Literal["run_stopped"]


class ArtifactRunEventPayload(TypedDict):
    """The run produced an artifact.

    * ``artifact``: The artifact.
    """

    type: Literal["artifact"]
    artifact: Artifact


class RunStart(TypedDict):
    """The engine accepted a run. It comes again as more is known of nested projects.

    * ``runId``: The run.
    * ``total``: Number of selected tests, as far as they are known.
    * ``ids``: The selected tests, when it comes again only the new ones; left out for the whole
      inventory.
    * ``deselected``: Number of requested tests that expressions or pytest's configuration
      deselected.
    * ``collectReports``: pytest's reports of files that skip themselves as a whole, as JSON; only
      in a run with ``full_reports``.
    * ``skippedFiles``: Files that skip themselves as a whole, such as by ``pytest.importorskip``.
    * ``errors``: Selected files that the run's own collection could not collect, when it comes
      again only the new ones. Those of the inventory may be newer.
    * ``header``: The lines with which pytest begins its output, such as ``rootdir: ...`` and those
      of plugins and conftests; empty for a run over several projects, and for one of an editor.
    * ``onCollected``: The lines of plugins and conftests on the collected tests, for the place
      after their number; empty as those of the heading, and if the run leaves some of those tests
      out.
    * ``dropped``: Number of tests that hooks took out of the collection without deselecting them:
      pytest counts them as collected.
    * ``outputOptions``: pytest's options for its output that code of the project has set, as words
      of the command line, such as ``--verbosity=1``; empty for an editor's run, and for one over
      several projects.
    """

    runId: str
    total: int
    ids: NotRequired[list[str]]
    deselected: NotRequired[int]
    collectReports: NotRequired[list[str]]
    skippedFiles: NotRequired[list[FileSkip]]
    errors: NotRequired[list[CollectError]]
    header: NotRequired[list[str]]
    onCollected: NotRequired[list[str]]
    dropped: NotRequired[int]
    outputOptions: NotRequired[list[str]]


class RunTimings(TypedDict):
    """Where the time of a run went, in milliseconds.

    * ``startMs``: Time in which the request waited for an interpreter to start.
    * ``collectMs``: Time in which tests were collected for the run.
    * ``collectedBeforeMs``: Duration of the collection, if tests had been collected before the
      request.
    * ``runMs``: Time from the run's start, after the collection, to its end.
    * ``runners``: Number of runners at a time.
    * ``runnersMs``: That time of all runners together: ``runMs`` times ``runners``, for each
      project.
    * ``projects``: Number of projects, whose times are added up; they may run at the same time.
    * ``collection``: The time of the collection, if it was measured. The sum of ``ownMs`` is the
      time of the process that collected.
    * ``run``: The time of the runners. Their idle time is what the sum of ``ownMs`` lacks of
      ``runnersMs``.
    """

    startMs: float
    collectMs: float
    collectedBeforeMs: NotRequired[float]
    runMs: float
    runners: int
    runnersMs: float
    projects: int
    collection: list[TimeSpent]
    run: list[TimeSpent]


class SessionExit(TypedDict):
    """How pytest ended a session before any test.

    * ``status``: pytest's exit status.
    * ``report``: pytest's report of the exception of a hook (its ``INTERNALERROR>`` lines), or
      nothing.
    """

    status: int
    report: str


class Settings(TypedDict):
    """Every setting, with its default. Dotted keys of editors are nested objects here.

    * ``pythonPath``: The interpreter; if it is not set, the engine searches for one.
    * ``executionMode``: ``embedded``, ``subprocess`` or ``auto``.
    * ``workers``: Number of runners, or ``auto``; if it is not set, 1, or ``auto`` if the project
      itself asks pytest-xdist for several.
    * ``arguments``: Further arguments for pytest.
    * ``env``: Environment variables for the tests; they take precedence over ``envFile``.
    * ``envFile``: A file of ``NAME=value`` lines, relative to the root.
    * ``projects``: Folders with projects of their own, as globs relative to the root; if it is not
      set, those with a configuration of pytest's, and with an empty list none.
    * ``codeLens``: Settings of code lenses.
    * ``inlayHints``: Settings of inlay hints.
    * ``runOnSave``: The tests that saving a file runs.
    * ``timeoutMs``: Limit for each test, in milliseconds.
    * ``collectTimeoutMs``: Limit for a collection, in milliseconds.
    * ``debugTimeoutMs``: The time that a run waits for its debugger, in milliseconds.
    * ``rerun``: Settings for repeating failures.
    * ``fixtureReuse``: Settings for keeping fixtures between runs.
    * ``flaky``: Settings of flakiness.
    * ``executor``: The place where tests run.
    * ``ray``: Settings of Ray.
    * ``impact``: Settings of the selection of affected tests.
    """

    pythonPath: str | None
    executionMode: str
    workers: WorkerCount | None
    arguments: list[str]
    env: dict[str, str]
    envFile: str | None
    projects: list[str] | None
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
    impact: ImpactSettings


class Siblings(TypedDict):
    """The children of an item, in order.

    * ``parent``: The item that contains them.
    * ``ids``: Ids of the children. Children that are not listed come after them.
    """

    parent: str
    ids: list[str]


class StaleOutcomes(TypedDict):
    """Outcomes became stale, older than a change that can reach their tests, or fresh again.

    * ``stale``: Tests whose last outcome is stale from now on.
    * ``fresh``: Tests whose last outcome is no longer stale, because the change was taken back. A
      new outcome needs no such event.
    """

    stale: list[str]
    fresh: list[str]


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
    """An event of a suite.

    * ``timestamp``: Time of the event, in nanoseconds of the machine's monotonic clock.
    * ``payload``: Payload of the event.
    """

    timestamp: int
    payload: SuiteEventPayload


class CaseFoundSuiteEventPayload(TypedDict):
    """A case was found: the first event of each case.

    * ``test_case_name``: Node id of the case.
    * ``identifier``: Names the case in later events; unique in the suite's run.
    """

    type: Literal["case_found"]
    test_case_name: str
    identifier: int


class CaseStartedSuiteEventPayload(TypedDict):
    """A case is about to run.

    * ``identifier``: ``case_id`` of the case.
    """

    type: Literal["case_started"]
    identifier: int


class CaseStoppedSuiteEventPayload(TypedDict):
    """A case is over; artifacts of it may follow.

    * ``identifier``: ``case_id`` of the case.
    * ``status``: How the case ended.
    """

    type: Literal["case_stopped"]
    identifier: int
    status: CaseStatus


class CaseFinishedSuiteEventPayload(TypedDict):
    """The last event of a case: no artifact of it follows.

    * ``identifier``: ``case_id`` of the case.
    """

    type: Literal["case_finished"]
    identifier: int


class CaseArtifactSuiteEventPayload(TypedDict):
    """A case produced an artifact.

    * ``identifier``: ``case_id`` of the case.
    * ``artifact``: The artifact.
    """

    type: Literal["case_artifact"]
    identifier: int
    artifact: Artifact


class SuiteArtifactSuiteEventPayload(TypedDict):
    """The suite produced an artifact.

    * ``artifact``: The artifact.
    """

    type: Literal["suite_artifact"]
    artifact: Artifact


class SuiteStartedSuiteEventPayload(TypedDict):
    """The suite started; its timeout counts from this moment."""

    type: Literal["suite_started"]


class SuiteStoppedSuiteEventPayload(TypedDict):
    """The whole suite is over.

    * ``status``: How the suite ended.
    """

    type: Literal["suite_stopped"]
    status: SuiteStatus


class TestImpact(TypedDict):
    """Whether a change affects a test, by its recorded inputs or its last outcome.

    * ``node_id``: Node id.
    * ``reason``: Why the test is affected; ``None``: nothing that it depends on has changed since
      it passed.
    * ``inputs``: The number of recorded inputs; 0 if there is no record.
    * ``passed_ms``: The time of the recorded pass, in milliseconds since 1970; 0 if there is no
      record.
    """

    node_id: str
    reason: ImpactReason | None
    inputs: int
    passed_ms: int


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
    * ``lineno``: 1-based line of the ``def`` keyword, or of a doctest's first example; ``None`` if
      the test is inherited from another file.
    * ``name``: Name of the function or method, with the case in brackets.
    * ``class_name``: Name of the class, nested ones joined by ``::``; ``None`` for a function.
    * ``markers``: Names of its markers, each once, its own before inherited ones.
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
    * ``phase``: The phase that failed.
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
    * ``beforeTeardown``: Set if the teardown failed, which makes any outcome an error: the outcome
      before it.
    * ``reports``: pytest's own reports of the test, as JSON, in order; only in a run with
      ``full_reports``.
    * ``sections``: The headings of the captured output, in pytest's order.
    * ``failedReports``: pytest's failed reports of the test, in order, if ``id`` and ``longrepr``
      are not all that pytest shows: those of its subtests, of its call and its teardown, or one
      with a heading of its own.
    * ``phaseDurations``: The durations of the phases that ran; only in a run with
      ``phase_durations``.
    * ``stale``: Set if the outcome comes from the history, and something that the test depends on
      has changed since.
    * ``node``: The node of a cluster on which it ran.
    * ``statuses``: How pytest shows its reports, in order, if a hook of the project or of a plugin
      gives one another category, letter or word than pytest does. Usual ones of subtests are left
      out. Of a test that ended the session (``pytest.exit``, ``KeyboardInterrupt``), those of its
      reports before that.
    """

    id: str
    outcome: Outcome
    durationMs: float
    attempt: int
    willRerun: NotRequired[bool]
    phase: NotRequired[Phase]
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
    beforeTeardown: NotRequired[Outcome]
    reports: NotRequired[list[str]]
    sections: NotRequired[list[OutputSection]]
    failedReports: NotRequired[list[FailedReport]]
    phaseDurations: NotRequired[PhaseDurations]
    stale: NotRequired[bool]
    node: NotRequired[str]
    statuses: NotRequired[list[ReportStatus]]


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
    * ``outcome``: How the test ended; a word of ``TestOutcome``.
    * ``duration_ms``: Duration of set-up, call and teardown together, in milliseconds.
    * ``message``: The reason why it failed, was skipped or was not run.
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


class TimeSpent(TypedDict):
    """The time that one thing took. Each moment of a process counts as the `ownMs` of one thing.

    * ``kind``: Its kind.
    * ``name``: Its name, by its kind; empty for the rest after the slowest hundred of a kind.
    * ``count``: Number of times.
    * ``ownMs``: Time without the other things that went on meanwhile, in milliseconds.
    * ``totalMs``: Time with them, in milliseconds.
    """

    kind: TimeKind
    name: NotRequired[str]
    count: int
    ownMs: float
    totalMs: float


class Warning(TypedDict):
    """A warning of a run.

    * ``category``: The class of the warning, such as ``DeprecationWarning``.
    * ``message``: The text of the warning.
    * ``location``: The line that the warning refers to.
    * ``count``: Number of occurrences.
    * ``ids``: The tests that issued it, one for each of the first nine occurrences; empty if the
      collection issued it.
    * ``files``: Number of occurrences in the tests of each file, if there are ten or more in all.
    """

    category: str
    message: str
    location: NotRequired[Location]
    count: int
    ids: NotRequired[list[str]]
    files: NotRequired[list[FileWarnings]]


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


class StaleOutcomesEvent(StaleOutcomes):
    """Outcomes became older than their inputs, or are no longer.

    * ``seq``: Sequence number, from 1 without gaps.
    """

    event: Literal["staleOutcomes"]
    seq: int


Artifact = Union[StdoutArtifact, StderrArtifact, LogArtifact, CustomArtifact, DebugDataArtifact]
"""A file or folder that a test, a suite or a run produces."""

Event = Union[
    InventoryEvent,
    RunStartedEvent,
    TestStartedEvent,
    TestOutcomeEvent,
    OutputEvent,
    RunFinishedEvent,
    FlakinessHintEvent,
    StaleOutcomesEvent,
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
    History,
    Affected,
    Changes,
    RunRecorded,
    Trust,
]
"""The answer to a `Request`."""

RunEventPayload = Union[
    RunStartedRunEventPayload,
    RunStoppedRunEventPayload,
    ArtifactRunEventPayload,
]
"""Payload of a run's event."""

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
"""Payload of a suite's event."""
