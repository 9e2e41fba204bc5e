"""The disk as the engine is told of it: files, folders, and what a name stands for.

What is told here the engine looks at again before each run (`disk_snapshot.rs`), so both sides must
see a folder and a name alike.
"""

from __future__ import annotations

import stat as modes
from typing import Any

from ..unpatched import hashlib, os, time

# Path, mtime and ctime in nanoseconds (no ctime: it says nothing), size, whether the stat alone
# tells later changes, SHA-256, device, inode.
Stat = list[Any]
CTIME, SIZE, DIGEST = 2, 3, 5

# Path, mtime, whether that alone tells later changes, which names count, those names.
Folder = list[Any]

# A time this close to the look at it proves nothing: 2 s, the coarsest tick of file systems in use.
_RECENT_NS = 2_000_000_000

# Larger files are told by their stat alone.
DIGEST_LIMIT = 8 << 20

# pytest's own files of that kind: one that comes changes everything.
_HIDDEN_CONFIGS = (".pytest.ini", ".pytest.toml")

# Not what stands for them while a session collects (`stat_watch`).
real_stat = os.stat
real_lstat = os.lstat
real_access = os.access
real_open = os.open


def _counts(name: str, all_names: bool) -> bool:
    if name == "__pycache__" or name.endswith((".pyc", "~")):
        return False
    if all_names:
        return not name.startswith(".#") and not name.endswith((".swp", ".swo", ".swx"))
    return not name.startswith(".") or name in _HIDDEN_CONFIGS


def told(path: str, stat: os.stat_result, digest: str | None = None, times: bool = True) -> Stat:
    """A file for the engine, from a stat that was taken just now.

    Without `times` its entry may change (another environment links to an installed file).
    """
    settled = time.time_ns() - max(stat.st_mtime_ns, stat.st_ctime_ns) > _RECENT_NS
    ctime = stat.st_ctime_ns if times else None
    identity = [stat.st_dev, stat.st_ino]
    return [path, stat.st_mtime_ns, ctime, stat.st_size, settled, digest, *identity]


def stat_of(path: str, times: bool = True) -> Stat | None:
    """A file's stat for the engine, without a hash."""
    try:
        return told(path, real_stat(path), None, times)
    except (OSError, ValueError):
        return None


def with_digest(path: str) -> Stat | None:
    """A file for the engine, with the hash of what is in it now."""
    found = stat_of(path)
    if found is not None:
        add_digest(found)
    return found


def add_digest(told_before: Stat) -> None:
    """Add the hash of a file that somebody else read, if it still is what it was then."""
    if told_before[SIZE] > DIGEST_LIMIT:
        return
    try:
        with open(told_before[0], "rb") as file:
            data = file.read(DIGEST_LIMIT + 1)
            now = os.fstat(file.fileno())
    except OSError:
        return
    if [now.st_mtime_ns, now.st_ctime_ns, now.st_size] == told_before[1:4]:
        told_before[DIGEST] = hashlib.sha256(data).hexdigest()


def folder(path: str, names: str) -> Folder | None:
    """A folder for the engine.

    `names` that count: "shown" ones, "all" but noise, or none of an "installed" folder, whose
    time tells enough.
    """
    try:
        mtime = real_stat(path).st_mtime_ns
        settled = time.time_ns() - mtime > _RECENT_NS
        listed = [] if names == "installed" else os.listdir(path)
    except (OSError, ValueError):
        return None
    counted = sorted(name for name in listed if _counts(name, names == "all"))
    return [path, mtime, settled, names, counted]


def kind(mode: int) -> str:
    """What something on disk is: "file", "folder" or "other"."""
    if modes.S_ISREG(mode):
        return "file"
    return "folder" if modes.S_ISDIR(mode) else "other"


def look(path: str) -> list[str]:
    """What a name stands for, for the engine: path, and "none" where there is nothing."""
    try:
        return [path, kind(real_stat(path).st_mode)]
    except (OSError, ValueError):
        return [path, "none"]


def link(path: str) -> list[str]:
    """A symbolic link for the engine: path, and where it leads."""
    try:
        return [path, f"link {os.readlink(path)}"]
    except (OSError, ValueError):
        return [path, "none"]
