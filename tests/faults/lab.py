"""A daemon over one suite: runs whose events are checked, its processes, its files."""

from __future__ import annotations

import argparse
import os
import signal
import sqlite3
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

from daemon import Client, Daemon
from world import DEADLINE, World, path_of


class Project(Protocol):
    """A project whose outcomes are known."""

    @property
    def root(self) -> Path:
        """Its folder."""

    def expected(self, paths: list[str]) -> dict[str, str]:
        """The outcome of each test in these files; in all, if there are none."""


_Project = TypeVar("_Project", bound=Project)

# Further outcomes of a test if a fault hit the run.
HIT = {"crashed", "not_run"}


class WrongError(Exception):
    """Something that must never happen."""


class GoneError(Exception):
    """The daemon is gone."""


@dataclass
class Run:
    """A run, by its events."""

    finals: dict[str, str] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    #: Files that could not be collected, and why.
    broken: dict[str, str] = field(default_factory=dict)
    status: str | None = None


class Lab(Generic[_Project]):
    """The daemon and two sessions: one asks, the other reads the events."""

    def __init__(
        self,
        folder: Path,
        suite: _Project,
        settings: dict[str, Any],
        venv: Path = Path(sys.prefix),
    ) -> None:
        self.suite, self.settings, self.venv = suite, settings, venv
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self.world = World(folder / "home")
        #: The counts of outcomes of the ended runs that the history must hold.
        self.recorded: list[int] = []
        self.runs: dict[str, Run] = {}
        self.start()

    def start(self) -> None:
        """Starts a daemon, and opens the project in it."""
        place = str(Path(self.world.runtime.name) / "faults.sock")
        env = {"TMPDIR": str(self.temporary), "VIRTUAL_ENV": str(self.venv)}
        self.daemon = Daemon(self.world, "--socket", place, env=env)
        self.open()

    def open(self) -> None:
        """Opens the project."""
        self.client, self.reader = self.daemon.client(), self.daemon.client()
        python = str(self.venv / "bin" / "python")
        self.context = self.client.open(self.suite.root, python)
        self.expect("config_ack", "configure_context", settings=self.settings)
        self.reader.open(self.suite.root, python)
        self.cursor = 0
        self.runs.clear()

    def expect(self, response: str, tag: str, **more: Any) -> dict[str, Any]:
        """A request about the project, and its answer."""
        return self._alive(self.client, response, tag, context_id=self.context, **more)

    def _alive(self, client: Client, response: str, tag: str, **more: Any) -> dict[str, Any]:
        try:
            answer = client.ask(tag, **more)
        except (OSError, AssertionError) as error:
            if self.daemon.process.poll() is None and isinstance(error, TimeoutError):
                raise WrongError(f"{tag} has no answer within {DEADLINE} s") from error
            raise GoneError from error
        if answer["type"] not in (response, "error"):
            raise WrongError(f"{tag}: {answer}")
        return answer

    def begin(self, paths: list[str], workers: int | None = None) -> str:
        """Requests a run; returns its id. A refusal raises."""
        answer = self.expect("run_started", "run_stream", node_ids=paths, workers=workers)
        if answer["type"] == "error":
            raise RefusedError(answer["message"])
        run_id: str = answer["run_id"]
        return run_id

    def read(self, wait_ms: int) -> None:
        """Takes in the next events, and checks what holds for any of them."""
        answer = self._alive(
            self.reader,
            "events",
            "get_events",
            context_id=self.context,
            cursor=self.cursor,
            wait_ms=wait_ms,
        )
        if answer["type"] == "error":
            raise WrongError(f"get_events: {answer}")
        self.cursor = answer["cursor"]
        for event in answer["events"]:
            if "runId" not in event:
                continue
            run = self.runs.setdefault(event["runId"], Run())
            for error in event.get("errors", ()):
                broken = path_of(error["uri"]).relative_to(self.suite.root.resolve())
                run.broken[str(broken)] = error["message"]
                run.messages.append(f"{broken}: {error['message'][:500]}")
            for one in event.get("outcomes", ()):
                if one.get("willRerun"):
                    continue
                if one["id"] in run.finals:
                    raise WrongError(
                        f"{one['id']} has two outcomes: {run.finals[one['id']]}, {one}"
                    )
                if run.status is not None:
                    raise WrongError(f"{one} comes after the end of its run")
                run.finals[one["id"]] = one["outcome"]
                run.messages.append(
                    f"{one['id']}: {one['outcome']}: {one.get('message', '')[:300]}"
                )
            if event["event"] == "runFinished":
                if run.status is not None:
                    raise WrongError(f"a run has two ends: {run.status}, {event}")
                run.status = event["status"]
                run.messages.append(str(event)[:1000])
                count = sum(outcome != "not_run" for outcome in run.finals.values())
                if count:
                    self.recorded.append(count)

    def end(self, run_id: str) -> Run:
        """Waits for the end of a run."""
        until = time.monotonic() + DEADLINE
        while self.runs.setdefault(run_id, Run()).status is None:
            if time.monotonic() > until:
                raise WrongError(f"the run does not end; known: {self.runs[run_id].finals}")
            self.read(2000)
        return self.runs[run_id]

    def check_run(self, paths: list[str], run: Run, *others: dict[str, str], hits: int = 0) -> None:
        """The outcomes are those of the construction; as many tests as faults may be hit."""
        allowed = [self.suite.expected(paths), *others]
        missing = set.intersection(*(set(one) for one in allowed)) - set(run.finals)
        unknown = set(run.finals) - set().union(*allowed)
        wrong = {
            test: (outcome, [one.get(test) for one in allowed])
            for test, outcome in run.finals.items()
            if outcome not in [one.get(test) for one in allowed]
        }
        crashed = [test for test, (outcome, _) in wrong.items() if outcome == "crashed"]
        others_hit = (
            {test for test, (outcome, _) in wrong.items() if outcome in HIT} if hits else set()
        )
        if missing or unknown or set(wrong) - others_hit or len(crashed) > hits:
            raise WrongError(
                f"missing {missing}, unknown {unknown}, wrong {wrong}:\n" + "\n".join(run.messages)
            )

    def check_all(self) -> None:
        """A run of everything, with no fault, has the outcomes of the construction."""
        for attempt in range(2):
            try:
                self.check_run([], self.end(self.begin([])))
                return
            except RefusedError as error:
                raise WrongError(f"without any fault: {error}") from error
            except GoneError:
                if attempt or self.daemon.process.poll() is None:
                    raise
                raise WrongError("the daemon has ended by itself") from None

    # Processes

    def tree(self) -> dict[int, int]:
        """Its processes, with their depth below the daemon; -1 for forks whose parent has ended."""
        pids = self.world.processes()
        parents = {pid: _parent(pid) for pid in pids}
        depths = {}
        for pid in pids:
            depth, above = 0, pid
            while above in parents and above != self.daemon.process.pid:
                depth, above = depth + 1, parents[above]
            depths[pid] = depth if above == self.daemon.process.pid else -1
        return depths

    def reopen(self) -> None:
        """Closes the project, which ends all its processes, and opens it again."""
        self.expect("shutdown_ack", "shutdown")
        until = time.monotonic() + DEADLINE
        while left := set(self.world.processes()) - {self.daemon.process.pid}:
            if time.monotonic() > until:
                shown = [(pid, _state(pid)) for pid in left]
                raise WrongError(f"processes outlive the project: {shown}")
            time.sleep(0.02)
        self.client.close()
        self.reader.close()
        self.open()

    # Files

    def check_history(self) -> None:
        """The history is sound, and holds each outcome of the last runs once."""
        (file,) = self._histories()
        until = time.monotonic() + DEADLINE
        while True:
            with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as connection:
                (sound,) = connection.execute("PRAGMA quick_check").fetchone()
                counts = connection.execute("SELECT count(*) FROM outcomes GROUP BY run").fetchall()
            connection.close()
            if sound != "ok":
                raise WrongError(f"the history is damaged: {sound}")
            missing = Counter(self.recorded) - Counter(count for (count,) in counts)
            if not missing:
                break
            if time.monotonic() > until:
                raise WrongError(f"runs of these numbers of outcomes are not recorded: {missing}")
            time.sleep(0.05)
        self.recorded.clear()

    def _histories(self) -> list[Path]:
        found = []
        for path in (self.world.home / "state").rglob("*"):
            if path.is_file() and path.open("rb").read(15) == b"SQLite format 3":
                found.append(path)
        return found

    def finish(self) -> None:
        """Ends the daemon: nothing may be left."""
        self.client.close()
        self.reader.close()
        if self.daemon.end() != 0:
            raise WrongError("the daemon does not end well")
        left = self.world.wait_until_gone()
        sockets = self.world.sockets()
        kept = sorted(path.name for path in self.temporary.iterdir())
        if left or sockets or kept != [f"lens-{os.getuid()}"]:
            raise WrongError(f"left: {left}, {sockets}, {kept}")


class RefusedError(Exception):
    """The engine does not run tests, and says why."""


def _state(pid: int) -> list[str]:
    """The state, parent, process group and session of a process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:4]
    except OSError:
        return []


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0


def begin_program(doc: str, unit: str, usual: int | float, **flags: str) -> argparse.Namespace:
    """Reads the arguments of a long program, `[COUNT] [--seed N]` and these flags; prints them.

    Returns `count`, how long it goes on, in this unit, `seed`, and the flags.
    """
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("count", metavar=unit, nargs="?", type=type(usual), default=usual)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    for name, about in flags.items():
        parser.add_argument(f"--{name}", action="store_true", help=about)
    options = parser.parse_args()
    # Its processes end with it, however it ends.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    print(f"{options.count} {unit}, seed {options.seed}", flush=True)
    return options
