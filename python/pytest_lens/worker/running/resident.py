"""A resident runner: one session that serves run after run and keeps its wider fixtures alive.

pytest tears down the fixtures that the next item does not need. After the last test of a run we
pass a node of the collection tree as the next "item": the fixtures of that node, and of those above
it, stay set up. pytest itself tears down the rest at the next run's first test, and everything at
the end of the session, with the fixtures' own finalizers.
"""

from __future__ import annotations

import functools
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any, Callable

import pytest

from ..collection.nodes import NodeBuilder
from ..processes import after_fork
from ..reports.verdict import VerdictBuilder
from ..state import Worker
from ..unpatched import os
from ..watching.kept_reads import KeptReads
from ..watching.snapshot import Snapshot
from ..wire import EngineGone, Message
from . import reload_modules
from .run_loop import RunLoop, kill_and_exit

_DEPTHS = {"session": 0, "package": 1, "module": 2, "class": 3}
_NEVER = 4


def _depth(node: Any) -> int:
    if isinstance(node, pytest.Session):
        return 0
    if isinstance(node, reload_modules.FOLDERS):  # first: a Package was a File once
        return 1
    if isinstance(node, pytest.File):
        return 2
    return 3 if isinstance(node, pytest.Class) else _NEVER


class KeptFixtures:
    """Which nodes stay set up between runs."""

    def __init__(self, worker: Worker, session: Any) -> None:
        self._worker = worker
        self._session = session
        self.reads = KeptReads((worker.boot.cache_dir, worker.boot.tmp_dir))
        session.config.pluginmanager.register(self, "pytest-lens-kept-fixtures")
        self._deepest = 0
        self._limit = 0
        # Fixtures of this run whose set-up failed or skipped.
        self._failed: list[Any] = []

    def configure(self, scopes: list[str], limit: int) -> None:
        """Set the scopes that stay, wider ones included, and the limit of failures of a run."""
        self._deepest = max((_DEPTHS.get(scope, 0) for scope in scopes), default=0)
        self._limit = limit

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Iterator[None]:
        """Report what a fixture that stays reads, before a test uses it; also of one that fails."""
        if _DEPTHS.get(fixturedef.scope, _NEVER) > self._deepest:
            yield
            return
        with self.reads.of_fixture():
            outcome: Any = yield
        if outcome.excinfo is not None:
            self._failed.append(fixturedef)
        self._send_reads()

    def _send_reads(self) -> None:
        factory = getattr(self._session.config, "_tmp_path_factory", None)
        for name in ("_given_basetemp", "_basetemp"):
            folder = getattr(factory, name, None)
            if folder is not None:
                self.reads.ignore(str(folder))
        message = self.reads.take()
        if message is not None:
            self._worker.send(message)

    def check(self) -> None:
        """Raise at the limit of failures: pytest itself would tear everything down at it."""
        failed = self._session.testsfailed
        if self._limit and failed >= self._limit:
            raise self._session.Failed(f"stopping after {failed} failures")

    def next_after(self, item: Any) -> Any:
        """The node to pass as the next item after the last one of a run."""
        return self._last(item.listchain())

    def prepare_item(self, item: Any) -> None:
        """A test is about to run, perhaps not for the first time."""
        _reset_item(item)
        self.tear_down_to(item)

    def end_run(self) -> None:
        """A run has ended, perhaps early: narrower fixtures may still be set up."""
        stack = list(self._session._setupstate.stack)
        if stack:
            node = self._last(stack)
            if node is not stack[-1]:
                self.tear_down_to(node)
        self._finish_failed()
        self.reads.add_modules()
        self._send_reads()

    def _finish_failed(self) -> None:
        """Finish the set-ups that failed: pytest would fail the tests of later runs with them."""
        for node, (_, failure) in list(self._session._setupstate.stack.items()):
            if failure is not None:
                self.tear_down_to(node.parent)
                break
        for definition in self._failed:
            cached = definition.cached_result
            if cached is not None and cached[2] is not None:
                with self.guarded():
                    self.finish(definition)
        self._failed.clear()

    def finish(self, definition: Any) -> None:
        """Finish one fixture, and those that depend on it."""
        for finalizers, _ in self._session._setupstate.stack.values():
            for finalizer in finalizers:
                function = finalizer.func if isinstance(finalizer, functools.partial) else None
                if getattr(function, "__self__", None) is definition:
                    finalizers.remove(finalizer)
                    finalizer()
                    return
        session = self._session
        definition.finish(SimpleNamespace(node=session, session=session, config=session.config))

    def tear_down_to(self, node: Any) -> None:
        """Tear down fixtures of earlier tests that `node` and its parents do not have."""
        with self.guarded():
            self._session._setupstate.teardown_exact(node)

    def tear_down_all(self) -> None:
        """Tear down everything at the end of the session, whose last test has its outcome."""
        with self._printed():
            self._session._setupstate.teardown_exact(None)

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """For finalizers that run between tests: if one fails, no test has failed."""
        with self._printed():
            yield
        after_fork.drain_capture(self._session.config)

    @contextmanager
    def _printed(self) -> Iterator[None]:
        """Print an exception: no test has it in its outcome."""
        try:
            yield
        except (KeyboardInterrupt, pytest.exit.Exception):
            raise
        except BaseException as error:
            manager = self._session.config.pluginmanager.get_plugin("capturemanager")
            with manager.global_and_fixture_disabled() if manager else nullcontext():
                lines = traceback.format_exception(type(error), error, error.__traceback__)
                sys.stderr.write("".join(lines))  # at once: other output comes between parts

    def _last(self, chain: list[Any]) -> Any:
        kept = [node for node in chain if _depth(node) <= self._deepest]
        return kept[-1] if kept else chain[0]


def _reset_item(item: Any) -> None:
    """Undo the changes of an item's earlier run: pytest expects to run an item only once."""
    marks = item.stash.get(_MARKS, None)
    if marks is None:
        item.stash[_MARKS] = list(item.own_markers)
        return
    item.own_markers[:] = marks
    item._report_sections.clear()
    item.user_properties.clear()
    # Each run of a method has an instance of its own.
    owner = getattr(item.parent, "obj", None)
    bound = getattr(getattr(item, "_obj", None), "__self__", None)
    if isinstance(owner, type) and isinstance(bound, owner):
        item._obj = None
        vars(item).pop("_instance", None)


_MARKS: pytest.StashKey[list[Any]] = pytest.StashKey()

# Applies a run's message to the session, whose items have these ids.
Prepare = Callable[[Any, Message, "dict[str, list[Any]]"], None]


class Resident:
    """Serves runs until the engine ends it."""

    def __init__(
        self,
        worker: Worker,
        session: Any,
        verdicts: VerdictBuilder,
        builder: NodeBuilder,
        snapshot: Snapshot,
    ) -> None:
        self._worker = worker
        self._session = session
        self._verdicts = verdicts
        self._builder = builder
        self._kept_fixtures = KeptFixtures(worker, session)
        self._modules = reload_modules.Modules(worker, session, snapshot, self._kept_fixtures)
        self._maxfail = session.config.option.maxfail
        self._by_id = builder.by_id(session.items)

    def serve(self, message: Message | None, prepare: Prepare) -> None:
        """Serve run after run; returns when the session must finish."""
        session = self._session
        while message is not None:
            self._reset_session()
            hold = message["hold"]
            self._kept_fixtures.configure(
                hold["scopes"], message.pop("maxfail", None) or self._maxfail
            )
            self._update_modules(message.get("ids") or [], hold["changed"])
            prepare(session, message, self._by_id)
            loop = RunLoop(self._worker, self._verdicts, self._by_id, self._kept_fixtures)
            loop.prepare(message, session.items)
            with self._kept_fixtures.reads.of_modules():
                loop.run(session)
            message = self._wait()
        self._kept_fixtures.tear_down_all()

    def _reset_session(self) -> None:
        """Undo the traces of the run before."""
        session = self._session
        for name in ("shouldstop", "shouldfail"):
            # Since pytest 8 the attribute itself can't be reset.
            private = f"_{name}"
            setattr(session, private if hasattr(session, private) else name, False)
        session.config.option.maxfail = 0
        os.chdir(self._worker.folder)

    def _update_modules(self, ids: list[str], changed: list[str]) -> None:
        """Forget test modules that changed, and collect those of `ids` that are missing."""
        if changed:
            self._modules.forget(changed)
            self._by_id = self._builder.by_id(self._session.items)
        here = {node_id.partition("::")[0] for node_id in self._by_id}
        wanted = dict.fromkeys(node_id.partition("::")[0] for node_id in ids)
        missing = [path for path in wanted if path not in here]
        if missing:
            self._worker.send({"t": "reread", **self._modules.collect(missing)})
            self._by_id = self._builder.by_id(self._session.items)

    def _wait(self) -> Message | None:
        """The next run; None if the engine ends this process."""
        while True:
            try:
                message = self._worker.channel.wait(None)
            except EngineGone:
                kill_and_exit()
            except KeyboardInterrupt:  # it is for tests, and none runs
                continue
            # A "stop" that arrives after the end of its run has nothing to stop.
            if message is not None and message["t"] == "exit":
                return None
            if message is not None and message["t"] == "run":
                return message
