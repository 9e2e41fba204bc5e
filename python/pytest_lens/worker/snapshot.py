"""What a session read from disk while it collected: the engine compares it before each run.

An audit hook sees every file that Python opens and every folder that it lists; the pyc cache adds
what it read itself. Each file's stat is taken before it is read, so that a later change shows.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

from . import environ, places, stash
from .own import hashlib, os, time
from .preloading import preloadable
from .state import Worker
from .wire import Message

# Path, mtime and ctime in nanoseconds, size, whether the stat alone tells later changes, SHA-256.
Stat = list[Any]
_DIGEST = 5

# A time this close to the look at it proves nothing: 2 s, the coarsest tick of file systems in use.
_RECENT_NS = 2_000_000_000

_now = time.time_ns
_stat = os.stat
_listdir = os.listdir
_WRITES = os.O_WRONLY | os.O_RDWR
_IGNORED = ("/proc/", "/sys/", "/dev/")

# pytest's own files of that kind: one that comes changes everything.
_HIDDEN_CONFIGS = (".pytest.ini", ".pytest.toml")

_active: Snapshot | None = None
_hooked = False


def shown_names(names: list[str]) -> list[str]:
    """A folder's names that matter, sorted: no hidden ones, caches or editors' backups."""
    return sorted(
        name
        for name in names
        if (not name.startswith(".") or name in _HIDDEN_CONFIGS)
        and name != "__pycache__"
        and not name.endswith((".pyc", "~"))
    )


def _told(path: str, stat: os.stat_result, digest: str | None = None) -> Stat:
    """A file for the engine, from a stat that was taken just now."""
    settled = _now() - max(stat.st_mtime_ns, stat.st_ctime_ns) > _RECENT_NS
    return [path, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, settled, digest]


def stat_of(path: str) -> Stat | None:
    """A file's stat for the engine, without a hash."""
    try:
        return _told(path, _stat(path))
    except OSError:
        return None


def dir_of(path: str) -> Message | None:
    """A folder for the engine: path, mtime, whether that alone tells later changes, names."""
    try:
        mtime = _stat(path).st_mtime_ns
        settled = _now() - mtime > _RECENT_NS
        names = shown_names(_listdir(path))
    except (OSError, ValueError):
        return None
    return [path, mtime, settled, names]  # type: ignore[return-value]


def site_dirs() -> list[Any]:
    """The package folders: their mtime changes when something is installed or removed."""
    return [found for found in map(dir_of, places.package_dirs()) if found is not None]


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
        if path is not None and not places.is_stdlib(path) and not _ours(path):
            stat = stat_of(path)
            if stat is not None:
                found.append(stat)
    return found


_OUR_DIR = os.path.dirname(os.path.abspath(__file__)) + os.sep


def _ours(path: str) -> bool:
    return path.startswith(_OUR_DIR)


class Snapshot:
    """Records one session's reads, from :meth:`start` to :meth:`finish`."""

    def __init__(self, worker: Worker) -> None:
        root = worker.root
        self._root = root.rstrip(os.sep) + os.sep
        own = (worker.boot.cache_dir, worker.boot.tmp_dir)
        ours = tuple(os.path.abspath(path) + os.sep for path in own)
        self._ignored = _IGNORED + ours
        self._files: dict[str, Stat] = {}
        self._dirs: dict[str, Any] = {}
        self._before: set[str] = set()
        self._preloaded = worker.preloaded
        self._plugins = worker.plugin_packages
        self._busy = False
        self.environment = environ.Watch()

    def start(self) -> None:
        """Begin to watch this process."""
        global _active, _hooked
        self._before = set(sys.modules)
        if stash.current is not None:  # told by the base
            self._before |= stash.current.modules.keys()
        self._files, self._dirs = {}, {}
        self._note_dir(self._root.rstrip(os.sep))
        self.look_again()
        _active = self
        if not _hooked:
            _hooked = True
            sys.addaudithook(_audit)

    @staticmethod
    def look_again() -> None:
        """What was looked up in the project's folders is to be looked up, and seen, again."""
        for path in list(sys.path_importer_cache):
            if places.is_project(os.path.join(path, "")):
                del sys.path_importer_cache[path]

    def note_way_to(self, args: list[str]) -> None:
        """pytest has looked for a conftest in each folder on the way to its arguments.

        Where there was none, no file was opened: the folder's names tell when one comes.
        """
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
        """The pyc cache read a source file itself, and knows what was in it."""
        self._files[path] = _told(path, stat, digest)
        self._note_parent(path)

    @contextlib.contextmanager
    def reading_ourselves(self) -> Iterator[None]:
        """The hook need not look at what we read here, or at the cache."""
        before, self._busy = self._busy, True
        try:
            yield
        finally:
            self._busy = before

    def audited(self, event: str, args: tuple[Any, ...]) -> None:
        """One event of interest."""
        if self._busy:
            return
        self._busy = True
        try:
            if event == "open":
                self._opened(*args)
            elif event in ("os.listdir", "os.scandir"):
                self._listed(args[0])
            else:
                self.environment.changed(args[0])
        except Exception:  # an audit hook that raises would break what it watches
            pass
        finally:
            self._busy = False

    def _opened(self, path: Any, mode: str | None, flags: int) -> None:
        if isinstance(path, bytes):
            path = os.fsdecode(path)
        if not isinstance(path, str) or path.endswith(".pyc"):
            return
        if mode is not None and not mode.startswith("r"):
            return
        if flags & _WRITES and (mode is None or "+" in mode):
            return
        path = os.path.abspath(path)
        if path in self._files or path.startswith(self._ignored):
            return
        if not places.is_project(path):
            return  # installed files are told by module, below
        try:
            stat = _stat(path)
        except OSError:
            # Not there now; its folder's names will tell when it is.
            self._note_parent(path)
            return
        if stat.st_mode & 0o170000 != 0o100000:
            return
        self._files[path] = _told(path, stat)
        self._note_parent(path)

    def _listed(self, path: Any) -> None:
        if path is None:
            path = "."
        path = os.path.abspath(os.fsdecode(path))
        self._note_dir(path)

    def _note_parent(self, path: str) -> None:
        self._note_dir(os.path.dirname(path))

    def _note_dir(self, path: str) -> None:
        if path in self._dirs or not (path + os.sep).startswith(self._root):
            return
        if places.is_third_party(path + os.sep) or path.endswith("/__pycache__"):
            return
        with self.reading_ourselves():
            self._dirs[path] = dir_of(path)

    def finish(self) -> Message:
        """Stop watching; ``files``, ``dirs`` and ``third_party`` for the engine."""
        global _active
        _active = None
        state = self.so_far()
        new = self._new_modules()
        first_change = self.environment.first_change
        state["third_party"] = preloadable(self._preloaded, new, first_change, self._plugins)
        return state

    def so_far(self) -> Message:
        """``files`` and ``dirs`` for the engine, as they were when they were read."""
        for stat in module_stats(self._new_modules()):
            self._files.setdefault(stat[0], stat)
        with self.reading_ourselves():
            for stat in self._files.values():
                if stat[_DIGEST] is None and places.is_project(stat[0]):
                    self._hash(stat)
        return {
            "files": list(self._files.values()),
            "dirs": [found for found in self._dirs.values() if found is not None],
        }

    def _new_modules(self) -> list[str]:
        return [name for name in list(sys.modules) if name not in self._before]

    @staticmethod
    def _hash(stat: Stat) -> None:
        """Add the hash of a file that somebody else read, if it still is what it was then."""
        path = stat[0]
        try:
            with open(path, "rb") as file:
                data = file.read()
                now = os.fstat(file.fileno())
        except OSError:
            return
        if [now.st_mtime_ns, now.st_ctime_ns, now.st_size] == stat[1:4]:
            stat[_DIGEST] = hashlib.sha256(data).hexdigest()


_WATCHED = frozenset(("open", "os.listdir", "os.scandir", "os.putenv", "os.unsetenv"))


def _audit(event: str, args: tuple[Any, ...]) -> None:
    active = _active
    if active is not None and event in _WATCHED:
        active.audited(event, args)
