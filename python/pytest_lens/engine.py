"""The engine for Python code: every request of the protocol as a method."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Literal, cast

from . import _native, interpreter, messages
from .control import RunControl
from .errors import LensError, checked
from .runs import Run

__all__ = ["Engine", "LensError"]

Mode = Literal["embedded", "subprocess", "auto"]
Strategy = Literal["hash", "round_robin", "duration_balanced"]


class Engine(RunControl):
    """One project, open in an engine that keeps its interpreter warm.

    ``root`` is the project's folder. ``python`` names its interpreter; without it, the engine uses
    the one that the project's settings name, its own environment, an active one, this process's
    interpreter, or searches for one. ``mode`` is ``"embedded"``, ``"subprocess"`` or ``"auto"``;
    ``settings`` are those of :meth:`configure`. They go over the settings in the project's
    ``pytest-lens.toml`` or ``pyproject.toml``; each mistake in these is a :class:`UserWarning`.
    With ``resident=False``, no processes are kept ready after a run: for a program of one run.
    Close the engine when done, or use it in a ``with`` statement: every process
    that it started ends.

    Methods wait without blocking other threads, and Ctrl-C interrupts them. A refused request
    raises :class:`LensError`; an invalid one raises ``ValueError``. One thread at a time may use an
    engine; another thread may use each of its runs.
    """

    def __init__(
        self,
        root: str | os.PathLike[str] = ".",
        *,
        python: str | os.PathLike[str] | None = None,
        mode: Mode | None = None,
        settings: dict[str, Any] | None = None,
        resident: bool = True,
    ) -> None:
        root = os.path.abspath(root)
        #: The project's folder.
        self.root = root
        given, mistakes = _native.file_settings(root)
        for mistake in mistakes:
            warnings.warn(mistake, UserWarning, stacklevel=2)
        if python is None and "pythonPath" not in given:
            python = interpreter.preferred(root)
        self._engine = _native.Engine(resident=resident)
        self._session = self._engine.session()
        try:
            opened = self._request(
                "init_context",
                protocol_version=_native.PROTOCOL_VERSION,
                repo_path=root,
                python_path=None if python is None else os.fspath(python),
                execution_mode=mode,
            )
            #: Id of the context in the protocol.
            self.context_id: str = opened["context_id"]
            if settings is not None:
                self.configure(settings)
        except BaseException:
            self._engine.close()
            raise

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End every process of the engine; running tests are killed."""
        self._engine.close()

    # The engine and its context

    def ping(self) -> messages.Pong:
        """Request a sign of life."""
        return cast(messages.Pong, self._request("ping"))

    def status(self) -> messages.ContextStatus:
        """Return how tests run: interpreter, versions, mode and reason, hazards, present runs."""
        return cast(messages.ContextStatus, self._in_context("get_context_status"))

    def configure(self, settings: dict[str, Any]) -> messages.ConfigAck:
        """Set the caller's settings (``pytestLens.*`` as nested objects), in place of earlier ones.

        Those left out are as the project's files say; otherwise they have their defaults.
        """
        return cast(messages.ConfigAck, self._in_context("configure_context", settings=settings))

    def shutdown(self) -> messages.ShutdownAck:
        """End the context: its runs are killed, its processes end. No method works afterwards."""
        return cast(messages.ShutdownAck, self._in_context("shutdown"))

    # Tests

    def collect(self, *, force: bool = False) -> messages.CollectionComplete:
        """Update the inventory; with ``force``, collect also unchanged files."""
        return cast(messages.CollectionComplete, self._in_context("collect", force=force))

    def inventory(self) -> messages.InventoryData:
        """Return every test."""
        return cast(messages.InventoryData, self._in_context("get_inventory"))

    def list(self, *, keyword: str | None = None, marker: str | None = None) -> messages.TestList:
        """Return the ids of the tests that match pytest's ``-k`` and ``-m`` expressions."""
        return cast(messages.TestList, self._in_context("list", keyword=keyword, marker=marker))

    def output(self, node_id: str) -> messages.TestOutput:
        """Return the output of a test in its last run, and its message."""
        return cast(messages.TestOutput, self._in_context("get_output", node_id=node_id))

    def events(self, cursor: int = 0, *, wait: float = 0.0) -> messages.Events:
        """Return events of the context's log after ``cursor``; waits this many seconds for the
        first.
        """
        wait_ms = max(0, round(wait * 1000))
        return cast(messages.Events, self._in_context("get_events", cursor=cursor, wait_ms=wait_ms))

    # Runs

    def run(
        self,
        node_ids: Sequence[str] = (),
        *,
        workers: int | None = None,
        maxfail: int | None = None,
        **options: Any,
    ) -> messages.RunComplete:
        """Run tests (all, if none are named) and wait for the end.

        ``options`` are the fields of the protocol's run options: ``keyword``, ``marker``,
        ``arguments``, ``run_disabled``, ``timeout_ms``, ``reruns``, ``auto_workers``,
        ``coverage``.
        """
        answer = self._run("run", node_ids, workers, maxfail, options)
        return cast(messages.RunComplete, answer)

    def run_with_rerun(
        self,
        node_ids: Sequence[str] = (),
        *,
        workers: int | None = None,
        maxfail: int | None = None,
        **options: Any,
    ) -> messages.RunComplete:
        """Run tests as :meth:`run`, and repeat failures regardless of the settings."""
        answer = self._run("run_with_rerun", node_ids, workers, maxfail, options)
        return cast(messages.RunComplete, answer)

    def run_stream(
        self,
        node_ids: Sequence[str] = (),
        *,
        workers: int | None = None,
        maxfail: int | None = None,
        **options: Any,
    ) -> Run:
        """Start a run, as :meth:`run`, and return an iterator over its events at once."""
        cursor = self._end_of_log()
        started = self._run("run_stream", node_ids, workers, maxfail, options)
        return Run(self._engine.session().call, self.context_id, cursor, started)

    def follow_run(self, run_id: str, total: int) -> Run:
        """Return an iterator over the events of a run that has started, from its beginning on."""
        started = {"run_id": run_id, "total_tests": total}
        call = self._engine.session().call
        return Run(call, self.context_id, 0, cast(messages.RunStarted, started))

    def debug_run(self, node_ids: Sequence[str] = (), **options: Any) -> messages.DebugStarted:
        """Start a run in a fresh process that waits for a debugger at the returned host and port.

        debugpy must be installed for the project's interpreter. :meth:`events` and
        :meth:`run_progress` return the run's events. ``options`` as for :meth:`run`; limits of
        time, repeats and coverage have no effect.
        """
        answer = self._in_context("debug_run", node_ids=[*node_ids], options=options)
        return cast(messages.DebugStarted, answer)

    def last_failed(self) -> Sequence[str]:
        """Return the ids of the tests whose last outcome since the last clearing is a failure."""
        answer = self._in_context("get_last_failed")
        return [*cast(messages.TestList, answer)["node_ids"]]

    def last_outcomes(self, since_cleared: bool = False) -> Sequence[messages.TestOutcome]:
        """Return the last outcome of each test that ran on this machine; `asOf` has its time."""
        asked = self._in_context("get_last_outcomes", since_cleared=since_cleared)
        answer = cast(messages.Events, asked)
        told = (cast(Any, event) for event in answer["events"])
        return [outcome for event in told for outcome in event["outcomes"]]

    def clear_last_outcomes(self) -> None:
        """Take no notice of earlier runs in :meth:`last_failed` from now on."""
        self._in_context("clear_last_outcomes")

    def history(self) -> messages.History:
        """The recorded outcomes in figures, with the flaky tests."""
        return cast(messages.History, self._request("get_history", repo_path=self.root))

    def record_run(
        self,
        report_hash: str,
        outcomes: Sequence[dict[str, Any]],
        *,
        source: str = "ci",
        started_ms: int | None = None,
        code: str | None = None,
    ) -> messages.RunRecorded:
        """Record a run that has ended elsewhere, once for each SHA-256 of its report.

        ``code`` is the fingerprint of the code that ran; without it the run proves no test flaky.
        """
        answer = self._request(
            "record_run",
            repo_path=self.root,
            report_hash=report_hash,
            source=source,
            started_ms=started_ms,
            outcomes=[*outcomes],
            code=code,
        )
        return cast(messages.RunRecorded, answer)

    def trust(self, trusted: bool | None = None) -> str | None:
        """Return the folder that the user of an editor does not trust, if there is one.

        `trusted` stores what the user of an editor decided.
        """
        answer = self._request("trust", repo_path=self.root, trusted=trusted)
        return cast(messages.Trust, answer)["untrusted"]

    def affected(self, paths: Sequence[str]) -> Sequence[str]:
        """Return the ids of the test files whose outcomes a change of these files may alter."""
        answer = self._in_context("get_affected", paths=[*paths])
        return [*cast(messages.TestList, answer)["node_ids"]]

    def explain_affected(self, paths: Sequence[str]) -> messages.Affected:
        """Return the test files that a change of these files may reach, and the way to each."""
        return cast(messages.Affected, self._in_context("explain_affected", paths=[*paths]))

    def changes(self, cursor: int = 2**64 - 1, *, wait: float = 0.0) -> messages.Changes:
        """Return the files that changed since `cursor`; wait up to `wait` seconds for the first."""
        wait_ms = max(0, round(wait * 1000))
        return cast(
            messages.Changes, self._in_context("get_changes", cursor=cursor, wait_ms=wait_ms)
        )

    def run_progress(self, run_id: str) -> messages.RunProgress:
        """Return the progress of a run since the last call."""
        return cast(messages.RunProgress, self._in_context("get_run_progress", run_id=run_id))

    def stop_run(self, run_id: str) -> messages.ControlAck:
        """Let running tests finish, and start no more."""
        return cast(messages.ControlAck, self._request("stop_run", run_id=run_id))

    def kill_run(self, run_id: str) -> messages.ControlAck:
        """Kill a run's processes now."""
        return cast(messages.ControlAck, self._request("kill_run", run_id=run_id))

    # Runners

    def worker_status(self) -> messages.WorkerStatus:
        """Return the figures of the runners."""
        return cast(messages.WorkerStatus, self._in_context("get_worker_status"))

    def configure_workers(self, num_workers: int) -> messages.WorkerConfigAck:
        """Set the number of runners, at least 1."""
        answer = self._in_context("configure_workers", num_workers=num_workers)
        return cast(messages.WorkerConfigAck, answer)

    # Flakiness and repeats

    def flakiness_report(self) -> messages.FlakinessReport:
        """Return flaky and unstable tests, from the history."""
        return cast(messages.FlakinessReport, self._in_context("get_flakiness_report"))

    def test_flakiness(self, node_id: str) -> messages.TestFlakiness:
        """Return the flakiness of one test, from the history."""
        answer = self._in_context("get_test_flakiness", node_id=node_id)
        return cast(messages.TestFlakiness, answer)

    def configure_rerun(
        self, *, enabled: bool, max_reruns: int = 2, only_flaky: bool = False, delay_ms: int = 0
    ) -> messages.ConfigAck:
        """Set whether and how every run repeats failures."""
        answer = self._in_context(
            "configure_rerun",
            enabled=enabled,
            max_reruns=max_reruns,
            only_flaky=only_flaky,
            delay_ms=delay_ms,
        )
        return cast(messages.ConfigAck, answer)

    def rerun_config(self) -> messages.RerunConfig:
        """Return the settings for repeating failures."""
        return cast(messages.RerunConfig, self._in_context("get_rerun_config"))

    # Fixtures

    def configure_fixture_reuse(
        self,
        *,
        enabled: bool,
        max_age_seconds: float = 600.0,
        teardown_on_conftest_change: bool = True,
    ) -> messages.ConfigAck:
        """Set whether fixtures stay set up between runs."""
        answer = self._in_context(
            "configure_fixture_reuse",
            enabled=enabled,
            max_age_seconds=max_age_seconds,
            teardown_on_conftest_change=teardown_on_conftest_change,
        )
        return cast(messages.ConfigAck, answer)

    def fixture_config(self) -> messages.FixtureConfig:
        """Return the settings of fixture reuse."""
        return cast(messages.FixtureConfig, self._in_context("get_fixture_config"))

    def session_status(self) -> messages.SessionStatus:
        """Return the state of the session that holds the reused fixtures."""
        return cast(messages.SessionStatus, self._in_context("get_session_status"))

    # Shards

    def shard(
        self,
        shard_index: int,
        total_shards: int,
        node_ids: Sequence[str] = (),
        *,
        strategy: Strategy = "duration_balanced",
    ) -> messages.ShardedTests:
        """Return the tests of one shard, counted from 0."""
        answer = self._in_context(
            "get_shard",
            node_ids=[*node_ids],
            shard_index=shard_index,
            total_shards=total_shards,
            strategy=strategy,
        )
        return cast(messages.ShardedTests, answer)

    def shard_info(
        self,
        total_shards: int,
        node_ids: Sequence[str] = (),
        *,
        strategy: Strategy = "duration_balanced",
    ) -> messages.ShardInfo:
        """Return the figures of a distribution over shards."""
        answer = self._in_context(
            "get_shard_info",
            node_ids=[*node_ids],
            total_shards=total_shards,
            strategy=strategy,
        )
        return cast(messages.ShardInfo, answer)

    # Below the methods

    def call(self, request: dict[str, Any]) -> dict[str, Any]:
        """Make any call of the protocol: a request as the protocol defines it; returns its answer.

        An answer of type ``error`` is returned, not raised.
        """
        return self._session.call(request)

    def _request(self, kind: str, **fields: Any) -> Any:
        return checked(self._session.call({"type": kind, **fields}))

    def _in_context(self, kind: str, **fields: Any) -> Any:
        return self._request(kind, context_id=self.context_id, **fields)

    def _run(
        self,
        kind: str,
        node_ids: Sequence[str],
        workers: int | None,
        maxfail: int | None,
        options: dict[str, Any],
    ) -> Any:
        if isinstance(node_ids, str):
            raise TypeError(f"node_ids must be a list of ids, not the string {node_ids!r}")
        return self._in_context(
            kind,
            node_ids=[*node_ids],
            workers=workers,
            maxfail=maxfail,
            options={"source": "cli", **options},
        )

    def _end_of_log(self) -> int:
        cursor = getattr(self, "_cursor", 0)
        while True:
            read = self.events(cursor)
            if not read["events"]:
                self._cursor: int = cursor
                return cursor
            cursor = read["cursor"]
