"""Records all that a session reads from disk while it collects; the engine compares it later.

An audit hook sees every file that Python opens and every folder that it lists; `stat_watch` sees
calls of `os.stat` and the like; the code cache adds the files that it reads itself. Each file's
stat is taken before the file is read, so a later change shows.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from .. import own_code, site_paths
from ..unpatched import os
from ..wire import Message
from . import audit_hook, disk_state, environ_changes, program_files
from .disk_state import DIGEST, Folder, Stat
from .stat_watch import StatWatch

WRITES = os.O_WRONLY | os.O_RDWR
IGNORED = ("/proc/", "/sys/", "/dev/")

_active: Snapshot | None = None
_watches = False
# The work of whichever snapshot is active.
_own_work = audit_hook.OwnWork()


def module_file(module: Any) -> str | None:
    """The file a module came from, if it came from one."""
    path = getattr(module, "__file__", None)
    if not isinstance(path, str):
        path = getattr(getattr(module, "__spec__", None), "origin", None)
    return path if isinstance(path, str) and os.path.isabs(path) else None


def module_stats(names: list[str]) -> list[Stat]:
    """Stats of loaded modules' files, the interpreter's own left out."""
    found = []
    for name in names:
        path = module_file(sys.modules.get(name))
        if path is not None and not site_paths.is_stdlib(path) and not _is_own(path):
            stat = disk_state.stat_of(path, times=site_paths.is_project(path))
            if stat is not None:
                found.append(stat)
    return found


def package_folders(known: set[str]) -> list[Folder]:
    """Folders of installed packages that the import system searched, without the `known` ones."""
    found = []
    for path in list(sys.path_importer_cache):
        if path not in known and site_paths.is_third_party(os.path.join(path, "")):
            folder = disk_state.folder_record(path, "installed")
            if folder is not None:
                found.append(folder)
    return found


def _is_own(path: str) -> bool:
    return path.startswith(own_code.FOLDER)


class Snapshot:
    """Records one session's reads, from :meth:`start` to :meth:`finish`."""

    def __init__(self, root: str, own: Iterable[str]) -> None:
        """`own`: the folders in which the engine and the worker keep their files."""
        self._root = root.rstrip(os.sep) + os.sep
        own_files = tuple(os.path.abspath(path) + os.sep for path in own)
        self._ignored = (*IGNORED, *own_files, own_code.FOLDER)
        self._clear()
        self._before: set[str] = set()
        self._searched: set[str] = set()
        self._stat_watch = StatWatch(self._saw, self._opened_in_folder, self._followed)
        self.environment = environ_changes.EnvironChanges()

    def _clear(self) -> None:
        self._files: dict[str, Stat] = {}
        # Files of which the session read only the stat.
        self._stats: dict[str, Stat] = {}
        self._dirs: dict[str, Folder | None] = {}
        self._names: dict[str, list[str]] = {}
        # Files that this process changed itself: they count as it left them.
        self._written: set[str] = set()

    def start(self, known: Iterable[str] = ()) -> None:
        """Begin to watch this process; `known`: modules that the base has reported."""
        global _active, _watches
        self._before = set(sys.modules) | set(known)
        self._searched = set(sys.path_importer_cache)
        self._clear()
        self._note_dir(self._root.rstrip(os.sep))
        self.forget_path_caches()
        _active = self
        if not _watches:
            _watches = True
            audit_hook.watch(_WATCHED, _audit, _own_work)
        self._stat_watch.start()

    @staticmethod
    def forget_path_caches() -> None:
        """Make the import system list the project's folders again, so that the snapshot sees it."""
        for path in list(sys.path_importer_cache):
            if site_paths.is_project(os.path.join(path, "")):
                del sys.path_importer_cache[path]

    def note_way_to(self, args: list[str]) -> None:
        """Note each folder between the root and the arguments: pytest looks for conftests there."""
        for arg in args:
            path = os.path.dirname(os.path.abspath(arg.split("::", 1)[0]))
            while (path + os.sep).startswith(self._root):
                self._note_dir(path)
                path = os.path.dirname(path)

    @property
    def is_recording(self) -> bool:
        """Whether the session still collects."""
        return _active is self

    def note_source(self, path: str, stat: os.stat_result, digest: str) -> None:
        """Note a source file that the code cache read, with the hash of its content."""
        self._files[path] = disk_state.file_record(path, stat, digest)
        if path.startswith(self._root):
            self._note_dir(os.path.dirname(path))

    @contextlib.contextmanager
    def reading_ourselves(self) -> Iterator[None]:
        """While it is open, the hook ignores what this thread reads."""
        with _own_work:
            yield

    def audited(self, event: str, args: tuple[Any, ...]) -> None:
        """Note one audit event."""
        if event == "open":
            self._opened(*args)
        elif event in ("os.listdir", "os.scandir"):
            self._listed(args[0])
        elif event in program_files.EVENTS:
            for path in program_files.files_of(event, args):
                self._read(path)
        elif event == "sqlite3.connect":
            for path in program_files.database_files(args[0]):
                self._look_or_read(path)
                self._written.add(path)
        elif event in CHANGES:
            self._written |= {os.path.abspath(os.fsdecode(path)) for path in args[: CHANGES[event]]}
        else:
            self.environment.changed(args[0])

    def _opened(self, path: Any, mode: str | None, flags: int) -> None:
        if isinstance(path, bytes):
            path = os.fsdecode(path)
        if not isinstance(path, str) or site_paths.is_cached_bytecode(path):
            return
        path = os.path.abspath(path)
        reads = mode.startswith("r") or "+" in mode if mode is not None else _reads(flags)
        if reads and (mode is None or not mode.startswith("w")):
            self._look_or_read(path)
        if flags & WRITES:
            self._written.add(path)

    def _opened_in_folder(self, path: str, flags: int) -> None:
        with self.reading_ourselves():
            self._opened(path, None, flags)

    def _look_or_read(self, path: str) -> None:
        if not self._read(path) and self._matters(path):
            self._names.setdefault(path, disk_state.name_record(path))

    def _read(self, path: str) -> bool:
        """Note a file that is read now; returns whether it exists."""
        if path in self._files:
            return True
        try:
            stat = disk_state.real_stat(path)
        except (OSError, ValueError):
            return False
        if disk_state.kind(stat.st_mode) == "file" and self._matters(path):
            self._files[path] = disk_state.file_record(
                path, stat, times=site_paths.is_project(path)
            )
        return True

    def _matters(self, path: str) -> bool:
        """Whether a path may change while the interpreter stays the same."""
        if path.startswith(self._ignored) or site_paths.is_stdlib(path):
            return False
        if site_paths.is_cached_bytecode(path):
            return False
        # Installers replace the folder as a whole: the record of its parent shows that.
        return not (site_paths.is_third_party(path) and site_paths.is_metadata(path))

    def _saw(self, path: str, stat: os.stat_result | None, existence: bool) -> None:
        """Note a path that `os.stat`, or a function that uses it, read."""
        if _own_work.is_active() or path in self._files or path in self._stats:
            return
        kind = disk_state.kind(stat.st_mode) if stat is not None else "none"
        only_there = existence or kind != "file"
        if (only_there and path in self._names) or not self._matters(path):
            return
        if stat is None or only_there:
            self._names[path] = [path, kind]
        else:
            self._stats[path] = disk_state.file_record(
                path, stat, times=site_paths.is_project(path)
            )

    def _followed(self, path: str) -> None:
        """Note a symbolic link that was read itself."""
        if not _own_work.is_active() and self._matters(path):
            self._names[path] = disk_state.link_record(path)

    def _listed(self, path: Any) -> None:
        if path is None:
            path = "."
        if isinstance(path, int):
            path = os.readlink(f"/proc/self/fd/{path}")
        path = os.path.abspath(os.fsdecode(path))
        self._note_dir(path, "all" if by_project(4) else "shown")

    def _note_dir(self, path: str, names: str = "shown") -> None:
        known = self._dirs.get(path)
        if known is not None and (names == "shown" or known[_NAMES] == "all"):
            return
        if not self._matters(os.path.join(path, "")) or path.endswith("/__pycache__"):
            return
        if site_paths.is_third_party(path + os.sep):
            if names != "all":
                return  # recorded with the folders that the import system searched
            names = "installed"
        with self.reading_ourselves():
            found = disk_state.folder_record(path, names)
            if found is None:
                self._names.setdefault(path, disk_state.name_record(path))
            else:
                self._dirs[path] = found

    def finish(self) -> Message:
        """Stop watching; returns what :meth:`so_far` does."""
        global _active
        self._stat_watch.stop()
        _active = None
        return self.so_far()

    def so_far(self) -> Message:
        """``files``, ``dirs`` and ``names`` for the engine, as the session read them."""
        with self.reading_ourselves():
            self._apply_own_changes()
            for stat in module_stats(self.new_modules()):
                self._files.setdefault(stat[0], stat)
            for path, stat in self._stats.items():
                self._files.setdefault(path, stat)
            for stat in self._files.values():
                read = stat[0] not in self._stats
                if stat[DIGEST] is None and read and site_paths.is_project(stat[0]):
                    disk_state.add_digest(stat)
            dirs = [found for found in self._dirs.values() if found is not None]
            return {
                "files": list(self._files.values()),
                "dirs": dirs + package_folders(self._searched),
                "names": [
                    record for record in self._names.values() if not self._is_implied(record)
                ],
            }

    def records(self) -> list[dict[str, Any]]:
        """All records, for another snapshot to :meth:`adopt`."""
        with self.reading_ourselves():
            self._apply_own_changes()
            return [self._files, self._stats, self._dirs, self._names]

    def adopt(self, records: list[dict[str, Any]]) -> None:
        """Add the records of a fork, which read for this session."""
        kept: list[dict[str, Any]] = [self._files, self._stats, self._dirs, self._names]
        for own, others in zip(kept, records):
            for path, record in others.items():
                own.setdefault(path, record)

    def _apply_own_changes(self) -> None:
        for path in self._written:
            for files in (self._files, self._stats):
                if files.pop(path, None) is None:
                    continue
                now = disk_state.stat_of(path)
                if now is not None:
                    files[path] = now
                else:
                    self._names[path] = disk_state.name_record(path)
            if path in self._names:
                self._names[path] = disk_state.name_record(path)
            parent = self._dirs.get(os.path.dirname(path))
            if parent is not None:
                self._dirs[parent[0]] = disk_state.folder_record(parent[0], parent[_NAMES])
        self._written.clear()

    def _is_implied(self, record: list[str]) -> bool:
        """Whether the record of a file or folder implies it."""
        path, kind = record
        if kind == "none":
            return os.path.basename(path) in _OF_PYTEST and self._is_seen_missing(path)
        if kind == "folder":
            return self._dirs.get(path) is not None
        return kind == "file" and path in self._files

    def _is_seen_missing(self, path: str) -> bool:
        """Whether the record of a folder shows that there is nothing at a path."""
        parent, name = os.path.split(path)
        known = self._dirs.get(parent)
        if known is not None:
            return known[_NAMES] != "installed" and name not in known[-1]
        return parent != path and self._is_seen_missing(parent)

    def new_modules(self) -> list[str]:
        """The modules that were imported since the session started."""
        return [name for name in list(sys.modules) if name not in self._before]


# The index of the names that count in the record of a folder.
_NAMES = 4

# Names that pytest itself looks for in each folder that it collects.
_OF_PYTEST = frozenset(("conftest.py", "__init__.py", "pyvenv.cfg", "history"))


def _reads(flags: int) -> bool:
    return not flags & os.O_WRONLY and not flags & os.O_TRUNC


def by_project(depth: int) -> bool:
    """Whether the project lists a folder, and not the import system or pytest.

    `depth`: the frames between this one and the one that lists.
    """
    frame: Any = sys._getframe(depth + 1)
    while frame is not None:
        path = frame.f_code.co_filename
        if path.startswith("<frozen importlib"):
            return False
        if not path.startswith("<frozen ") and not site_paths.is_stdlib(path):
            module = frame.f_globals.get("__name__", "")
            return not module.startswith(("_pytest.", "pluggy.", f"{own_code.PACKAGE}."))
        frame = frame.f_back
    return False


# Events of changes on disk, with how many of their arguments are paths.
CHANGES = {
    "os.remove": 1,
    "os.rename": 2,
    "os.truncate": 1,
    "os.mkdir": 1,
    "os.rmdir": 1,
    "os.link": 2,
    "os.symlink": 2,
    "os.utime": 1,
}
_WATCHED = frozenset(("open", "os.listdir", "os.scandir", "os.putenv", "os.unsetenv"))
_WATCHED |= {"sqlite3.connect", *program_files.EVENTS, *CHANGES}


def _audit(event: str, args: tuple[Any, ...]) -> None:
    active = _active
    if active is not None:
        active.audited(event, args)
