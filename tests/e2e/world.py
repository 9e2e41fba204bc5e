"""Where the tested binary lives: its environment, the projects it is given, its processes."""

from __future__ import annotations

import os
import select
import shutil
import sys
import tempfile
import textwrap
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

REPO = Path(__file__).resolve().parents[2]
SAMPLE = REPO / "tests" / "projects" / "sample"

#: How long anything may take, in seconds. Nothing comes near it: it only ends a hopeless wait.
DEADLINE = 60.0

#: Marks every process that a server starts, however it was started: the environment is inherited.
MARK = "PYTEST_LENS_E2E"


def binary() -> Path:
    """The binary under test: `PYTEST_LENS_BIN`, else the debug build."""
    path = Path(os.environ.get("PYTEST_LENS_BIN") or REPO / "target" / "debug" / "pytest-lens")
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: `cargo xtask test e2e` builds it")
    return path


@dataclass
class World:
    """One home for the binary: folders of its own, and nothing of the caller's settings."""

    home: Path
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    #: Short, as sockets live in it.
    runtime: tempfile.TemporaryDirectory[str] = field(
        default_factory=lambda: tempfile.TemporaryDirectory(prefix="lens-e2e-")
    )

    def env(self, **more: str) -> dict[str, str]:
        """The environment for the binary: these tests' interpreter is the active one."""
        prefix = Path(sys.executable).parent
        env = {
            "PATH": os.pathsep.join([str(prefix), os.environ.get("PATH", os.defpath)]),
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "VIRTUAL_ENV": sys.prefix,
            # The samples see pytest alone, as they would in an environment of their own.
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "XDG_CACHE_HOME": str(self.home / "cache"),
            "XDG_STATE_HOME": str(self.home / "state"),
            "XDG_RUNTIME_DIR": self.runtime.name,
            MARK: self.mark,
        }
        for name in ("TMPDIR", "PYTEST_LENS_LOG", "RUST_BACKTRACE"):
            if name in os.environ:
                env[name] = os.environ[name]
        env.update(more)
        return env

    def processes(self, part: str = "") -> dict[int, str]:
        """Living processes that descend from the binary in this world, by their command lines."""
        wanted = f"{MARK}={self.mark}".encode()
        found: dict[int, str] = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
                if state != "Z" and wanted in (folder / "environ").read_bytes().split(b"\0"):
                    found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
            except (OSError, IndexError):
                continue  # It ended while it was looked at.
        return {pid: line for pid, line in found.items() if part in line}

    def sockets(self) -> list[str]:
        """The files in the runtime folder: none, when nothing runs."""
        return sorted(path.name for path in Path(self.runtime.name).iterdir())

    def wait_until_gone(self, part: str = "") -> dict[int, str]:
        """Those of these processes that still run: none as soon as all have ended, otherwise at the
        deadline.
        """
        end = time.monotonic() + DEADLINE
        left = self.processes(part)
        while left and time.monotonic() < end:
            for pid in left:
                wait_for_exit(pid, end - time.monotonic())
            left = self.processes(part)
        return left


def wait_for_exit(pid: int, seconds: float) -> None:
    """Waits for the end of a process that need not be a child."""
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return
    try:
        select.select([handle], [], [], max(seconds, 0.0))
    finally:
        os.close(handle)


class Project:
    """A folder of Python files that are tested."""

    def __init__(self, root: Path, files: dict[str, str] | None = None) -> None:
        self.root = root.resolve()
        self.root.mkdir(parents=True, exist_ok=True)
        for path, text in (files or {}).items():
            self.write(path, text)

    @classmethod
    def sample(cls, root: Path) -> Project:
        """A copy of the demo's project."""
        shutil.copytree(SAMPLE, root, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        return cls(root)

    def write(self, path: str, text: str) -> str:
        """Writes a file, indented as is convenient; returns its text."""
        text = textwrap.dedent(text).lstrip("\n")
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return text

    def read(self, path: str) -> str:
        """The text of a file on disk."""
        return (self.root / path).read_text(encoding="utf-8")

    def uri(self, path: str = "") -> str:
        """The URI of a file, or of the project's folder."""
        return (self.root / path).as_uri()

    def line_of(self, path: str, part: str) -> int:
        """The 0-based line of the file on disk that holds this text."""
        return line_of(self.read(path), part)


def line_of(text: str, part: str) -> int:
    """The 0-based line that holds this text, which stands on one line only."""
    found = [number for number, line in enumerate(text.splitlines()) if part in line]
    assert len(found) == 1, f"{part!r} is on lines {found}"
    return found[0]


def path_of(uri: str) -> Path:
    """The path of a `file:` URI."""
    return Path(unquote(urlsplit(uri).path))
