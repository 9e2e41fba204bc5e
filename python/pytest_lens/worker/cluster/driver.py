"""The process between the engine and a Ray cluster: it passes snapshots and frames on.

Nothing of it decides about tests. Each runner has a connection of its own to the engine, as a
local one has. Ray carries the calls; the events of an actor have numbers, so that a call that
fails is made again from the last one known.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
import time
from pathlib import Path
from typing import Any, NoReturn

from .. import wire
from . import environment, hub
from .actors import Actors, ClusterError, Remote, last_line
from .home_files import Snapshots

Message = dict[str, Any]

# The longest wait of one call for events, in seconds.
_WAIT = 1.0

# How long an answer with events waits for further ones while a test runs, in seconds.
_GATHER = 0.1

# The same after the loss of an actor, as long as there are runners. The engine blames a test for
# losses if two runners were lost with it, so it has to know for certain which one was running.
_GATHER_AFTER_LOSS = 0.003

# An actor that has not answered for this long is lost, in seconds.
_SILENCE = 10.0

# How often the cluster's size is read while tests run, and otherwise, in seconds.
_SIZE_INTERVAL = 0.5
_IDLE_SIZE_INTERVAL = 10.0


def main() -> NoReturn:
    """Entry point of ``python -c``; ends when the engine goes."""
    boot = json.loads(os.environ.pop("PYTEST_LENS_BOOT"))
    channel = wire.Channel(wire.dial(boot["socket"]))
    hello = {"token": boot["token"], "host": boot["host"], "parent": None, "pid": os.getpid()}
    channel.send({"t": "hello", **hello})
    try:
        actors = Actors(boot)
    except ClusterError as error:
        channel.send({"t": "fatal", "code": "no_cluster", "message": str(error)})
        os._exit(1)
    try:
        with contextlib.suppress(wire.EngineGone):
            Driver(boot, channel, actors).serve()
    finally:
        actors.end()
        os._exit(0)


class Driver:
    """Serves the engine's requests, each runner in a thread."""

    def __init__(self, boot: Message, channel: wire.Channel, actors: Actors) -> None:
        self._boot = boot
        self._channel = channel
        self._sending = threading.Lock()
        self.actors = actors
        self.snapshots = Snapshots(boot["root"], Path(boot["cache_dir"], "ray-contents"))
        self._environment = environment.CurrentEnvironment(boot["root"])
        self.environment = self._environment.get()
        self.variables = environment.variables()
        self.source_folders = environment.source_folders(boot["root"])
        self._relays: dict[str, Relay] = {}
        self._is_used = threading.Event()
        self._cpus = 0
        self.gather = _GATHER

    def serve(self) -> None:
        """Serve until the engine closes the connection; raises `wire.EngineGone` then."""
        ready = {"cpus": self.actors.cpus(), "version": self.actors.version}
        self.send({"t": "cluster_ready", **ready})
        threading.Thread(target=self._watch_size, daemon=True).start()
        while True:
            message = self._channel.wait()
            if message is not None:
                self._take(message)

    def send(self, message: Message) -> None:
        """Send a message to the engine."""
        with self._sending:
            self._channel.send(message)

    def _take(self, message: Message) -> None:
        if message["t"] == "snapshot":
            moved = self.snapshots.take(
                message["id"], message["base"], message["changed"], message["removed"]
            )
            self.environment = self._environment.get()
            files, size = (0, 0) if moved else self.snapshots.size(message["id"])
            taken = {"id": message["id"], "moved": moved, "files": files, "bytes": size}
            self.send({"t": "snapshot_taken", **taken})
        elif message["t"] == "start_remote":
            relay = self._relays[message["host"]] = Relay(self, message, self._boot)
            self._is_used.set()
            relay.start()
        elif message["t"] == "kill_remote":
            doomed = self._relays.get(message["host"])
            if doomed is not None:
                doomed.kill()

    def forget(self, name: str, is_lost: bool) -> None:
        """A runner is over."""
        self._relays.pop(name, None)
        if is_lost:
            self.gather = _GATHER_AFTER_LOSS
        elif not self._relays:
            self.gather = _GATHER

    def _watch_size(self) -> None:
        while True:
            self._is_used.clear()
            with contextlib.suppress(Exception):  # Ray's own, while the head restarts
                self._look_at_cluster()
            if self._relays:
                time.sleep(_SIZE_INTERVAL)
            else:
                self._is_used.wait(_IDLE_SIZE_INTERVAL)

    def _look_at_cluster(self) -> None:
        cpus = self.actors.cpus()
        if cpus != self._cpus:
            self._cpus = cpus
            self.send({"t": "cluster_size", "cpus": cpus})
        if self._relays:
            draining = self.actors.draining()
            for relay in list(self._relays.values()):
                relay.drain(draining)
        self.actors.release_idle()


class Relay(threading.Thread):
    """The way of one runner: from its start on an actor to its exit."""

    def __init__(self, driver: Driver, order: Message, boot: Message) -> None:
        super().__init__(daemon=True)
        self.runner: str = order["host"]
        self._driver = driver
        self._order = order
        self._boot = boot
        self._remote: Remote | None = None
        self._connection: hub.Connection | None = None
        self._is_killed = False
        # Its runner's exit may be the last that comes from a node that goes.
        self._may_be_lost = False
        self._is_draining = False
        self._has_order = False
        self._sent = 0
        self._sending = threading.Lock()

    def run(self) -> None:
        """Carry the runner from its start to its end."""
        lost = failure = None
        try:
            self._remote = self._begin()
            failure = self._pass_events(self._remote)
        except ClusterError as error:
            lost = str(error)
        except Exception as error:  # Ray's own errors, of many kinds
            logging.getLogger(__name__).exception("a runner is lost")
            lost = f"{type(error).__name__}: {last_line(error)}"
        host = {"host": self.runner}
        if failure is not None:
            self._driver.send({"t": "fork_failed", **host, "message": failure})
        elif lost is not None:
            where = f" on {self._remote.place}" if self._remote is not None else ""
            text = f"was lost by the cluster{where} ({lost})"
            self._driver.send({"t": "lost_remote", **host, "message": text})
        self._close_connection()
        if self._remote is not None:
            has_failed = lost is not None or (failure is not None and not self._is_killed)
            is_usable = not has_failed and not self._is_draining
            self._driver.actors.give_back(self._remote, is_usable)
        self._driver.forget(self.runner, is_lost=self._may_be_lost or lost is not None)

    # The start

    def _begin(self) -> Remote:
        """Start the runner on an actor; an idle actor may have ended meanwhile."""
        while True:
            remote = self._driver.actors.take(lambda: self._is_killed)
            self._remote = remote
            try:
                self._bring_code(remote)
                self._start_runner(remote)
            except ClusterError:
                if not remote.was_used:
                    raise
                self._remote = None
                self._driver.actors.give_back(remote, is_usable=False)
            else:
                if self._is_killed:  # that kill may have come before the actor was known
                    remote.post("kill", self.runner)
                return remote

    def _bring_code(self, remote: Remote) -> None:
        snapshot, snapshots = self._order["snapshot"], self._driver.snapshots
        if not snapshots.knows(snapshot):
            raise ClusterError("many newer snapshots have taken the place of the run's own")
        base = remote.snapshot if snapshots.knows(remote.snapshot) else ""
        if base != snapshot:
            changes = snapshots.changes(snapshot, base)
            pieces = snapshots.pieces(snapshot, base) if base else b""
            missing = remote.call("update", snapshot, base, changes, pieces)
            if missing is None:
                base = ""
                missing = remote.call("update", snapshot, "", snapshots.changes(snapshot, ""), b"")
            if missing:
                pieces = snapshots.pieces(snapshot, base, missing)
                missing = remote.call("add", snapshot, pieces)
            if missing:
                raise ClusterError(f"{len(missing)} files of the snapshot did not arrive")
            remote.snapshot = snapshot

    def _start_runner(self, remote: Remote) -> None:
        wanted = (
            "snapshot",
            "is_shared",
            "options",
            "env",
            "preload",
            "unfit",
            "collect_limit",
        )
        order = {name: self._order[name] for name in wanted}
        order["runner"], order["node"] = self.runner, remote.place
        order["stacks"] = os.path.join(self._boot["tmp_dir"], f"stacks-{self.runner}")
        order["env"] = {**self._driver.variables, **order["env"]}
        order["environment"] = self._driver.environment
        order["python_path"] = self._driver.source_folders
        remote.call("start", order)

    # The events

    def _pass_events(self, remote: Remote) -> str | None:
        """Pass events on until the runner's exit. Returns why there is no runner, if that is so."""
        while True:
            known = remote.acknowledged
            timing = (_WAIT, self._driver.gather)
            for number, event in remote.call("exchange", known, *timing, limit=_SILENCE):
                if number <= remote.acknowledged:
                    continue
                remote.acknowledged = number
                if event[0] == "file":
                    _write(*event[1:])
                elif event[1] == self.runner:
                    kind, _, *rest = event
                    if kind == "failed":
                        return str(rest[0])
                    if kind == "exited":
                        self._tell_exit(*rest)
                        return None
                    self._pass(remote, kind, *rest)

    def _pass(self, remote: Remote, kind: str, frame: bytes = b"") -> None:
        if kind == "hello":
            self._connect(remote)
        elif kind == "closed":
            self._close_connection()
        elif kind == "frame" and self._connection is not None:
            self._connection.send(frame)

    def _tell_exit(self, code: int | None, signal: int | None) -> None:
        self._close_connection()
        self._may_be_lost = signal is not None and not self._is_killed
        exit_ = {"host": self.runner, "code": code, "signal": signal}
        self._driver.send({"t": "exited", **exit_})

    def _connect(self, remote: Remote) -> None:
        stream = wire.dial(self._boot["socket"])
        # The process is not of this machine: this one stands for it.
        self._connection = hub.Connection(stream, os.getpid())
        hello = {"t": "hello", "token": self._boot["token"], "host": self.runner}
        self._connection.send_message({**hello, "pid": os.getpid(), "node": remote.place})
        threading.Thread(target=self._pass_orders, args=(remote, stream), daemon=True).start()

    def _pass_orders(self, remote: Remote, stream: wire.Socket) -> None:
        frame: bytes | None = b""
        while frame is not None:
            frame = hub.read_frame(stream)
            with contextlib.suppress(Exception):  # a lost actor: the other thread notices it
                self._send_order(remote, frame or b"")
        stream.close()

    def _send_order(self, remote: Remote, frame: bytes) -> None:
        if b'"deadline_ns":' in frame:
            order = json.loads(frame)
            # The clocks of two machines differ.
            order["left_ns"] = order.pop("deadline_ns") - time.monotonic_ns()
            frame = json.dumps(order, separators=(",", ":")).encode()
        with self._sending:
            self._has_order = self._has_order or frame.startswith(b'{"t":"run"')
            self._sent += 1
            remote.post("send", self.runner, self._sent, frame)

    # The end

    def drain(self, nodes: set[str]) -> None:
        """Let the runner finish its test and start no more, if its node is about to go."""
        remote = self._remote
        if remote is None or self._is_draining or remote.node not in nodes:
            return
        if self._has_order:  # before that there is no test to finish
            self._is_draining = True
            self._send_order(remote, b'{"t":"stop"}')

    def kill(self) -> None:
        """Kill the runner's processes."""
        self._is_killed = True
        if self._remote is not None:
            with contextlib.suppress(Exception):  # a lost actor: the other thread notices it
                self._remote.post("kill", self.runner)

    def _close_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _write(path: str, offset: int, content: bytes) -> None:
    """Write a part of a mirrored file."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.seek(offset)
        file.write(content)
