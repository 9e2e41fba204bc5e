"""A stand-in for the engine: it starts real workers and talks to them over a real socket.

One thread reads each connection; the test thread waits for messages, always with a deadline.
"""

from __future__ import annotations

import atexit
import compileall
import contextlib
import functools
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Callable

from warm_python import WarmProcess, warm

WORKER = Path(__file__).resolve().parent.parent / "pytest_lens" / "worker"
DEADLINE = 30.0
UNWANTED = ("PYTEST_", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "COVERAGE")
Message = dict[str, Any]


@functools.cache
def compiled_worker() -> Path:
    """Return a folder for `sys.path` with the worker in it, compiled, as the real engine's cache
    holds it: to compile it takes as long as all else that an interpreter does until it is
    ready. Engines have links to it: to create and delete so many files takes long, too.
    """
    folder = Path(tempfile.mkdtemp(prefix="lens-worker"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    shutil.copytree(
        WORKER, folder / "_pytest_lens_worker", ignore=shutil.ignore_patterns("__pycache__")
    )
    compileall.compile_dir(str(folder), quiet=1)
    return folder


class Host:
    """One connected process."""

    def __init__(self, engine: Engine, connection: socket.socket, hello: Message) -> None:
        self.engine = engine
        self.name: str = hello["host"]
        self.pid: int = hello["pid"]
        self.hello = hello
        self.log: list[Message] = []
        self.closed = False
        self._seen = 0
        self._connection = connection

    def send(self, **message: Any) -> None:
        """Send one message."""
        data = json.dumps(message).encode()
        self._connection.sendall(struct.pack("<I", len(data)) + data)

    def hang_up(self) -> None:
        """Close the engine's end."""
        self._connection.shutdown(socket.SHUT_RDWR)

    def wait(self, kind: str, **matching: Any) -> Message:
        """Return the next message of a kind, skipping others; messages that end things fail the
        test.
        """
        fatal = {"fatal", "usage_error", "internal_error"} - {kind}

        def next_one() -> Message | None:
            while self._seen < len(self.log):
                message = self.log[self._seen]
                self._seen += 1
                if message["t"] == kind and all(message.get(k) == v for k, v in matching.items()):
                    return message
                if message["t"] in fatal:
                    raise AssertionError(f"{self.name}: {message}")
            if self.closed:
                raise AssertionError(f"{self.name} closed; no {kind} in {self.log}")
            return None

        message: Message = self.engine.until(next_one, f"{kind} from {self.name}")
        return message

    def wait_closed(self) -> None:
        """Wait until the process's connection is gone."""
        self.engine.until(lambda: self.closed or None, f"end of {self.name}")

    def all(self, kind: str) -> list[Message]:
        """Return the messages of a kind that arrived so far."""
        with self.engine.changed:
            return [message for message in self.log if message["t"] == kind]

    def nodes(self) -> list[Message]:
        """Return the collected items."""
        return [item for message in self.all("nodes") for item in message["items"]]


class Engine:
    """Listens, starts interpreters, and keeps their messages."""

    def __init__(
        self, root: Path, python: str = sys.executable, *, always_fresh: bool = False
    ) -> None:
        self.root = root
        self.always_fresh = always_fresh
        self.python = python
        self.state = Path(tempfile.mkdtemp(prefix="lens"))
        (self.state / "code").symlink_to(compiled_worker())
        for name in ("cache", "tmp"):
            (self.state / name).mkdir()
        self.changed = threading.Condition()
        self.hosts: dict[str, Host] = {}
        self.processes: list[subprocess.Popen[bytes] | WarmProcess] = []
        self._names = 0
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.state / "socket"))
        listener.listen(64)
        self._listeners = [listener]
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection: socket.socket) -> None:
        stream = connection.makefile("rb")
        host: Host | None = None
        while True:
            try:
                header = stream.read(4)
                body = stream.read(struct.unpack("<I", header)[0]) if len(header) == 4 else b""
            except OSError:
                body = b""
            with self.changed:
                if not body:
                    if host is not None:
                        host.closed = True
                    self.changed.notify_all()
                    return
                message = json.loads(body.decode("utf-8"))
                if host is None:
                    assert message["t"] == "hello" and message["token"] == "secret", message
                    host = self.hosts[message["host"]] = Host(self, connection, message)
                else:
                    host.log.append(message)
                self.changed.notify_all()

    def until(self, probe: Callable[[], Any], what: str) -> Any:
        """Return the first result of `probe` that is not None; probes after each message."""
        end = time.monotonic() + DEADLINE
        with self.changed:
            while True:
                found = probe()
                if found is not None:
                    return found
                left = end - time.monotonic()
                if left <= 0 or not self.changed.wait(left):
                    raise AssertionError(f"{what} did not come\n{self._everything()}")

    def _everything(self) -> str:
        return "\n".join(
            f"{name} {'closed' if host.closed else ''}: {[m['t'] for m in host.log]}"
            for name, host in self.hosts.items()
        )

    def host(self, name: str) -> Host:
        """Return a host by name, once it has sent hello."""
        found: Host = self.until(lambda: self.hosts.get(name), f"hello of {name}")
        return found

    def new_name(self, role: str) -> str:
        """Return a name that no host has had."""
        self._names += 1
        return f"{role}-{self._names}"

    def listen_on_loopback(self) -> str:
        """Listen on a port, too; returns its address."""
        listener = socket.create_server(("127.0.0.1", 0))
        self._listeners.append(listener)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        host, port = listener.getsockname()
        return f"{host}:{port}"

    def base(self, *, env: dict[str, str] | None = None, **boot: Any) -> Host:
        """Start an interpreter; returns its host, which may not be ready yet.

        It is a fork of one that has imported pytest, unless the engine's are always fresh, of
        another Python, or have variables that change how Python starts. `boot` goes into its boot
        message, except `prelude`: Python that runs before the worker.
        """
        prelude = boot.pop("prelude", "")
        name = self.new_name("base")
        settings = {
            "socket": str(self.state / "socket"),
            "token": "secret",
            "host": name,
            "root": str(self.root),
            "cache_dir": str(self.state / "cache"),
            "tmp_dir": str(self.state / "tmp"),
            "preload": [],
            "harmless": [],
            **boot,
        }
        code = (
            f"{prelude}\nimport sys;sys.path.insert(0,{str(self.state / 'code')!r});"
            "from _pytest_lens_worker.boot import main;main()"
        )
        full = {key: value for key, value in os.environ.items() if not key.startswith(UNWANTED)}
        full.update(env or {}, PYTEST_LENS_BOOT=json.dumps(settings))
        is_special = self.python != sys.executable or self._changes_start(full)
        is_warm = not (self.always_fresh or prelude or is_special)
        self.processes.append((self._warm if is_warm else self._fresh)(name, code, full))
        return self.host(name)

    def _changes_start(self, env: dict[str, str]) -> bool:
        """Whether variables change more of Python's start than `sys.path`."""
        folders = [self.root / folder for folder in env.get("PYTHONPATH", "").split(os.pathsep)]
        return any(name.startswith("PYTHON") and name != "PYTHONPATH" for name in env) or any(
            (folder / "sitecustomize.py").exists() for folder in folders
        )

    def _warm(self, name: str, code: str, env: dict[str, str]) -> WarmProcess:
        return warm(self.python).run(code, self.root, env, self.state / f"{name}.out")

    def _fresh(self, name: str, code: str, env: dict[str, str]) -> subprocess.Popen[bytes]:
        with open(self.state / f"{name}.out", "wb") as output:
            return subprocess.Popen(
                [self.python, "-c", code],
                cwd=self.root,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def output(self, base: Host) -> str:
        """Return the stdout and stderr of a base and its forks."""
        return (self.state / f"{base.name}.out").read_text()

    def fork(self, parent: Host, role: str, **options: Any) -> Host:
        """Ask a parked host for a fork."""
        name = self.new_name(role)
        purpose = options.pop("purpose", "run")
        message: Message = {"t": "fork", "host": name, "role": role, "purpose": purpose}
        if role != "runner":
            message["options"] = {
                "args": [],
                "arguments": [],
                "no_cov": True,
                "run_disabled": False,
                **options,
            }
        parent.send(**message)
        return self.host(name)

    def go_on(self, host: Host) -> Host:
        """Have a collected host run tests itself."""
        host.send(t="become", role="runner", host=host.name, options={})
        return host

    def become(self, base: Host, role: str, **options: Any) -> Host:
        """Turn a base into the host of one session; it keeps its connection."""
        base.send(
            t="become",
            role=role,
            purpose=options.pop("purpose", "run"),
            host=base.name,
            options={"args": [], "arguments": [], "no_cov": True, "run_disabled": False, **options},
        )
        return base

    def collected(self, **options: Any) -> Host:
        """Return a fresh base's collected host, once it has sent its nodes."""
        base = self.base()
        base.wait("ready")
        host = self.fork(base, "collected", **options)
        host.wait("collected")
        return host

    def close(self) -> None:
        """End everything."""
        for listener in self._listeners:
            listener.close()
        for host in list(self.hosts.values()):
            with contextlib.suppress(OSError):
                host.hang_up()
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
        shutil.rmtree(self.state, ignore_errors=True)


def start(host: Host, ids: list[str] | None, **settings: Any) -> None:
    """Send "run" with all tests fed at once."""
    count = settings.pop("count", 0) if ids is None else len(ids)
    host.send(
        **{
            "t": "run",
            "ids": ids,
            "feed": list(range(count)),
            "end": True,
            "maxfail": None,
            "timeout_ms": None,
            "run_disabled": False,
            "basetemp": str(host.engine.state / "tmp" / host.name),
            "worker": None,
            **settings,
        }
    )


def run(host: Host, ids: list[str] | None, **settings: Any) -> dict[str, Message]:
    """Run tests to the end in a runner or session; return the verdicts by id."""
    host.wait("runner_ready")
    start(host, ids, **settings)
    host.wait("done")
    verdicts = {}
    for message in host.all("finished"):
        name = ids[message["i"]] if ids is not None else str(message["i"])
        verdicts[name] = message
    return verdicts
