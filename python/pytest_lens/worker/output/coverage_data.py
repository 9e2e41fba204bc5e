"""Coverage of a session, measured by coverage.py itself, which the project's interpreter must have.

It begins before the session reads its arguments, so that it covers the project's imports, and is
saved at the end of the session. Each process writes a file of its own; :mod:`..coverage_report`
combines them.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import Any

from .. import own_code
from ..unpatched import os
from ..wire import Message

_OWN_FILES = f"{own_code.FOLDER}*"


class Missing(Exception):
    """coverage.py is not there: the sentence says what to install."""


class CoverageMeasurement:
    """One process's coverage."""

    def __init__(self, options: Message) -> None:
        try:
            coverage: Any = importlib.import_module("coverage")
        except ImportError:
            raise Missing(
                f"coverage is not installed for {sys.executable}: "
                f"run `{sys.executable} -m pip install coverage`"
            ) from None
        self._contexts = bool(options.get("contexts"))
        self._coverage: Any = coverage.Coverage(
            data_file=os.path.join(options["folder"], ".coverage"),
            data_suffix=True,
            config_file=options.get("config") or True,
            source=options.get("source") or None,
            branch=True if options.get("branch") else None,
        )
        self._set("run:omit", [*(self._coverage.get_option("run:omit") or []), _OWN_FILES])
        if self._contexts:
            self._set("run:dynamic_context", None)
            # The newer core sees each line only once, in the first test that runs it.
            self._set("run:core", "ctrace")

    def _set(self, option: str, value: Any) -> None:
        try:
            self._coverage.set_option(option, value)
        except Exception:  # a version that does not know it does not need it
            pass

    def start(self) -> None:
        """Measure from now on."""
        self._coverage.start()

    def test(self, node_id: str) -> None:
        """Assign the lines from now on to this test; without an id, to none."""
        if self._contexts:
            self._coverage.switch_context(node_id)

    def stop(self) -> None:
        """Measure no more, and write what was measured."""
        self._coverage.stop()
        self._coverage.save()


def leave_out_own_code() -> None:
    """Keep the worker's files out of what pytest-cov is about to measure.

    Without a source, coverage.py measures all files that belong to no installed package.
    """
    try:
        coverage: Any = importlib.import_module("coverage")
    except ImportError:  # pytest-cov says so
        return
    start = coverage.Coverage.start

    def start_without_own_code(measurement: Any) -> None:
        coverage.Coverage.start = start
        omitted = measurement.get_option("run:omit") or []
        measurement.set_option("run:omit", [*omitted, _OWN_FILES])
        start(measurement)

    coverage.Coverage.start = start_without_own_code


def is_there() -> bool:
    """Whether coverage could be measured here."""
    try:
        return importlib.util.find_spec("coverage") is not None
    except (ImportError, ValueError):
        return False
