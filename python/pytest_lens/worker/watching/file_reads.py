"""Records which code read which file of the project: a changed file affects its readers' tests.

The snapshot holds the files that a session depends on as a whole; this module links each file to
its readers: the project's code on the stack, and the running test. A helper or a fixture counts as
a reader too, since other tests may get the content from it without reading the file again.
"""

from __future__ import annotations

import sys
from typing import Any, Callable

from .. import own_code, site_paths
from ..unpatched import os
from ..wire import Message
from . import audit_hook

# Stands for all files: a started process may read any.
ANY_FILE = "*"

_WATCHED = frozenset(
    (
        "open",
        "os.listdir",
        "os.scandir",
        "subprocess.Popen",
        "os.posix_spawn",
        "os.system",
        "os.fork",
        "sqlite3.connect",
    )
)

IMPORT_SYSTEM = ("<frozen importlib._bootstrap>", "<frozen importlib._bootstrap_external>")
# The import system reads files with these names to execute them; others are data.
CODE_SUFFIXES = (".py", ".pyc", ".pyw", ".so", ".pyd", ".dylib")
_SKIPPED = ("/.git/", "/__pycache__/", "/.pytest_cache/", "/.hypothesis/", "/node_modules/")
_SHELLS = ("sh", "bash", "dash", "zsh", "env", "make", "tox", "nox", "uv", "hatch", "poetry")
_MANY_FRAMES = 400
# With these, nothing is left of what a file had.
_MAKES_EMPTY = os.O_TRUNC | os.O_EXCL

# The reads of this process; a fork goes on with its own copy.
_current: FileReads | None = None


class FileReads:
    """The reads of one process that it has not reported yet."""

    def __init__(self, root: str) -> None:
        self._root = root.rstrip(os.sep) + os.sep
        self._seen: set[tuple[str, str | None]] = set()
        self._new: dict[str, set[str]] = {}
        self._is_project: dict[str, bool] = {}
        self._test: str | None = None
        # Called at once with each file or folder that is read.
        self.on_read: Callable[[str], None] | None = None

    def test(self, item: Any) -> None:
        """Set the test that runs from now on."""
        path = getattr(item, "path", None)
        self._test = None if path is None else str(path)

    def start(self) -> None:
        """Begin to watch this process."""
        global _current
        if _current is None:
            audit_hook.watch(_WATCHED, _audit, audit_hook.OwnWork())
        _current = self

    def message(self) -> Message | None:
        """The new reads, each path with its readers; the session itself if there are none."""
        new, self._new = self._new, {}
        reads = [[path, sorted(readers)] for path, readers in new.items()]
        return {"t": "reads", "reads": reads} if reads else None

    def seen(self, event: str, args: tuple[Any, ...]) -> None:
        """One event of interest."""
        for path in paths(event, args):
            self._note(path, event)

    def _note(self, path: Any, event: str) -> None:
        if path != ANY_FILE:
            path = os.path.abspath(os.fsdecode(path))
            if not path.startswith(self._root) or site_paths.is_cached_bytecode(path):
                return
            if not self._in_project(path):
                return
        key = (path, self._test)
        if key in self._seen:
            return
        listing = event in ("os.listdir", "os.scandir")
        is_data = not listing and path != ANY_FILE and not is_executed(path)
        importing, readers = self._readers(is_data)
        if importing and (listing or not path.endswith(".py")):
            return  # the import system looks for modules
        if self._test is not None and not (importing and readers):
            readers.add(self._test)
        if not readers and (listing or path == ANY_FILE):
            return  # pytest looks for tests, or this process forks
        readers.discard(path)
        self._seen.add(key)
        self._new.setdefault(path, set()).update(readers)
        if self.on_read is not None and path != ANY_FILE:
            self.on_read(path)

    def _readers(self, is_data: bool) -> tuple[bool, set[str]]:
        """Whether the import system reads, and the project's files on the stack.

        Data that it reads is for the code that asked for it, as by `pkgutil.get_data`.
        """
        frame: Any = sys._getframe(3)
        readers: set[str] = set()
        importing = False
        for _ in range(_MANY_FRAMES):
            if frame is None:
                break
            name = frame.f_code.co_filename
            if name in IMPORT_SYSTEM:
                importing = importing or not (readers or is_data)
            elif name.startswith(self._root) and self._in_project(name):
                readers.add(name)
                if importing:  # the others import this one
                    break
            frame = frame.f_back
        return importing, readers

    def _in_project(self, path: str) -> bool:
        known = self._is_project.get(path)
        if known is None:
            known = self._is_project[path] = is_of_project(path)
        return known


def is_executed(path: Any) -> bool:
    """Whether a file is opened to be executed, as far as its name and the import system show.

    That reads the text of a source as data if code asks a loader for it. Bytecode without a source
    counts as data: nothing else shows that it changed.
    """
    name = os.fsdecode(path)
    if name.endswith(".pyc") or not name.endswith(CODE_SUFFIXES):
        return False
    frame: Any = sys._getframe(1)
    is_importing = False
    while frame is not None:
        code = frame.f_code
        if code.co_filename in IMPORT_SYSTEM:
            if code.co_name in ("get_code", "exec_module"):
                return True
            is_importing = True
        elif not code.co_filename.startswith(own_code.FOLDER):
            break
        frame = frame.f_back
    return not is_importing


def is_of_project(path: str) -> bool:
    """Whether a file belongs to the project, and not to a tool that keeps its data there."""
    is_file = os.path.isabs(path) and site_paths.is_project(path)
    return is_file and not any(part in path for part in _SKIPPED)


def paths(event: str, args: tuple[Any, ...]) -> list[Any]:
    """The files and folders that an audit event reads; `ANY_FILE` for a started process."""
    if event == "open":
        path, mode, flags = args
        is_name = isinstance(path, (str, bytes, os.PathLike))
        writes = _only_writes(mode) if mode else bool(flags & (os.O_WRONLY | _MAKES_EMPTY))
        return [path] if is_name and not writes else []
    if event in ("os.listdir", "os.scandir"):
        return ["." if args[0] is None else args[0]] if not isinstance(args[0], int) else []
    if event == "sqlite3.connect":
        return [_database(args[0])]
    if event in ("os.system", "os.fork"):
        return [ANY_FILE]
    return [ANY_FILE] if may_read_any(args[0]) else []


def _database(name: Any) -> Any:
    """The file of a database that is named by its path or by a `file:` URI."""
    if not isinstance(name, str) or not name.startswith("file:"):
        return name
    from urllib.parse import unquote, urlsplit  # a project may look at what is loaded

    return unquote(urlsplit(name).path) or name


def _only_writes(mode: str) -> bool:
    return mode[0] in "wx" or (mode[0] == "a" and "+" not in mode)


def may_read_any(program: Any) -> bool:
    """Whether a program may run the project's code: an interpreter, a shell, a script.

    A compiler or git, which libraries start to get a version, can't.
    """
    path = os.fsdecode(program)
    name = os.path.basename(path)
    if name.startswith(("python", "pypy", "pytest")) or name in _SHELLS:
        return True
    scripts = os.path.dirname(sys.executable)
    return os.path.dirname(path) == scripts or os.path.isfile(os.path.join(scripts, name))


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if _current is not None:
        _current.seen(event, args)
