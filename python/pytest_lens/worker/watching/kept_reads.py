"""Records what a process read that stays in it between runs: for kept fixtures and new modules.

The engine compares these files before the next run. If one differs, the process ends, with the
finalizers of its fixtures, and another one takes its place. The reads of a fixture are those from
the beginning to the end of its set-up, in all threads; those of a module, from its import to the
end of its code. Others do not count: tests read their files again. Nor do files that a
set-up writes itself, nor those in folders that it makes: they would end the process each time.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from .. import own_code, site_paths
from ..unpatched import os, tempfile
from ..wire import Message
from . import audit_hook, disk_state, program_files, snapshot
from .disk_state import CTIME, Folder, Stat
from .file_reads import IMPORT_SYSTEM

_READS = frozenset(("open", "os.listdir", "os.scandir", "sqlite3.connect", *program_files.EVENTS))
_WATCHED = _READS | snapshot.CHANGES.keys()


class KeptReads:
    """The reads of one process. Each path counts as it was first read."""

    def __init__(self, own: Iterable[str]) -> None:
        """`own`: the folders in which the engine and the worker keep their files."""
        own_files = [os.path.join(os.path.abspath(path), "") for path in own]
        self._ignored = (*snapshot.IGNORED, *own_files, own_code.FOLDER)
        self._own_work = audit_hook.OwnWork()
        # The fixtures that are being set up, one for the other.
        self._depth = 0
        self._modules: set[str] = set()
        # Sources as they were when they were opened: the code of a module may come from there.
        self._sources: dict[str, Stat] = {}
        # Paths that were reported.
        self._known: set[str] = set()
        # Files that a set-up wrote, and folders that it made, with a slash at the end.
        self._written: set[str] = set()
        self._made: set[str] = set()
        self._clear()

    def _clear(self) -> None:
        self._files: dict[str, Stat] = {}
        self._dirs: dict[str, Folder] = {}
        self._missing: set[str] = set()
        # The stats of databases before they were opened, perhaps to write to them.
        self._databases: dict[str, Stat | None] = {}

    def ignore(self, folder: str) -> None:
        """Leave out a folder for temporary files."""
        self._made.add(os.path.join(os.path.abspath(folder), ""))

    @contextmanager
    def of_modules(self) -> Iterator[None]:
        """While it is open, tests run, which may import modules."""
        self._modules = set(sys.modules)
        self._sources.clear()
        audit_hook.watch(_READS, self._audited_in_run, self._own_work)
        try:
            yield
        finally:
            audit_hook.forget(self._audited_in_run)

    @contextmanager
    def of_fixture(self) -> Iterator[None]:
        """While it is open, a fixture is set up, which may set others up."""
        if self._depth == 0:
            audit_hook.watch(_WATCHED, self._audited, self._own_work)
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if self._depth == 0:
                audit_hook.forget(self._audited)

    def add_modules(self) -> None:
        """Add the modules that are new in this run."""
        for name in list(sys.modules):
            path = None if name in self._modules else snapshot.module_file(sys.modules.get(name))
            if path is None or not self._matters(path):
                continue
            # One that a test wrote is gone with its folder.
            if os.path.exists(path) or not site_paths.is_temporary(path, tempfile.gettempdir()):
                known = self._sources.get(path)
                if known is not None:
                    self._files.setdefault(path, known)
                else:
                    self._read(path)

    def take(self) -> Message | None:
        """The new reads, once the outermost fixture is set up."""
        if self._depth:
            return None
        with self._own_work:
            self._leave_out_own_files()
            files = [stat for path, stat in self._files.items() if self._is_new(path)]
            for stat in files:
                if stat[CTIME] is not None:
                    disk_state.add_digest(stat)
        dirs = [self._as_left(found) for path, found in self._dirs.items() if self._is_new(path)]
        names = [[path, "none"] for path in sorted(self._missing) if self._is_new(path)]
        self._clear()
        if not (files or dirs or names):
            return None
        self._known.update(record[0] for record in (*files, *dirs, *names))
        return {"t": "kept_reads", "files": files, "dirs": dirs, "names": names}

    def _leave_out_own_files(self) -> None:
        """Leave out what the fixture has made, or a process that it has started."""
        for path, before in self._databases.items():
            now = disk_state.stat_of(path)
            if before is not None and now is not None and now[1:4] == before[1:4]:
                self._files.setdefault(path, before)
            elif now is not None or before is not None:
                self._written.add(path)
            elif path.endswith("-wal") and path[: -len("-wal")] in self._files:
                self._missing.add(path)
        self._written.update(filter(os.path.lexists, self._missing))

    def _is_new(self, path: str) -> bool:
        return path not in self._known and path not in self._written and not self._is_made(path)

    def _is_made(self, path: str) -> bool:
        return os.path.join(path, "").startswith(tuple(self._made))

    def _as_left(self, found: Folder) -> Folder:
        """The record of a folder, without what the fixture itself made or removed there."""
        path = found[0]
        changed = any(os.path.dirname(one) == path for one in self._written)
        changed = changed or any(os.path.dirname(one[:-1]) == path for one in self._made)
        return (disk_state.folder_record(path, "all") if changed else None) or found

    def _audited_in_run(self, event: str, args: tuple[Any, ...]) -> None:
        if self._depth:
            return
        if event == "open" and isinstance(args[0], str) and args[0].endswith((".py", ".pyc")):
            path = _source_of(os.path.abspath(args[0]))
            stat = disk_state.stat_of(path, times=site_paths.is_project(path))
            if stat is not None:
                self._sources.setdefault(path, stat)
        elif _is_importing():
            self._audited(event, args, 4)

    def _audited(self, event: str, args: tuple[Any, ...], depth: int = 3) -> None:
        """Note a read; `depth`: the frames from `_listed` to the one that reads."""
        if event == "open":
            self._opened(*args)
        elif event in ("os.listdir", "os.scandir"):
            self._listed(args[0], depth)
        elif event == "sqlite3.connect":
            for path in program_files.database_files(args[0]):
                if path not in self._databases and self._matters(path):
                    self._databases[path] = disk_state.stat_of(path)
        elif event in program_files.EVENTS:
            for path in program_files.files_of(event, args):
                self._read(path)
        else:
            changed = [os.path.abspath(os.fsdecode(one)) for one in args[: snapshot.CHANGES[event]]]
            if event == "os.mkdir" and not os.path.lexists(changed[0]):
                self._made.add(os.path.join(changed[0], ""))
            else:
                self._written.update(changed)

    def _opened(self, path: Any, _mode: Any, flags: int) -> None:
        if not isinstance(path, (str, bytes)):
            return
        path = os.path.abspath(os.fsdecode(path))
        if flags & snapshot.WRITES:
            self._written.add(path)
        else:
            self._read(_source_of(path))

    def _read(self, path: str) -> None:
        if path in self._files or path in self._missing or not self._matters(path):
            return
        try:
            stat = disk_state.real_stat(path)
        except (OSError, ValueError):
            self._missing.add(path)
            return
        if disk_state.kind(stat.st_mode) == "file":
            times = site_paths.is_project(path)
            self._files[path] = disk_state.file_record(path, stat, times=times)

    def _listed(self, path: Any, depth: int) -> None:
        if isinstance(path, int):
            path = os.readlink(f"/proc/self/fd/{path}")
        path = os.path.abspath(os.fsdecode(path or "."))
        if path in self._dirs or not self._matters(os.path.join(path, "")):
            return
        if snapshot.by_project(depth):
            found = disk_state.folder_record(path, "all")
            if found is not None:
                self._dirs[path] = found
            else:
                self._missing.add(path)

    def _matters(self, path: str) -> bool:
        if path.startswith(self._ignored) or site_paths.is_stdlib(path):
            return False
        return not (site_paths.is_third_party(path) and site_paths.is_metadata(path))


def _source_of(path: str) -> str:
    """The source of bytecode; any other path itself."""
    folder, name = os.path.split(path)
    if not name.endswith(".pyc") or os.path.basename(folder) != "__pycache__":
        return path
    return os.path.join(os.path.dirname(folder), name.partition(".")[0] + ".py")


def _is_importing() -> bool:
    """Whether the code of a module is running, or is read."""
    frame: Any = sys._getframe(2)
    while frame is not None:
        if frame.f_code.co_filename in IMPORT_SYSTEM:
            return True
        frame = frame.f_back
    return False
