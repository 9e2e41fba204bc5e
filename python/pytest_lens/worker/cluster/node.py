"""An actor's work on a node.

It keeps a copy of the project and a warm interpreter, and passes the frames of one runner on.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import threading
import time
from pathlib import Path
from typing import Any

from ..processes import process_tree
from . import environment, packs
from .environment import CurrentEnvironment, Environment
from .event_log import Event, EventLog
from .hub import Connection, Hub
from .interpreter import Interpreter, Refused
from .node_files import Contents, Copy
from .packs import Piece, Tree

Message = dict[str, Any]

# How often the output of a running test is read, in seconds.
_OUTPUT_INTERVAL = 0.1

# The longest part of an output file in one event, in bytes.
_PART = 1 << 20

# The exit of a runner is reported this long after it was seen, if its connection is still open: its
# last frames may be on their way. In seconds.
_LAST_FRAMES = 1.0

# How often a runner whose connection has ended is looked for, in seconds.
_END_INTERVAL = 0.25

# Its parent reports the end of a runner within this time, if the parent lives, in seconds.
_EXIT_REPORT = 2.0

_KILLED = "it was killed before it began"


class Node:
    """The driver calls it. Calls may come at the same time; each runner has its name for ever."""

    def __init__(self, folder: str, actor: str, home_root: str) -> None:
        shared = Path(folder).resolve()
        own = shared / actor
        self._lock = own_folder(own)
        self._contents = Contents(shared / "contents")
        self._copy = Copy(self._contents, own / "project" / os.path.basename(home_root))
        self._home_root = home_root
        self._environment = CurrentEnvironment(home_root)
        # The last environments that were compared and agreed: at home, and here.
        self._compared: tuple[Environment, Environment] | None = None
        self._events = EventLog()
        self._hub = Hub()
        self._interpreter = Interpreter(self._hub, self._copy.root, own, self._on_exit)
        self._trees: dict[str, Tree] = {}
        self._runner: _Runner | None = None
        # Runners to which a kill came, maybe before their start.
        self._killed: set[str] = set()
        self._starting = threading.Lock()
        self._folder = own

    # The code

    def update(self, snapshot: str, base: str, changes: bytes, pieces: bytes) -> set[str] | None:
        """Take a snapshot in: its changes from `base` (empty: the whole tree).

        Returns the digests of the contents that are not here; None if `base` is unknown.
        """
        if snapshot not in self._trees:
            changed: Tree
            removed: list[str]
            changed, removed = packs.unpacked(changes)
            if base and base not in self._trees:
                return None
            tree: Tree = {**self._trees.get(base, {}), **changed}
            for name in removed:
                tree.pop(name, None)
            # Two runs may use two snapshots in turns.
            self._trees = {**dict(list(self._trees.items())[-2:]), snapshot: tree}
        return self.add(snapshot, pieces)

    def add(self, snapshot: str, pieces: bytes) -> set[str]:
        """Take contents in. Returns the digests of those that the snapshot still lacks."""
        if pieces:
            found: list[Piece] = packs.unpacked(pieces)
            self._contents.add(found)
        return self._contents.missing(packs.digests(self._trees[snapshot]))

    # The runner

    def start(self, order: Message) -> None:
        """Make a runner for an order; events report it, or the reason why there is none."""
        threading.Thread(target=self._start, args=(order,), daemon=True).start()

    def _start(self, order: Message) -> None:
        name = order["runner"]
        with self._starting:
            try:
                if self._runner is not None:
                    self._runner.remove_files()
                self._copy.become(self._trees[order["snapshot"]])
                here = self._compare(order)
                translated = _translated(order, self._home_root, str(self._copy.root))
                measure = translated["options"].get("coverage")
                folders = None
                if measure:
                    folders = (str(self._folder / f"coverage-{name}"), str(measure["folder"]))
                    measure["folder"] = folders[0]
                self._interpreter.warm(translated, here)
                runner = _Runner(name, self._events, self._copy.root, self._home_root, self._folder)
                runner.coverage = folders
                runner.stacks = order["stacks"]
                self._runner = runner
                if name in self._killed:
                    raise Refused(_KILLED)
                session = self._interpreter.session(translated)
                if name in self._killed:
                    raise Refused(_KILLED)
                self._interpreter.fork(name, translated, session, runner.on_hello, runner.on_frame)
            except (Refused, OSError) as error:
                self._events.add("failed", name, str(error))
            except Exception as error:  # the driver waits for an event
                self._events.add("failed", name, f"{type(error).__name__}: {error}")

    def _compare(self, order: Message) -> Environment:
        """Return the environment of this node. Raises `Refused` if that at home is another."""
        home, here = order["environment"], self._environment.get()
        if self._compared != (home, here):
            differs = environment.difference(home, here)
            if differs:
                raise Refused(
                    f"the node {order['node']} has {differs}; make both environments the same, or "
                    "set `ray.packages` to install the packages"
                )
            self._compared = (home, here)
        return here

    def _on_exit(self, name: str, code: int | None, signal: int | None) -> None:
        runner = self._runner
        if runner is not None and runner.name == name:
            threading.Thread(target=runner.end, args=(code, signal), daemon=True).start()

    def exchange(self, acknowledged: int, wait: float, gather: float) -> list[tuple[int, Event]]:
        """Return the events after a number; waits up to `wait` seconds for the first.

        While a test runs, it waits up to `gather` seconds for the next.
        """
        return self._events.read(acknowledged, wait, gather, self._look, _OUTPUT_INTERVAL)

    def _look(self) -> None:
        if self._runner is not None:
            self._runner.look()

    def send(self, runner: str, number: int, frame: bytes) -> None:
        """Pass a frame on to the runner; `number` counts them from 1, as calls may overtake."""
        if self._runner is not None and self._runner.name == runner:
            self._runner.send(number, frame)

    def kill(self, runner: str) -> None:
        """Kill a runner's processes, or the session that is being collected for it."""
        self._killed.add(runner)
        if self._runner is not None and self._runner.name == runner and not self._runner.kill():
            self._interpreter.stop_collecting()


class _Runner:
    """One runner: its connection, and the files that are mirrored at home."""

    def __init__(
        self, name: str, events: EventLog, root: Path, home_root: str, folder: Path
    ) -> None:
        self.name = name
        # The folder of its coverage data here, and that at home.
        self.coverage: tuple[str, str] | None = None
        self._events = events
        self._root = root
        self._home_root = home_root
        self._folder = folder
        self._connection: Connection | None = None
        self._waiting: dict[int, bytes] = {}
        self._next = 1
        # Files here, each with its name at home and the size that was sent.
        self._mirrored: dict[str, tuple[str, int]] = {}
        self._output = ("", "")
        # The file at home for the stacks of a test that takes too long.
        self.stacks = ""
        self._lock = threading.RLock()
        self._closed = threading.Event()
        self._has_ended = False

    def on_hello(self, connection: Connection) -> None:
        """It has connected."""
        self._connection = connection
        self._events.add("hello", self.name)

    def on_frame(self, frame: bytes | None) -> None:
        """It has sent a frame, or its connection has ended."""
        with self._lock:
            if frame is None:
                self.send_rest()
                self._events.add("closed", self.name)
                self._closed.set()
                threading.Thread(target=self._await_end, daemon=True).start()
                return
            # A test runs: its outcome follows.
            is_start = b'"t":"started"' in frame[:64]
            if not is_start:
                self.look()
            if b'"artifacts":"' in frame or b'"stacks":"' in frame:
                frame = self._with_home_paths(frame)
            self._events.add("frame", self.name, self._at_home(frame), is_busy=is_start)

    def _with_home_paths(self, frame: bytes) -> bytes:
        message = json.loads(frame)
        stacks = message.get("stacks")
        if stacks:
            self._mirrored[stacks] = (self.stacks, 0)
            message["stacks"] = self.stacks
        folder = message.get("artifacts")
        if folder:
            home = self._output[1] + folder[len(self._output[0]) :]
            self._send_folder(folder, home)
            message["artifacts"] = home
        return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()

    def _at_home(self, frame: bytes) -> bytes:
        return frame.replace(_in_json(str(self._root)), _in_json(self._home_root))

    def _send_folder(self, folder: str, home: str) -> None:
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file():
                target = os.path.join(home, os.path.relpath(path, folder))
                self._events.add("file", target, 0, path.read_bytes())

    def look(self) -> None:
        """Send what was written to the mirrored files since the last look."""
        with self._lock:
            for path, (home, sent) in list(self._mirrored.items()):
                try:
                    if os.stat(path).st_size <= sent:
                        continue
                    with open(path, "rb") as file:
                        file.seek(sent)
                        while part := file.read(_PART):
                            self._events.add("file", home, sent, part)
                            sent += len(part)
                except OSError:
                    continue
                self._mirrored[path] = (home, sent)

    def send_rest(self) -> None:
        """Send what is written at a session's end."""
        self.look()
        with self._lock:
            coverage, self.coverage = self.coverage, None
        if coverage is not None and os.path.isdir(coverage[0]):
            _rename_measured_files(coverage[0], str(self._root), self._home_root)
            self._send_folder(*coverage)

    def end(self, code: int | None, signal: int | None) -> None:
        """Report its exit once, after all its frames."""
        if self._connection is not None:
            self._closed.wait(_LAST_FRAMES)
        self.send_rest()
        with self._lock:
            has_ended, self._has_ended = self._has_ended, True
        if not has_ended:
            self._events.add("exited", self.name, code, signal)

    def _await_end(self) -> None:
        """Report the end where its parent has ended, too, and can't."""
        assert self._connection is not None
        while os.path.exists(f"/proc/{self._connection.pid}") and not self._has_ended:
            time.sleep(_END_INTERVAL)
        time.sleep(_EXIT_REPORT)
        self.end(None, None)

    def remove_files(self) -> None:
        """Remove its temporary files; the next runner has its own."""
        shutil.rmtree(self._folder / "tmp" / self.name, ignore_errors=True)
        shutil.rmtree(self._folder / "output", ignore_errors=True)
        shutil.rmtree(self._folder / f"coverage-{self.name}", ignore_errors=True)

    def send(self, number: int, frame: bytes) -> None:
        """Pass frames on in their order; an empty one ends the connection."""
        with self._lock:
            self._waiting[number] = frame
            while (following := self._waiting.pop(self._next, None)) is not None:
                self._next += 1
                if not following:
                    self.close()
                    return
                if b'"t":"run"' in following[:32]:
                    following = self._run_here(following)
                if self._connection is not None:
                    self._connection.send(following)

    def _run_here(self, frame: bytes) -> bytes:
        """A run's order, with the paths and the clock of this machine."""
        order: Message = json.loads(frame)
        order["basetemp"] = str(self._folder / "tmp" / self.name)
        if order.get("output"):
            here = str(self._folder / "output" / self.name)
            os.makedirs(os.path.dirname(here), mode=0o700, exist_ok=True)
            self._output = (here, order["output"])
            for name in ("out", "err", "log"):
                self._mirrored[f"{here}.{name}"] = (f"{order['output']}.{name}", 0)
            order["output"] = here
        left = order.pop("left_ns", None)
        if left is not None:
            order["deadline_ns"] = time.monotonic_ns() + left
        return json.dumps(order).encode()

    def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            self._connection.close()

    def kill(self) -> bool:
        """Kill the process and all below it. Returns whether there is one."""
        if self._connection is None:
            return False
        process_tree.kill_trees([self._connection.pid])
        return True


def _translated(order: Message, home_root: str, root: str) -> Message:
    """An order whose options name paths of this node."""
    text = json.dumps(order["options"], ensure_ascii=False)
    pattern = re.escape(_in_json(home_root).decode()) + r"(?![\w.-])"
    here = _in_json(root).decode()
    return {**order, "options": json.loads(re.sub(pattern, lambda _: here, text))}


def own_folder(folder: Path) -> int:
    """Make an actor's folder, locked by the descriptor; removes those of ended actors."""
    shared = folder.parent
    shared.mkdir(parents=True, mode=0o700, exist_ok=True)
    for lock in shared.glob("*/lock"):
        with contextlib.suppress(OSError), open(lock) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock.parent, ignore_errors=True)
    # It appears with its lock: until then no other actor takes it for an abandoned one.
    making = folder.with_name(f".{folder.name}")
    making.mkdir(mode=0o700)
    held = os.open(making / "lock", os.O_WRONLY | os.O_CREAT, 0o600)
    fcntl.flock(held, fcntl.LOCK_EX)
    making.rename(folder)
    return held


def _in_json(path: str) -> bytes:
    return json.dumps(path, ensure_ascii=False)[1:-1].encode("utf-8", "replace")


def _rename_measured_files(folder: str, root: str, home_root: str) -> None:
    """Give the files in coverage data the names that they have at home."""
    import coverage
    from coverage.files import PathAliases

    aliases = PathAliases()
    aliases.add(root, home_root)
    for path in Path(folder).iterdir():
        before = coverage.CoverageData(str(path))
        before.read()
        renamed = coverage.CoverageData(str(path.with_name(f"{path.name}-home")))
        renamed.update(before, aliases)
        renamed.write()
        before.close()
        renamed.close()
        os.replace(path.with_name(f"{path.name}-home"), path)
