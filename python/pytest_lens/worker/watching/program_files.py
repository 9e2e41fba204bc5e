"""The files that started programs and SQLite read for a project."""

from __future__ import annotations

import shlex
from typing import Any

from ..unpatched import os

EVENTS = frozenset(("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn"))


def files_of(event: str, args: tuple[Any, ...]) -> list[str]:
    """The files that a program is started with: itself, and those among its arguments."""
    folder = "."
    if event == "os.system":
        words = shlex.split(os.fsdecode(args[0]))
    elif event == "subprocess.Popen":
        program, words, folder = args[0], args[1], args[2] or "."
        if isinstance(words, (str, bytes)):
            words = shlex.split(os.fsdecode(words))
        words = [program, *words]
    else:
        first = 1 if event == "os.spawn" else 0
        words = [args[first], *args[first + 1]]
    paths = [_path(word, folder) for word in words]
    return [path for path in dict.fromkeys(paths) if path is not None and os.path.isfile(path)]


def _path(word: Any, folder: Any) -> str | None:
    try:
        return os.path.abspath(os.path.join(os.fsdecode(folder), os.fsdecode(word)))
    except TypeError:
        return None


def database_files(database: Any) -> list[str]:
    """The files of a SQLite database, by what `sqlite3.connect` was given."""
    name = os.fsdecode(database)
    if name.startswith("file:"):
        from urllib.parse import unquote  # loaded where it is needed: a project may look at that

        name = unquote(name[len("file:") :].partition("?")[0].partition("#")[0])
        if name.startswith("//"):  # a host, which is empty or this one
            name = name[name.index("/", 2) :]
    if name in ("", ":memory:"):
        return []
    path = os.path.abspath(name)
    return [path, path + "-journal", path + "-wal"]
