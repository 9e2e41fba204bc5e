"""The shapes of the custom notifications, field by field, as editors rely on them."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

OUTCOMES = ["passed", "failed", "skipped", "error", "xfailed", "xpassed"]
OUTCOMES += ["timed_out", "crashed", "not_run"]
RUN_STATUSES = ["passed", "failed", "stopped", "killed", "timed_out", "internal_error"]
KINDS = ["dir", "file", "class", "function", "case", "doctest"]


class Shape:
    """An object's fields; those whose name ends in `_` may be left out, others must be present."""

    def __init__(self, **fields: Any) -> None:
        self.fields = fields

    def check(self, value: Any, at: str) -> None:
        """Fails if a value has another shape, and names the place."""
        assert isinstance(value, dict), f"{at} is {value!r}, no object"
        unknown = set(value) - {name.removesuffix("_") for name in self.fields}
        assert not unknown, f"{at} has fields that nobody knows of: {sorted(unknown)}"
        for name, shape in self.fields.items():
            optional = name.endswith("_")
            name = name.removesuffix("_")
            if name not in value:
                assert optional, f"{at} has no `{name}`"
                continue
            check(value[name], shape, f"{at}.{name}")


class Listed:
    """An array of one shape."""

    def __init__(self, shape: Any) -> None:
        self.shape = shape


def check(value: Any, shape: Any, at: str) -> None:
    """Fails if a value has another shape, and names the place."""
    if isinstance(shape, Shape):
        shape.check(value, at)
    elif isinstance(shape, Listed):
        assert isinstance(value, list), f"{at} is {value!r}, no array"
        for index, inner in enumerate(value):
            check(inner, shape.shape, f"{at}[{index}]")
    elif isinstance(shape, list):
        assert value in shape, f"{at} is {value!r}, none of {shape}"
    elif shape is float:
        assert isinstance(value, (int, float)) and not isinstance(value, bool), (
            f"{at} is {value!r}, no number"
        )
        assert value >= 0, f"{at} is {value!r}"
    elif shape is int:
        assert isinstance(value, int) and not isinstance(value, bool) and value >= 0, (
            f"{at} is {value!r}"
        )
    else:
        assert isinstance(value, shape), f"{at} is {value!r}, no {shape.__name__}"


POSITION = Shape(line=int, character=int)
RANGE = Shape(start=POSITION, end=POSITION)
LOCATION = Shape(uri=str, range=RANGE)
ITEM = Shape(
    id=str,
    parent_=str,
    kind=KINDS,
    label=str,
    uri=str,
    range_=RANGE,
    markers=Listed(str),
    skip=bool,
    xfail=bool,
    caseCount_=int,
    provisional_=bool,
    stale_=bool,
)
OUTCOME = Shape(
    id=str,
    outcome=OUTCOMES,
    durationMs=float,
    attempt=int,
    willRerun_=bool,
    phase_=["setup", "call", "teardown"],
    message_=str,
    location_=LOCATION,
    expected_=str,
    actual_=str,
    frames_=Listed(Shape(name=str, location=LOCATION, text_=str)),
    stdout_=str,
    stderr_=str,
    log_=str,
    # Beyond the fixed names: pytest's own text of the failure, and the subtests.
    longrepr_=str,
    subtests_=Listed(dict),
    # Its output and its failed reports as pytest's terminal shows them.
    sections_=Listed(Shape(name=str, length=int, subtest_=int, text_=str)),
    failedReports_=Listed(dict),
    # The result of hooks that decide how pytest shows reports.
    statuses_=Listed(
        Shape(
            phase=["setup", "call", "teardown"],
            subtest_=int,
            category=str,
            letter=str,
            word=str,
            markup=Listed(str),
            reason_=str,
        )
    ),
    phaseDurations_=Shape(setup_=float, call_=float, teardown_=float),
    # The files that the test depends on have changed since.
    stale_=bool,
    # The outcome before a failing teardown.
    beforeTeardown_=OUTCOMES,
)
COUNTS = Shape(total=int, passed=int, failed=int, skipped=int, errors=int, notRun_=int)
HINT = Shape(
    id=str,
    isFlaky=bool,
    failureRate=float,
    flips=int,
    totalRuns=int,
    consecutiveFailures=int,
    consecutivePasses=int,
    recentOutcomes=Listed(OUTCOMES),
    evidence_=["same_code", "across_changes"],
)

EVENTS: dict[str, dict[str, Any]] = {
    "inventory": {
        "revision": int,
        "upserts": Listed(ITEM),
        "removed": Listed(str),
        "order_": Listed(Shape(parent=str, ids=Listed(str))),
        "wholeFiles_": Listed(str),
        "errors": Listed(Shape(uri=str, range=RANGE, message=str)),
    },
    "runStarted": {
        "runId": str,
        "total": int,
        "ids_": Listed(str),
        "skippedFiles_": Listed(dict),
        "errors_": Listed(dict),
    },
    "testStarted": {"runId": str, "ids": Listed(str)},
    "testOutcome": {"runId": str, "outcomes": Listed(OUTCOME)},
    "output": {"runId": str, "id_": str, "stream": ["stdout", "stderr", "log"], "text": str},
    "runFinished": {
        "runId": str,
        "status": RUN_STATUSES,
        "counts": COUNTS,
        "durationMs": float,
        "message_": str,
        "timings_": dict,
        "summaries_": Listed(dict),
        "exitStatus_": int,
    },
    "staleOutcomes": {"stale": Listed(str), "fresh": Listed(str)},
    "flakinessHint": {"hints": Listed(HINT)},
}


def check_notification(message: Json) -> None:
    """Fails if a `pytestLens/*` notification has another shape than it should."""
    name = message["method"].removeprefix("pytestLens/")
    Shape(workspace=str, seq=int, **EVENTS[name]).check(message["params"], name)


def check_line(line: Json) -> None:
    """Fails if a line of `run --json` has another shape than it should."""
    Shape(event=[line["event"]], **EVENTS[line["event"]]).check(line, line["event"])


def check_order(messages: list[Json]) -> None:
    """Fails if the notifications of a workspace leave a gap in their numbers."""
    by_workspace: dict[str, list[int]] = {}
    for message in messages:
        by_workspace.setdefault(message["params"]["workspace"], []).append(message["params"]["seq"])
    for workspace, numbers in by_workspace.items():
        first = numbers[0]
        assert numbers == list(range(first, first + len(numbers))), f"{workspace}: {numbers}"
