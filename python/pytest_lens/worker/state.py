"""The state of one worker process, which the other modules share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .output.capture_files import CaptureFiles
from .output.coverage_data import CoverageMeasurement
from .output.recorded_warnings import RecordedWarnings
from .preload.hidden_modules import HiddenModules
from .unpatched import os
from .watching.file_reads import FileReads
from .wire import Channel, Message, Socket, dial

if TYPE_CHECKING:
    # It imports pytest, which an environment may lack.
    from .inputs.recorder import Inputs
    from .timings.timer import Timer


@dataclass
class Boot:
    """The message with which the engine starts an interpreter."""

    socket: str
    token: str
    host: str
    root: str
    cache_dir: str
    tmp_dir: str
    # The user's terminal is at this process's standard streams, as with plain pytest.
    terminal: bool = False
    # The folder in which sessions run, if that is not the root.
    folder: str = ""
    preload: list[str] = field(default_factory=list)
    harmless: list[str] = field(default_factory=list)
    # Modules that are never imported in advance.
    unsafe: list[str] = field(default_factory=list)
    # A process sends these two to itself when it starts over (see `start_over`).
    connection: int | None = None
    resume: dict[str, Any] | None = None
    # The pid of the keeper; the process itself sets it.
    keeper: int = 0

    @classmethod
    def parse(cls, raw: dict[str, Any]) -> Boot:
        """Reads the engine's JSON; ignores unknown keys, which newer workers know."""
        known = {name: raw[name] for name in cls.__dataclass_fields__ if name in raw}
        return cls(**known)


@dataclass
class Options:
    """The files a session collects, and how."""

    args: list[str] = field(default_factory=list)
    # The files of these: what it collects instead, unless the project may read the arguments.
    files: list[str] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)
    no_cov: bool = False
    run_disabled: bool = False
    # The session writes reports about itself as a whole: it runs all that there is to run.
    reports: bool = False
    # Earlier sessions of the run have measured coverage.
    appends: bool = False
    # Folders that belong to other projects.
    nested: list[str] = field(default_factory=list)
    # The options of a measurement; see `coverage_data`.
    coverage: dict[str, Any] | None = None
    # The session waits for a debugger first; see `debugger`.
    debug: bool = False
    worker: dict[str, Any] | None = None
    # Record what each test depends on; see `inputs`.
    record: bool = False
    # The engine runs tests for their records alone: values that its processes share do no harm.
    idle: bool = False
    # Measure where the time goes; see `timings`.
    timings: bool = False
    # Files whose import ended the process or never ended; see `session/importing.py`. None: nothing
    # is known to crash.
    crashed: list[dict[str, Any]] | None = None

    @classmethod
    def parse(cls, raw: dict[str, Any] | None) -> Options:
        """Reads the engine's JSON; a key that is missing or null has its default."""
        raw = raw or {}
        known = {name: raw[name] for name in cls.__dataclass_fields__ if raw.get(name) is not None}
        return cls(**known)


@dataclass
class Worker:
    """One process: its boot message, its name and role, its connection."""

    boot: Boot
    channel: Channel
    # The engine's name for it: `host` in messages.
    name: str
    role: str = "base"
    options: Options = field(default_factory=Options)
    # The purpose of the session: "run" its tests, "list" them, or "unasked".
    purpose: str = "run"
    preloaded: list[str] = field(default_factory=list)
    plugin_packages: set[str] = field(default_factory=set)
    # The modules that were imported in advance and that the project has not imported yet.
    hidden_modules: HiddenModules | None = None
    # How the session starts over without it; see `start_over`.
    restart: Any = None
    # Its session had an effect outside its memory.
    has_acted: bool = False
    # Modules that must not be imported in advance for this project.
    unfit: list[str] = field(default_factory=list)
    capture_files: CaptureFiles = field(default_factory=CaptureFiles)
    measurement: CoverageMeasurement | None = None
    warnings: RecordedWarnings = field(default_factory=RecordedWarnings)
    reads: FileReads = field(default_factory=lambda: FileReads(os.getcwd()))
    # Recorded only if the engine asks for it.
    inputs: Inputs | None = None
    # Measures only if the engine asks for it.
    timer: Timer | None = None

    @property
    def root(self) -> str:
        """The root as the process sees it (symlinks resolved, like pytest's own paths)."""
        return _root

    @property
    def folder(self) -> str:
        """The current folder of its sessions and their tests."""
        return self.boot.folder or _root

    def named(self, args: list[str]) -> list[str]:
        """Paths and ids of the root, as arguments in the folder of the session; none name all."""
        folder = self.boot.folder
        if not folder:
            return args
        parts = [arg.partition("::") for arg in args or ["."]]
        paths = [os.path.relpath(os.path.join(_root, path), folder) for path, _, _ in parts]
        return [path + colons + test for path, (_, colons, test) in zip(paths, parts)]

    def send(self, message: Message) -> None:
        """Write a message to the engine."""
        self.channel.send(message)

    def send_reads(self) -> None:
        """Report the files of the project that were read since the last report, and by what."""
        message = self.reads.message()
        if message is not None:
            self.send(message)

    def send_timings(self) -> None:
        """Report where the time of the collection or of the run went, if that was measured."""
        message = self.timer.stop() if self.timer is not None else None
        if message is not None:
            self.send(message)

    def connect(self, name: str, role: str, parent: str | None) -> None:
        """Take another name: open a connection under it, then close the old one."""
        old = self.channel
        self.name, self.role = name, role
        self.channel = greet(self.boot, dial(self.boot.socket), name, role, parent)
        old.close()


def greet(boot: Boot, connection: Socket, name: str, role: str, parent: str | None) -> Channel:
    """Introduce this process to the engine on a new connection."""
    channel = Channel(connection)
    hello = {"token": boot.token, "host": name, "role": role, "parent": parent}
    channel.send({"t": "hello", "pid": channel.pid, **hello})
    return channel


_root = os.getcwd()
