"""The actors of a cluster.

A runner's first need makes one, the next runs find it warm, and idle ones go.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sys
import time
import uuid
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Callable

from . import actor, package

Message = dict[str, Any]

# An actor that has had no runner for this long gives its CPU back, in seconds.
_IDLE_LIMIT = 300.0

# How long a cluster may take to accept a connection, in seconds.
_CONNECT_LIMIT = 5.0

# How long the bringing of code and other calls may take, in seconds.
_CALL_LIMIT = 300.0


# The pause before a call to an actor that can't be reached for the moment, in seconds.
_RETRY_INTERVAL = 0.2


class ClusterError(Exception):
    """The cluster can't be used; the sentence says why."""


def last_line(error: Exception) -> str:
    """Return the end of an error's text: Ray's begin with stacks of several processes."""
    lines = str(error).strip().splitlines()
    return lines[-1] if lines else ""


@dataclass
class Remote:
    """An actor."""

    handle: Any
    # The id of its node, and its name for people.
    node: str = ""
    place: str = ""
    # The last snapshot that it has received.
    snapshot: str = ""
    # The number of the last event that was taken from it.
    acknowledged: int = 0
    # It has had a runner before.
    was_used: bool = False
    idle_since: float = field(default_factory=time.monotonic)

    def call(self, name: str, *args: Any, limit: float = _CALL_LIMIT) -> Any:
        """Call a method of its `Node`, and return the result; `ClusterError` if it is lost.

        A call that does not reach the actor is made again, but for that which starts a runner: it
        may have reached it.
        """
        import ray

        until = time.monotonic() + limit
        while True:
            try:
                left = max(0.0, until - time.monotonic())
                return ray.get(self.handle.call.remote(name, *args), timeout=left)
            except ray.exceptions.ActorUnavailableError:
                if name == "start":
                    raise ClusterError("it can't be reached") from None
                time.sleep(_RETRY_INTERVAL)
            except ray.exceptions.GetTimeoutError:
                raise ClusterError(f"it has not answered for {limit:.0f} s") from None
            except ray.exceptions.RayActorError:
                raise ClusterError("it has ended") from None

    def post(self, name: str, *args: Any) -> None:
        """Call a method of its `Node` without waiting."""
        self.handle.call.remote(name, *args)


class Actors:
    """The connection to a cluster, and the actors on it. Raises `ClusterError` if there is none."""

    def __init__(self, boot: Message) -> None:
        self._boot = boot
        self._lock = Lock()
        self._idle: list[Remote] = []
        self._all: list[Remote] = []
        self._connect(boot.get("address") or "")
        import ray

        self.version = ray.__version__
        self._names = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes()}
        ray.cloudpickle.register_pickle_by_value(actor)
        key, files = package.package_files()
        self._key, self._files = key, ray.put(files)
        self._class = ray.remote(max_concurrency=16, num_cpus=1, scheduling_strategy="SPREAD")(
            actor.Actor
        )

    def _connect(self, address: str) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        # Under `uv run`, Ray would replace the nodes' interpreters.
        os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
        if not address or address.startswith("127."):
            # Otherwise Ray replaces the loopback address by one that other machines reach.
            os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        try:
            import ray
        except ImportError as error:
            if error.name != "ray":
                raise
            raise ClusterError(
                f"Ray is not installed for {sys.executable}: run `{sys.executable} -m pip install "
                "'pytest-lens[ray]'`, or set `executor` to `local`"
            ) from None
        _check(address)
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        options["address"] = address or "local"
        if not address:
            options["include_dashboard"] = False
        if self._boot.get("packages"):
            options["runtime_env"] = {"uv": self._boot["packages"]}
        try:
            ray.init(**options)
        except Exception as error:
            where = f"the Ray cluster at {address}" if address else "a Ray cluster on this machine"
            reason = " ".join(str(error).split())
            raise ClusterError(f"{where} can't be used: {reason}") from None

    def cpus(self) -> int:
        """Return the number of CPUs of all nodes."""
        import ray

        return int(ray.cluster_resources().get("CPU", 0))

    def draining(self) -> set[str]:
        """Return the ids of the nodes that are about to go."""
        import ray

        try:
            return set(ray._private.state.state.get_draining_nodes())
        except AttributeError:  # another version of Ray
            return set()

    def take(self, is_cancelled: Callable[[], bool]) -> Remote:
        """Return an idle actor, or a new one as soon as a node has room for it."""
        present = self._take_idle()
        if present is not None:
            return present
        import ray

        name = uuid.uuid4().hex[:12]
        handle = self._class.remote(self._key, self._files, name, self._boot["root"])
        remote = Remote(handle)
        with self._lock:
            self._all.append(remote)
        where = handle.where.remote()
        while not ray.wait([where], timeout=0.25)[0]:
            if is_cancelled():
                self.give_back(remote, is_usable=False)
                raise ClusterError("nobody waits for it any more")
            # Idle actors may have all the room that there is.
            present = self._take_idle()
            if present is not None:
                self.give_back(remote, is_usable=False)
                return present
        try:
            remote.node = ray.get(where)
        except ray.exceptions.RayError as error:
            self.give_back(remote, is_usable=False)
            needs = (
                "; for `ray.packages` each node needs pip, and virtualenv if its Python is in a "
                "virtual environment"
            )
            raise ClusterError(
                f"an actor can't be started: {last_line(error)}"
                f"{needs if self._boot.get('packages') else ''}"
            ) from None
        if remote.node not in self._names:
            self._names = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes()}
        remote.place = f"{self._names.get(remote.node, 'node')} ({remote.node[:8]})"
        return remote

    def _take_idle(self) -> Remote | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def give_back(self, remote: Remote, is_usable: bool) -> None:
        """A runner is over; its actor waits for the next one, or goes."""
        import ray

        with self._lock:
            if is_usable:
                remote.idle_since, remote.was_used = time.monotonic(), True
                self._idle.append(remote)
                return
            if remote in self._all:
                self._all.remove(remote)
        with contextlib.suppress(Exception):  # it is gone already
            ray.kill(remote.handle)

    def release_idle(self) -> None:
        """Let actors go that nobody has used for a while."""
        oldest = time.monotonic() - _IDLE_LIMIT
        with self._lock:
            old = [remote for remote in self._idle if remote.idle_since < oldest]
            self._idle = [remote for remote in self._idle if remote not in old]
        for remote in old:
            self.give_back(remote, is_usable=False)

    def end(self) -> None:
        """Let all actors go, and leave the cluster."""
        import ray

        for remote in list(self._all):
            self.give_back(remote, is_usable=False)
        with contextlib.suppress(Exception):
            ray.shutdown()


def _check(address: str) -> None:
    """Raise a sentence if nothing listens at the address: Ray itself would try for minutes."""
    if not address or address == "auto":
        return
    if "://" in address:
        raise ClusterError(
            f"the address {address!r} is of Ray's client, which can't be used; give HOST:PORT of "
            "the cluster's head"
        )
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise ClusterError(f"the address {address!r} is not HOST:PORT of a Ray cluster's head")
    try:
        socket.create_connection((host, int(port)), _CONNECT_LIMIT).close()
    except OSError as error:
        raise ClusterError(
            f"no Ray cluster answers at {address} ({error}); start one with `ray start --head`, or "
            "leave the address out for one on this machine"
        ) from None
