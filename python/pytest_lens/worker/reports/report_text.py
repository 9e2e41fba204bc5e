"""pytest's own reports as text, for a client that shows a run as pytest does: written and read.

pytest's hooks turn a report into plain values, as for pytest-xdist. JSON has no tuples, of which
pytest's reporters make use: a list of one key stands for one.
"""

from __future__ import annotations

from typing import Any

from ..unpatched import json
from ..wire import cut

_TUPLE = "$tuple"


def written(config: Any, report: Any) -> str:
    """A report as text; if a plugin added what can't be written, its `repr` takes the place."""
    try:
        data = config.hook.pytest_report_to_serializable(config=config, report=report)
        return json.dumps(_plain(data))
    except Exception as error:
        # The outcome counts; hostile values in it are left out.
        return json.dumps(_plain(_bare(report, error)))


def _bare(report: Any, error: Exception) -> dict[str, Any]:
    kind = "TestReport" if hasattr(report, "when") else "CollectReport"
    data = {name: getattr(report, name, None) for name in ("nodeid", "location", "outcome", "when")}
    longrepr = f"(pytest's report can't be sent: {type(error).__name__})" if report.failed else None
    rest: dict[str, Any] = {
        "keywords": {},
        "longrepr": longrepr,
        "sections": [],
        "duration": 0.0,
        "result": None,
    }
    return {"$report_type": kind, **data, **rest}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        return cut(str(value))
    if isinstance(value, tuple):
        return {_TUPLE: [_plain(one) for one in value]}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    return cut(repr(value))


def read(config: Any, text: str) -> Any:
    """The report that a text holds."""
    data = json.loads(text, object_hook=_tuples)
    report = config.hook.pytest_report_from_serializable(config=config, data=data)
    subtest = data.get("_subtest.context")
    if isinstance(subtest, dict) and "kwargs" in subtest and hasattr(report, "context"):
        # pytest would show the `repr` of the `repr`.
        object.__setattr__(report.context, "kwargs", subtest["kwargs"])
    return report


def _tuples(value: dict[str, Any]) -> Any:
    return tuple(value[_TUPLE]) if _TUPLE in value else value
