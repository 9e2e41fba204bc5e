"""`pytest --lens -n`: pytest's session, whose tests the engine collects and runs.

pytest's own process collects nothing. It gets pytest's reports from the engine's processes, and
passes them to its own hooks: output, exit status and the reports of plugins are pytest's.
"""

from __future__ import annotations

import builtins
import contextlib
import os
import sys
import urllib.parse
import urllib.request
import warnings
from collections.abc import Iterator
from typing import Any, Callable

import pytest

from . import engine_options, messages
from .engine import Engine
from .errors import LensError
from .interrupts import HeldInterrupts
from .runs import Run
from .worker.reports import report_text

_FAILURES = ("failed", "error", "crashed", "timed_out", "not_run")


class EngineSession:
    """A plugin that runs the tests of a session on an engine of this process.

    If the engine refuses, or can't start, pytest collects and runs by itself: `on_refusal` gets the
    reason.
    """

    def __init__(
        self,
        config: pytest.Config,
        runners: int | str,
        keeps_files: bool,
        on_refusal: Callable[[str], None],
    ) -> None:
        self._config = config
        self._keeps_files = keeps_files
        self._runners = runners
        self._on_refusal = on_refusal
        self._engine: Engine | None = None
        self._run: Run | None = None
        # From the collection to the end of the run: a Ctrl-C between two hooks loses no outcome.
        self._interrupts = HeldInterrupts()
        self._is_interrupted = False
        # The lines of hooks on the collected tests.
        self._on_collected: list[str] = []
        self._own_warnings: list[tuple[str, str]] = []
        self._is_replaying = False
        self._shown: set[str] = set()
        self._repeats = 0

    # Collection

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> None:
        """Let the engine collect in place of this session."""
        plain = session.perform_collect

        def perform_collect(*args: Any, **kwargs: Any) -> Any:
            self._interrupts.hold()
            try:
                begun = self._begin()
            except KeyboardInterrupt:
                self._close()
                raise
            if isinstance(begun, str):
                self._close()
                self._on_refusal(begun)
                return plain(*args, **kwargs)
            if begun["total"] == 0:  # pytest says best why
                self._close()
                return plain(*args, **kwargs)
            self._show_collection(session, begun)
            return session.items

        session.__dict__["perform_collect"] = perform_collect

    def _start(self) -> None:
        config, option = self._config, self._config.option
        root = str(config.rootpath)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # mistakes in the settings have lines of their own
            # pytest runs all tests below its root in one session.
            whole: dict[str, Any] = {"projects": []}
            engine = self._engine = Engine(
                root, python=sys.executable, settings=whole, resident=False
            )
        cache = getattr(config, "cache", None)
        own = config._parser
        parser = getattr(own, "optparser", None) or own._getparser()  # type: ignore[attr-defined]
        named = _named(config)
        self._run = engine.run_stream(
            named,
            in_order_of=named,
            workers=None if self._runners == "auto" else int(self._runners),
            maxfail=option.maxfail or None,
            auto_workers=self._runners == "auto",
            keyword=option.keyword or None,
            marker=option.markexpr or None,
            arguments=engine_options.of_session(
                config.invocation_params.args,
                parser,
                option,
                None if cache is None else str(cache._cachedir),
            ),
            whole_files=self._keeps_files,
            source=engine_options.source(os.environ.get("CI")),
            full_reports=True,
        )

    def _begin(self) -> messages.RunStartedEvent | str:
        """Start the run; returns its beginning, or a sentence if there is none."""
        try:
            try:
                self._interrupts.interruptible(self._start)()
                assert self._run is not None
                self._run.call = self._interrupts.interruptible(self._run.call)
                begun = _beginning(self._run)
            except KeyboardInterrupt:
                begun = self._begun_before_interrupt()
                if begun is None:
                    raise
                self._is_interrupted = True
            return begun or "the engine's run has no beginning"
        except (LensError, OSError, ValueError, RuntimeError) as error:
            return str(error)

    def _begun_before_interrupt(self) -> messages.RunStartedEvent | None:
        """The beginning of a run of which this process has read nothing yet, if there is one.

        Its tests may already have ended.
        """
        engine = self._engine
        if engine is None:
            return None
        for event in engine.events()["events"]:
            if event["event"] == "runStarted":
                self._run = engine.follow_run(event["runId"], event["total"])
                return _beginning(self._run)
        return None

    def _show_collection(self, session: pytest.Session, begun: messages.RunStartedEvent) -> None:
        hook = self._config.hook
        session.items = []
        for text in begun.get("collectReports", ()):
            hook.pytest_collectreport(report=report_text.read(self._config, text))
        deselected = begun.get("deselected", 0)
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            if deselected:
                gone = [object() for _ in range(deselected)]
                reporter.stats.setdefault("deselected", []).extend(gone)
            reporter._numcollected = begun["total"] + deselected
        session.testscollected = begun["total"]
        self._on_collected = begun.get("onCollected", [])
        hook.pytest_collection_finish(session=session)

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_report_collectionfinish(self) -> Iterator[None]:
        """Show the lines of the session that collected: here, hooks have no tests to count."""
        outcome: Any = yield
        if self._run is not None:
            outcome.force_result([self._on_collected])

    # The run

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Pass on the engine's reports until its run ends."""
        run = self._run
        if run is None:
            return None
        try:
            self._show_run(session, run)
        except LensError as error:
            missing = _tests(run.total - len(self._shown))
            raise session.Interrupted(
                f"lens: the engine ended with {missing} still to come: {error}"
            ) from None
        finally:
            self._close()  # kills what still runs
        self._remember_ids()
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)
        self._check(session, run)
        return True

    def _show_run(self, session: pytest.Session, run: Run) -> None:
        try:
            if self._is_interrupted:
                raise KeyboardInterrupt
            is_stopping = False
            for event in run:
                if event["event"] == "testOutcome":
                    for outcome in event["outcomes"]:
                        self._show(outcome)
                elif event["event"] == "runFinished":
                    self._show_warnings(event)
                if (session.shouldfail or session.shouldstop) and not is_stopping:
                    is_stopping = True
                    run.stop()
        except KeyboardInterrupt:
            self._show_ended(run)
            raise

    def _check(self, session: pytest.Session, run: Run) -> None:
        """A run that did not pass for another reason than its tests does not pass here either."""
        assert run.finished is not None
        status = run.finished["status"]
        message = run.finished.get("message") or f"the run's status is {status}"
        if status == "internal_error":
            pytest.exit(f"lens: {message}", returncode=int(pytest.ExitCode.INTERNAL_ERROR))
        if status in ("stopped", "killed", "timed_out"):
            raise session.Interrupted(message)
        missing = run.total - len(self._shown)
        if missing > 0:
            raise session.Interrupted(f"lens: no outcome came of {_tests(missing)}")
        if status == "failed" and not session.testsfailed:
            raise session.Interrupted(message)

    def _show(self, outcome: messages.TestOutcome) -> None:
        """Pass the reports of one test to pytest's hooks."""
        if outcome.get("willRerun"):
            self._repeats += 1
            return
        self._shown.add(outcome["id"])
        texts = outcome.get("reports", ())
        reports = [report_text.read(self._config, text) for text in texts]
        if not reports:
            if outcome["outcome"] == "not_run" and self._is_ending():
                return
            reports = [_made(outcome)]
        hook = self._config.hook
        first = reports[0]
        hook.pytest_runtest_logstart(nodeid=first.nodeid, location=first.location)
        for report in reports:
            hook.pytest_runtest_logreport(report=report)
        hook.pytest_runtest_logfinish(nodeid=first.nodeid, location=first.location)

    def _show_ended(self, run: Run) -> None:
        """Kill the tests that run, and show those that ended before. Ctrl-C ends this, too."""
        with contextlib.suppress(LensError):
            run.kill()
            for event in run:
                if event["event"] == "testOutcome":
                    for outcome in event["outcomes"]:
                        if outcome["outcome"] != "not_run":
                            self._show(outcome)

    def _is_ending(self) -> bool:
        session: Any = self._config.pluginmanager.get_plugin("session")
        return bool(session is not None and (session.shouldfail or session.shouldstop))

    def pytest_warning_recorded(self, warning_message: warnings.WarningMessage) -> None:
        """Note the warnings that this process had by itself."""
        if not self._is_replaying:
            text = str(warning_message.message)
            self._own_warnings.append((warning_message.category.__name__, text))

    def _show_warnings(self, end: messages.RunFinishedEvent) -> None:
        self._is_replaying = True
        told = end.get("warnings", [])
        for warning in told:
            # Both processes have read the configuration.
            is_early = not warning.get("ids")
            if is_early and (warning["category"], warning["message"]) in self._own_warnings:
                continue
            record = _recorded(warning)
            ids = [*warning.get("ids", ()), *([""] * warning["count"])][: warning["count"]]
            for node_id in ids:
                when = "runtest" if node_id else "collect"
                kwargs = {"when": when, "nodeid": node_id, "location": None}
                self._config.hook.pytest_warning_recorded.call_historic(
                    kwargs={"warning_message": record, **kwargs}
                )
        self._is_replaying = False

    def _remember_ids(self) -> None:
        """Let `--nf` know the tests: pytest notes them where it collects."""
        plugin: Any = self._config.pluginmanager.get_plugin("nfplugin")
        if plugin is not None:
            plugin.cached_nodeids.update(self._shown)

    # The end

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Tell how often the engine repeated tests, which pytest does not know."""
        if self._repeats:
            count = f"{self._repeats} failed attempt{'s' if self._repeats != 1 else ''}"
            terminalreporter.write_line(f"lens: {count} repeated")

    def pytest_unconfigure(self) -> None:
        """End every process of the engine."""
        self._close()

    def _close(self) -> None:
        engine, self._engine, self._run = self._engine, None, None
        try:
            if engine is not None:
                engine.close()
        finally:
            self._interrupts.release()


def _beginning(run: Run) -> messages.RunStartedEvent | None:
    for event in run:
        if event["event"] == "runStarted":
            return event
    return None


def _tests(count: int) -> str:
    return f"{count} test{'s' if count != 1 else ''}"


def _named(config: pytest.Config) -> list[str]:
    """The files, folders and node ids of the command line; none for those of the configuration."""
    named = getattr(config.option, "file_or_dir", None) or []
    return [str(name) for name in named]


def _made(outcome: messages.TestOutcome) -> pytest.TestReport:
    """The report of a test whose process could make none."""
    node_id = outcome["id"]
    path, _, name = node_id.partition("::")
    has_run = outcome["outcome"] != "not_run"
    sections = [
        (f"Captured {title} call", str(outcome.get(stream)))
        for stream, title in (("stdout", "stdout"), ("stderr", "stderr"), ("log", "log"))
        if outcome.get(stream)
    ]
    failed = outcome["outcome"] in _FAILURES
    texts = [outcome.get("longrepr"), outcome.get("message")]
    return pytest.TestReport(
        node_id,
        (path, None, name.replace("::", ".")),
        {},
        "failed" if failed else "passed",
        "\n".join(text for text in texts if text) or outcome["outcome"] if failed else None,
        "call" if has_run else "setup",
        sections,
        outcome["durationMs"] / 1000,
    )


def _recorded(warning: messages.Warning) -> warnings.WarningMessage:
    """A warning of another process, as pytest's reporter takes it."""
    name = warning["category"]
    found = getattr(builtins, name, None) or getattr(pytest, name, None)
    category: type[Warning] = type(name, (Warning,), {})
    if isinstance(found, type) and issubclass(found, Warning):
        category = found
    location = warning.get("location")
    path, line = "", 0
    if location is not None:
        path = urllib.request.url2pathname(urllib.parse.urlsplit(location["uri"]).path)
        line = location["range"]["start"]["line"] + 1
    return warnings.WarningMessage(category(warning["message"]), category, path, line)
