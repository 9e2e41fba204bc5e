"""The run loop of a runner or a session: takes indices from the engine, runs items, reports."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator
from typing import Any, NoReturn

import pytest

from ..processes import process_tree
from ..reports.hook_blame import is_a_hooks
from ..reports.verdict import VerdictBuilder
from ..state import Worker
from ..unpatched import os, time
from ..wire import EngineGone, Message, cut, process_id
from . import crash_repeats, earlier_tests, match_ids, timer_signals
from .overtime import Faults
from .rehearsal import rehearse
from .standard_descriptors import StandardDescriptors
from .touch_pages import touch_machinery
from .watchdog import Watchdog

# Exceptions that end a session on purpose.
ENDINGS = (
    KeyboardInterrupt,
    pytest.exit.Exception,
    pytest.Session.Failed,
    pytest.Session.Interrupted,
)

_NO_TESTS = int(pytest.ExitCode.NO_TESTS_COLLECTED)

# How long a fresh fork waits for "run" before it begins to prepare, in seconds.
_ORDERS_WITHIN = 0.01


# How often a runner looks for orders between short tests, in seconds: a look costs a tenth of one.
_LOOK_EVERY = 0.002


class Stop(Exception):
    """The engine wants no more tests from this process."""


class Broken(Exception):
    """An exception escaped from a test that ends pytest: this process ends, others go on."""


class RunLoop:
    """Runs the items of one "run" message, in the sequence in which the engine feeds them."""

    def __init__(
        self,
        worker: Worker,
        verdicts: VerdictBuilder,
        by_id: dict[str, list[Any]],
        kept_fixtures: Any = None,
    ) -> None:
        self._worker = worker
        # The fixtures that stay set up between the runs of a resident.
        self._kept_fixtures = kept_fixtures
        self._verdicts = verdicts
        self._by_id = by_id
        self._items: list[Any] = []
        self._ids: list[str] | None = None
        self._queue: deque[int] = deque()
        self._end = False
        # When it last looked for orders, by the monotonic clock.
        self._looked = 0.0
        self._timeout: float | None = None
        # The end of the whole run's time, by the monotonic clock.
        self._deadline: float | None = None
        self._stacks: Watchdog | None = None
        self._faults: Faults | None = None
        self._descriptors: StandardDescriptors | None = None
        # The tests that earlier sessions of the run have executed.
        self._earlier: list[Message] = []
        # Whether a test has failed.
        self._has_failed = False
        # The exit status that pytest has by the outcomes; None if something else ended the session.
        self.exit_status: int | None = None

    def wait_for_run(self, session: Any) -> Message | None:
        """The "run" message; None when the engine wants this process to end instead."""
        idle = self._get_ready(session)
        timeout: float | None = _ORDERS_WITHIN
        while True:
            try:
                message = self._worker.channel.wait(timeout)
                # No request yet: prepare in small steps.
                timeout = 0 if next(idle, idle) is None else None
            except EngineGone:
                kill_and_exit()
            except KeyboardInterrupt:  # it is for tests, and none runs
                continue
            if message is not None and message["t"] in ("exit", "stop"):
                return None
            if message is not None and message["t"] == "run":
                return message

    def _get_ready(self, session: Any) -> Iterator[None]:
        """Do in small steps what makes the first test quick."""
        self._worker.capture_files.open_unnamed(session.config, self._worker.boot.tmp_dir)
        yield
        yield from touch_machinery()
        rehearse(session)

    def prepare(self, message: Message, items: list[Any]) -> list[Any]:
        """Take the ids and the limits of a run; reports the ids that do not exist here.

        Returns the run's items.
        """
        ids = self._ids = message.get("ids")
        if ids is None:
            self._items = list(items)
        else:
            unwanted = set(message.get("unwanted") or ())
            missing = self._find(ids, unwanted, bool(message.get("same_files")))
            self._worker.send({"t": "missing", "indices": missing})
        crash_repeats.note_crashes(self._items, message.get("crashes") or ())
        self._earlier = message.get("earlier") or []
        self._take(message)
        if message.get("timeout_ms"):
            self._timeout = message["timeout_ms"] / 1000
        if message.get("deadline_ns"):
            self._deadline = message["deadline_ns"] / 1e9
        if self._timeout is not None or self._deadline is not None:
            self._stacks = self._open_stacks()
        return [item for item in self._items if item is not None]

    def _open_stacks(self) -> Watchdog:
        return Watchdog(stacks_path(self._worker))

    def _find(self, ids: list[str], unwanted: set[str], same_files: bool) -> list[int]:
        """Find the items of ids, also under other names; returns the indices that are missing."""
        taken: dict[str, int] = {}
        for node_id in ids:
            same = self._by_id.get(node_id, [])
            nth = taken.get(node_id, 0)
            taken[node_id] = nth + 1
            self._items.append(same[nth] if nth < len(same) else None)
        missing = {index: ids[index] for index, item in enumerate(self._items) if item is None}
        if missing and same_files:
            spare = [
                (name, item)
                for name, items in self._by_id.items()
                if name not in unwanted
                for item in items[taken.get(name, 0) :]
            ]
            for index, item in match_ids.match(missing, spare).items():
                self._items[index] = item
                del missing[index]
        return list(missing)

    def run(self, session: Any) -> None:
        """Run the items that the engine feeds, until the end, a stop or `maxfail`; send "done"."""
        reason, message = "end", None
        faults = Faults(session.config)
        are_kept = self._stacks is not None or faults.end_the_process()
        if faults.are_wanted() and are_kept and not self._worker.boot.terminal:
            if self._stacks is None:
                self._stacks = self._open_stacks()
            self._stacks.is_shared = True
            faults.begin(self._stacks)
            self._faults = faults
        self._descriptors = StandardDescriptors(session.config, self._stacks)
        error: BaseException | None = None
        timer_signals.hold()
        try:
            if self._earlier:
                self._has_failed = earlier_tests.report(session, self._earlier, self._by_id)
            while True:
                index = self._next()
                if index is None:
                    break
                following = self._items[self._queue[0]] if self._queue else None
                if following is None and self._kept_fixtures is not None:
                    following = self._kept_fixtures.next_after(self._items[index])
                self._run_one(index, following)
                if self._kept_fixtures is not None:
                    self._kept_fixtures.check()
                if session.shouldfail:
                    raise session.Failed(session.shouldfail)
                if session.shouldstop:
                    raise session.Interrupted(session.shouldstop)
        except Stop:
            reason = "stop"
        except session.Failed as failed:
            reason, message, error = "maxfail", str(failed), failed
        except session.Interrupted as interrupted:
            reason, message, error = "interrupted", str(interrupted), interrupted
        except (KeyboardInterrupt, pytest.exit.Exception) as interrupt:
            reason, error = "interrupted", interrupt
            message = str(interrupt) or type(interrupt).__name__
        finally:
            if self._stacks is not None:
                self._stacks.stop()
            faults.end()
        if error is None or reason == "maxfail":
            self.exit_status = int(self._has_failed) if self._has_items() else _NO_TESTS
        if reason == "end" and session.testsfailed and not self._has_failed:
            reason, message = "failed", "a hook counted a failure that belongs to no test"
            self.exit_status = 1
        done: Message = {"t": "done", "reason": reason}
        if isinstance(error, pytest.exit.Exception) and error.returncode is not None:
            done["exit_status"] = int(error.returncode)
        if message:
            done["message"] = cut(message)
        warned = self._worker.warnings.take()
        if warned:
            done["warnings"] = warned
        held = self._kept_fixtures is not None and reason != "interrupted"
        if held:
            self._kept_fixtures.end_run()
            done["held"] = True
        if self._stacks is not None:
            self._stacks.close()
        self._worker.send_timings()
        self._worker.send(done)
        timer_signals.end()
        if error is not None and not held:
            raise error

    def _run_one(self, index: int, following: Any) -> None:
        item = self._items[index]
        capture_files, measurement = self._worker.capture_files, self._worker.measurement
        started: Message = {"t": "started", "i": index, **capture_files.begin(index)}
        repeats = crash_repeats.allowed(item)
        if repeats:
            started["after_crash"] = repeats
        self._worker.send(started)
        if measurement is not None:
            measurement.test(item.nodeid if self._ids is None else self._ids[index])
        verdicts = self._verdicts
        verdicts.begin(item)
        self._worker.reads.test(item)
        recorder = self._worker.inputs
        if recorder is not None:
            recorder.begin(item)
        self._watch()
        began = time.perf_counter()
        crash: BaseException | None = None
        try:
            if self._kept_fixtures is not None:
                self._kept_fixtures.prepare_item(item)
            try:
                timer_signals.let()
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            finally:
                timer_signals.hold()
        except BaseException as error:
            crash = error
        took = time.perf_counter() - began
        if process_id() != self._worker.channel.pid:
            os._exit(1)  # a test forked and its child came back here
        if self._stacks is not None:
            self._stacks.stop()
        _flush()
        if measurement is not None:
            measurement.test("")
        verdict = verdicts.end(item, crash, took * 1000)
        self._has_failed = self._has_failed or verdict["outcome"] in ("failed", "error")
        slow = self._faults.take() if self._faults is not None else ""
        if slow:
            verdict["stderr"] = cut(verdict.get("stderr", "") + slow)
        self._worker.send_reads()
        inputs = recorder.end(index) if recorder is not None else None
        if inputs is not None:
            self._worker.channel.post(inputs)  # the outcome follows
        finished: Message = {"t": "finished", "i": index, **verdict, **capture_files.end()}
        intact = self._descriptors is None or self._descriptors.are_intact()
        intact = intact and "warnings" in sys.modules  # without it pytest runs no other test
        if intact and crash is None and self._next_follows(item.session):
            self._worker.channel.post(finished)
        else:
            self._worker.send(finished)
        if not intact:
            kill_and_exit()  # the next test would be blamed for it: another process runs that one
        if crash is not None:
            # By the type alone: a hostile exception can break `isinstance`.
            if issubclass(type(crash), ENDINGS) or is_a_hooks(crash.__traceback__):
                raise crash
            raise Broken(f"{item.nodeid} broke pytest") from None

    def _has_items(self) -> bool:
        return any(item is not None for item in self._items)

    def _next_follows(self, session: Any) -> bool:
        """Whether the start of the next test is about to be sent."""
        known = len(self._queue) > 1 or (self._end and self._queue)
        ends = session.shouldfail or session.shouldstop
        return bool(known) and not ends and self._kept_fixtures is None

    def _watch(self) -> None:
        """Write the stacks when time is up.

        At the end of the test's time this process ends; at the end of the run's the engine ends it.
        """
        if self._stacks is None:
            return
        left = None if self._deadline is None else self._deadline - time.monotonic()
        if self._timeout is not None and (left is None or self._timeout <= left):
            self._stacks.start(self._timeout, ends=True)
        elif left is not None:
            self._stacks.start(left, ends=False)

    def _next(self) -> int | None:
        """The next index to run, when the one after it is known (pytest needs `nextitem`)."""
        now = time.monotonic()
        if now - self._looked >= _LOOK_EVERY:
            self._looked = now
            self._receive(0)
        while len(self._queue) < 2 and not self._end:
            self._wait()
        return self._queue.popleft() if self._queue else None

    def _wait(self) -> None:
        timer = self._worker.timer
        span = timer.stopwatch.begin("wait") if timer is not None else None
        self._receive(None)
        if timer is not None:
            timer.stopwatch.end(span)

    def _receive(self, timeout: float | None) -> None:
        try:
            message = self._worker.channel.wait(timeout)
            while message is not None:
                if message["t"] in ("stop", "exit"):
                    raise Stop
                if message["t"] == "feed":
                    self._take(message)
                message = self._worker.channel.poll()
        except EngineGone:
            kill_and_exit()

    def _take(self, message: Message) -> None:
        fed = message["feed"] if message["t"] == "run" else message["indices"]
        self._queue.extend(index for index in fed if self._items[index] is not None)
        self._end = self._end or bool(message.get("end"))


def _flush() -> None:
    """Flush the output of a test that bypassed the capture, before its outcome is sent."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):  # a test may have closed or replaced it
            pass


def stacks_path(worker: Worker) -> str:
    """The file for the stacks of a test that runs out of time."""
    return process_tree.stacks_path(worker.boot.tmp_dir, process_id())


def kill_and_exit() -> NoReturn:
    """End now, with all children: the engine is gone, or this process is unusable."""
    process_tree.kill_trees(process_tree.children_of(os.getpid()))
    os._exit(70)
