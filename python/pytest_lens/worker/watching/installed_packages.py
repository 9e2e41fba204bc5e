"""Records the interpreter and its installed packages, as a base found them.

Every fork of a base depends on them, so the engine compares them before each run.
"""

from __future__ import annotations

import sys
from typing import Any

from .. import site_paths
from ..unpatched import os
from ..wire import Message
from . import disk_state, snapshot
from .disk_state import Folder, Stat

# Files from which version managers read which `python` to start.
_VERSION_FILES = (".python-version", ".tool-versions")


def state(root: str) -> Message:
    """``files``, ``dirs`` and ``names`` for the engine."""
    files: list[Stat] = snapshot.module_stats(sorted(set(sys.modules)))
    dirs: list[Folder] = []
    names: list[list[str]] = []

    def read(path: str) -> None:
        found = disk_state.with_digest(path)
        if found is not None:
            files.append(found)
        else:
            names.append(disk_state.name_record(path))

    interpreter = disk_state.stat_of(sys.executable, times=False)
    if interpreter is not None:
        files.append(interpreter)
    read(os.path.join(sys.prefix, "pyvenv.cfg"))
    for name in _VERSION_FILES:
        read(os.path.join(root, name))
    for path in site_paths.package_dirs():
        found = disk_state.folder_record(path, "installed")
        if found is None:
            names.append(disk_state.name_record(path))
            continue
        dirs.append(found)
        path_files = (name for name in os.listdir(path) if name.endswith(".pth"))
        for path_file in sorted(os.path.join(path, name) for name in path_files):
            read(path_file)
            names += _missing_targets(path, path_file)
    dirs += snapshot.package_folders({found[0] for found in dirs})
    return {"files": files, "dirs": dirs, "names": names}


def _missing_targets(folder: str, path_file: str) -> list[Any]:
    """Missing folders that a `.pth` file names: they join `sys.path` once they exist."""
    try:
        with open(path_file, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        return []
    names = [line.rstrip() for line in lines if line.strip() and not line.startswith("#")]
    names = [name for name in names if not name.startswith(("import ", "import\t"))]
    paths = (os.path.abspath(os.path.join(folder, name)) for name in names)
    records = [disk_state.name_record(path) for path in paths]
    return [record for record in records if record[1] == "none"]
