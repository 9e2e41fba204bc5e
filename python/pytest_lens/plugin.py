"""`pytest --lens`: records a run of a terminal or a CI service in pytest-lens's history.

The editor's language server sees the rows at once: a test that passes there and fails here, on the
same code, is shown as flaky.
"""

from __future__ import annotations

import pathlib
import threading
from typing import Any

import pytest

from .folding import Folder


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option `--lens`."""
    parser.getgroup("lens").addoption(
        "--lens",
        action="store_true",
        help="record this run's outcomes in the history from which pytest-lens judges flakiness",
    )


@pytest.fixture
def lens_artifacts(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> pathlib.Path:
    """A folder in which a test leaves files for others.

    In pytest-lens, clients can read the folder as an artifact; otherwise it is a temporary folder.
    """
    ask = getattr(request.config, "_lens_artifacts_folder", None)
    folder = ask() if ask is not None else None
    return pathlib.Path(folder) if folder else tmp_path_factory.mktemp("lens_artifacts")


def pytest_configure(config: pytest.Config) -> None:
    """Record if asked to; with xdist, in the one process that receives the reports of all tests."""
    if config.getoption("--lens") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder(str(config.rootpath)), "lens-recorder")


class Recorder:
    """Collects the outcomes of one session, and writes them when it ends."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._folder = Folder()
        self._code: str | None = None
        self._naming = threading.Thread(target=self._name_code, daemon=True)
        self._told = ""
        self._mistakes: list[str] = []

    def _name_code(self) -> None:
        from . import _native  # only who records pays for it

        self._mistakes = _native.file_settings(self._root)[1]
        self._code = _native.fingerprint(self._root)

    def pytest_sessionstart(self) -> None:
        """The recorded code is the code before any test ran."""
        self._naming.start()

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: Any) -> None:
        """Receive the report of one phase of a test."""
        self._folder.add(report)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Write the collected outcomes; a history that can't be written fails no test."""
        from . import _native

        self._naming.join()
        attempts = [
            (attempt.node_id, attempt.outcome, attempt.duration_ms, attempt.number)
            for attempt in self._folder.finish()
        ]
        if not attempts:
            return
        trouble = _native.record(self._root, self._code, attempts)
        count = len({node_id for node_id, *_ in attempts})
        tests = f"{count} test{'s' if count != 1 else ''}"
        self._told = trouble or f"recorded the outcomes of {tests}"

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the mistakes in the project's settings, and the result of the recording."""
        for mistake in self._mistakes:
            terminalreporter.write_line(f"lens: {mistake}")
        if self._told:
            terminalreporter.write_line(f"lens: {self._told}")
