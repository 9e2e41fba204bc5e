"""`pytest --lens`: records a run of a terminal or a CI service in pytest-lens's history.

With `-n`, pytest-lens's engine runs the tests, and records them itself. The editor's language
server sees the rows at once: a test that passes there and fails here, on the same code, is shown as
flaky.
"""

from __future__ import annotations

import importlib.util
import os
import pathlib
import secrets
import threading
import time
from typing import Any

import pytest

from . import engine_options
from .folding import Folder

_PLAN = "_lens_plan"


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the options `--lens`, and `-n` if pytest-xdist has none."""
    group = parser.getgroup("lens")
    group.addoption(
        "--lens",
        action="store_true",
        help="record this run's outcomes in the history from which pytest-lens judges flakiness; "
        "with -n, run the tests on pytest-lens's engine, which collects once for all runners",
    )
    is_absent = importlib.util.find_spec("xdist") is None or pluginmanager.is_blocked("xdist")
    if is_absent and not pluginmanager.hasplugin("xdist"):
        group._addoption(  # pytest reserves short options in lower case
            "-n",
            "--numprocesses",
            dest="numprocesses",
            metavar="numprocesses",
            type=_count,
            help="with --lens: number of runners, or auto",
        )


def _count(text: str) -> int | str:
    return text if text in ("auto", "logical") else int(text)


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


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Decide who runs the tests, before pytest-xdist starts its own runners."""
    option = config.option
    if hasattr(config, "workerinput") or engine_options.runs_nothing(option):
        return
    asked = engine_options.runners(option)
    if not option.lens:
        if asked is not None and not config.pluginmanager.hasplugin("xdist"):
            raise pytest.UsageError("-n needs --lens, or pytest-xdist: add one of them")
        return
    if asked is None:
        return
    why = _hindrance(config)
    keeps_files = getattr(option, "dist", "no") in ("loadfile", "loadscope")
    if why is None and config.pluginmanager.hasplugin("xdist"):
        option.numprocesses, option.dist, option.tx = None, "no", []
        option.distload = False
    setattr(config, _PLAN, (asked, keeps_files, why))


def _hindrance(config: pytest.Config) -> str | None:
    """Why pytest itself runs these tests, or None if the engine does."""
    if config.rootpath != config.invocation_params.dir:
        return f"pytest was started outside of its root {config.rootpath}"
    return engine_options.hindrance(config.option, config.invocation_params.args)


def pytest_configure(config: pytest.Config) -> None:
    """Run on the engine or record, if asked to.

    With xdist, the one process that receives the reports of all tests records.
    """
    if not config.getoption("--lens") or hasattr(config, "workerinput"):
        return
    asked, keeps_files, why = getattr(config, _PLAN, (None, False, None))
    if asked is None or why is not None:
        _record(config, why)
        return
    from .engine_session import EngineSession  # only who runs on the engine pays for it

    session = EngineSession(config, asked, keeps_files, lambda reason: _record(config, reason))
    config.pluginmanager.register(session, "lens-engine-session")


def _record(config: pytest.Config, why: str | None) -> None:
    """Record a run of pytest's own; `why`: the reason why it is not the engine's."""
    recorder = Recorder(str(config.rootpath), why)
    config.pluginmanager.register(recorder, "lens-recorder")


class Recorder:
    """Collects the outcomes of one session, and writes them when it ends."""

    def __init__(self, root: str, why: str | None = None) -> None:
        self._root = root
        self._why = why
        self._folder = Folder()
        self._code: str | None = None
        self._naming = threading.Thread(target=self._name_code, daemon=True)
        self._told = ""
        self._started_ms = int(time.time() * 1000)
        self._mistakes: list[str] = []
        # The recorded code is the code before any test ran.
        self._naming.start()

    def _name_code(self) -> None:
        from . import _native  # only who records pays for it

        self._mistakes = _native.file_settings(self._root)[1]
        self._code = _native.fingerprint(self._root)

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: Any) -> None:
        """Receive the report of one phase of a test."""
        self._folder.add(report)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Write the collected outcomes; a history that can't be written fails no test."""
        self._naming.join()
        outcomes = [
            {
                "id": attempt.node_id,
                "outcome": attempt.outcome,
                "attempt": attempt.number,
                "duration_ms": attempt.duration_ms,
            }
            for attempt in self._folder.finish()
        ]
        if not outcomes:
            return
        count = len({outcome["id"] for outcome in outcomes})
        tests = f"{count} test{'s' if count != 1 else ''}"
        self._told = self._record(outcomes) or f"recorded the outcomes of {tests}"

    def _record(self, outcomes: list[dict[str, Any]]) -> str | None:
        """Let an engine record them, as every run; returns a sentence if it can't."""
        from . import _native

        request = {
            "type": "record_run",
            "repo_path": self._root,
            "report_hash": secrets.token_hex(32),
            "source": engine_options.source(os.environ.get("CI")),
            "started_ms": self._started_ms,
            "outcomes": outcomes,
            "code": self._code,
        }
        try:
            engine = _native.Engine(resident=False)
            try:
                answer = engine.session().call(request)
            finally:
                engine.close()
        except (OSError, ValueError, RuntimeError) as error:
            return str(error)
        return answer["message"] if answer["type"] == "error" else None

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the mistakes in the project's settings, and the result of the recording."""
        if self._why is not None:
            terminalreporter.write_line(f"lens: pytest ran the tests by itself: {self._why}")
        for mistake in self._mistakes:
            terminalreporter.write_line(f"lens: {mistake}")
        if self._told:
            terminalreporter.write_line(f"lens: {self._told}")
