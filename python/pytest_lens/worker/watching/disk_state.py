"""Records of files, folders and names on disk, which the engine compares before each run.

The engine makes the same records (`disk_snapshot.rs`): both sides must read a folder and a name in
the same way.
"""

from __future__ import annotations

import stat as modes
from typing import Any

from ..config_files import CONFIG_FILES
from ..site_paths import is_cached_bytecode
from ..unpatched import hashlib, os, time

# Path, mtime and ctime in nanoseconds (no ctime: it means nothing), size, whether the stat alone
# shows later changes, SHA-256, device, inode.
Stat = list[Any]
CTIME, SIZE, DIGEST = 2, 3, 5

# Path, mtime and ctime, whether these alone show later changes, which names count, those names.
Folder = list[Any]

# A modification this close to its stat proves nothing: 2 s, the coarsest tick of file systems.
_RECENT_NS = 2_000_000_000

# Larger files are compared by their stat alone.
DIGEST_LIMIT = 8 << 20

# The real functions: `stat_watch` replaces those of `os` while a session collects.
real_stat = os.stat
real_lstat = os.lstat
real_access = os.access
real_open = os.open


def _counts(name: str, all_names: bool) -> bool:
    if name == "__pycache__" or name.endswith("~") or is_cached_bytecode(name):
        return False
    if all_names:
        return not name.startswith(".#") and not name.endswith((".swp", ".swo", ".swx"))
    # A hidden configuration of pytest changes everything when it appears.
    return not name.startswith(".") or name in CONFIG_FILES


def file_record(
    path: str, stat: os.stat_result, digest: str | None = None, times: bool = True
) -> Stat:
    """The record of a file, from a stat that was taken just now.

    Without `times` its ctime may change (another environment links to an installed file).
    """
    is_old = time.time_ns() - max(stat.st_mtime_ns, stat.st_ctime_ns) > _RECENT_NS
    ctime = stat.st_ctime_ns if times else None
    identity = [stat.st_dev, stat.st_ino]
    return [path, stat.st_mtime_ns, ctime, stat.st_size, is_old, digest, *identity]


def stat_of(path: str, times: bool = True) -> Stat | None:
    """The record of a file without a hash."""
    try:
        return file_record(path, real_stat(path), None, times)
    except (OSError, ValueError):
        return None


def with_digest(path: str) -> Stat | None:
    """The record of a file with the hash of its content now."""
    found = stat_of(path)
    if found is not None:
        add_digest(found)
    return found


def add_digest(record: Stat) -> None:
    """Add the hash of a file that other code read, if the file has not changed since."""
    if record[SIZE] > DIGEST_LIMIT:
        return
    try:
        with open(record[0], "rb") as file:
            data = file.read(DIGEST_LIMIT + 1)
            now = os.fstat(file.fileno())
    except OSError:
        return
    if [now.st_mtime_ns, now.st_ctime_ns, now.st_size] == record[1:4]:
        record[DIGEST] = hashlib.sha256(data).hexdigest()


def folder_record(path: str, names: str) -> Folder | None:
    """The record of a folder.

    `names` that count: "shown" ones, "all" but noise, or none of an "installed" folder, whose
    times are enough. Tools that copy folders put the mtime back, and nothing can set the ctime.
    """
    try:
        stat = real_stat(path)
        times = [stat.st_mtime_ns, stat.st_ctime_ns]
        is_old = time.time_ns() - max(times) > _RECENT_NS
        listed = [] if names == "installed" else os.listdir(path)
    except (OSError, ValueError):
        return None
    counted = sorted(name for name in listed if _counts(name, names == "all"))
    return [path, *times, is_old, names, counted]


def kind(mode: int) -> str:
    """The kind of something on disk: "file", "folder" or "other"."""
    if modes.S_ISREG(mode):
        return "file"
    return "folder" if modes.S_ISDIR(mode) else "other"


def name_record(path: str) -> list[str]:
    """The record of a name: its path and its kind, "none" if there is nothing."""
    try:
        return [path, kind(real_stat(path).st_mode)]
    except (OSError, ValueError):
        return [path, "none"]


def link_record(path: str) -> list[str]:
    """The record of a symbolic link: its path and its target."""
    try:
        return [path, f"link {os.readlink(path)}"]
    except (OSError, ValueError):
        return [path, "none"]
