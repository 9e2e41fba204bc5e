"""What one worker process knows about itself; the other modules are handed this object."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .output.capture_files import Streams
from .output.coverage_data import Measuring
from .output.recorded_warnings import Warned
from .preload.hidden_modules import Stash
from .unpatched import os
from .watching.file_reads import Reads
from .wire import Channel, Message, Socket, dial


@dataclass
class Boot:
    """What the engine said when it started the interpreter."""

    socket: str
    token: str
    host: str
    root: str
    cache_dir: str
    tmp_dir: str
    # The person who asked sits at this process's standard streams, as with plain pytest.
    terminal: bool = False
    preload: list[str] = field(default_factory=list)
    harmless: list[str] = field(default_factory=list)
    # Modules that are never imported in advance.
    unsafe: list[str] = field(default_factory=list)
    # Only from a process to itself, when it starts over (see `start_over`).
    connection: int | None = None
    resume: dict[str, Any] | None = None
    # The process above, see `keeper`; set by the process itself.
    keeper: int = 0

    @classmethod
    def parse(cls, raw: dict[str, Any]) -> Boot:
        """From the engine's JSON; unknown keys are for newer workers."""
        known = {name: raw[name] for name in cls.__dataclass_fields__ if name in raw}
        return cls(**known)


@dataclass
class Options:
    """What a session is asked to collect, and how."""

    args: list[str] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)
    no_cov: bool = False
    run_disabled: bool = False
    # Reports about the session as a whole are wanted: it runs all there is to run.
    reports: bool = False
    # What to measure; see `coverage_data`.
    coverage: dict[str, Any] | None = None
    # Wait for a debugger first; see `debugger`.
    debug: bool = False
    worker: dict[str, Any] | None = None

    @classmethod
    def parse(cls, raw: dict[str, Any] | None) -> Options:
        """From the engine's JSON; what is missing or null has its default."""
        raw = raw or {}
        known = {name: raw[name] for name in cls.__dataclass_fields__ if raw.get(name) is not None}
        return cls(**known)


@dataclass
class Worker:
    """One process: its boot message, its name and role, its connection."""

    boot: Boot
    channel: Channel
    host: str
    role: str = "base"
    options: Options = field(default_factory=Options)
    # Who wants the session: "run" its tests, "list" them, or "unasked".
    purpose: str = "run"
    preloaded: list[str] = field(default_factory=list)
    plugin_packages: set[str] = field(default_factory=set)
    # What was imported in advance, out of sight.
    stash: Stash | None = None
    # How the session starts over without it; see `start_over`.
    way_back: Any = None
    # Its session had an effect outside of its memory.
    has_acted: bool = False
    # Modules that had to be imported otherwise than in advance.
    unfit: list[str] = field(default_factory=list)
    streams: Streams = field(default_factory=Streams)
    measuring: Measuring | None = None
    warned: Warned = field(default_factory=Warned)
    reads: Reads = field(default_factory=lambda: Reads(os.getcwd()))

    @property
    def root(self) -> str:
        """The root as the process sees it (symlinks resolved, like pytest's own paths)."""
        return _root

    def send(self, message: Message) -> None:
        """Write a message to the engine."""
        self.channel.send(message)

    def send_reads(self) -> None:
        """Tell which files of the project were read since this was told last, and by whom."""
        message = self.reads.message()
        if message is not None:
            self.send(message)

    def connect(self, host: str, role: str, parent: str | None) -> None:
        """Become another host: a new connection that says so, then drop the old one."""
        old = self.channel
        self.host, self.role = host, role
        self.channel = greet(self.boot, dial(self.boot.socket), host, role, parent)
        old.close()


def greet(boot: Boot, connection: Socket, host: str, role: str, parent: str | None) -> Channel:
    """Say to the engine, on a new connection, who this is."""
    channel = Channel(connection)
    hello = {"token": boot.token, "host": host, "role": role, "parent": parent}
    channel.send({"t": "hello", "pid": channel.pid, **hello})
    return channel


_root = os.getcwd()
