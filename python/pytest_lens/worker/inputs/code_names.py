"""Reads what a code object asks for from the names in it, and knows libraries that do so."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import CodeType

# Names by which code asks for line numbers.
_LINE_NAMES = frozenset(
    ("f_lineno", "tb_lineno", "co_firstlineno", "co_lines", "co_positions")
    + ("lineno", "end_lineno", "getlineno", "reportinfo")
)
# Names by which code asks for a file's existence, size or time, which raises no audit event.
_STAT_NAMES = frozenset(
    ("stat", "lstat", "access", "exists", "lexists", "samefile", "getsize", "readlink")
    + ("is_file", "is_dir", "is_symlink", "isfile", "isdir", "islink")
    + ("getmtime", "getctime", "getatime")
)
# Functions that start processes without an audit event, by name: the end of their path.
STARTERS = {
    "spawnv_passfds": "/multiprocessing/util.py",
    "connect_to_new_process": "/multiprocessing/forkserver.py",
}
# Functions of libraries that look for what a dotted name means: the end of their path, and the
# argument.
_RESOLVERS = {
    "BaseConfigurator.resolve": ("/logging/config.py", "s"),
    "resolve": ("/_pytest/monkeypatch.py", "name"),
}
RESOLVER = "resolve"


def asks_for_lines(code: CodeType) -> bool:
    """Whether code may ask for line numbers of sources."""
    return not _LINE_NAMES.isdisjoint(code.co_names)


def asks_for_files(code: CodeType) -> bool:
    """Whether code may ask for the existence, size or time of a file."""
    return not _STAT_NAMES.isdisjoint(code.co_names) or _is_strict(code)


def _is_strict(code: CodeType) -> bool:
    """Whether code resolves a path that has to exist."""
    resolves = "resolve" in code.co_names or "realpath" in code.co_names
    return resolves and any(type(kept) is tuple and "strict" in kept for kept in code.co_consts)


def starts_process(code: CodeType) -> bool:
    """Whether it is a function of a library that starts processes without an audit event."""
    end = STARTERS.get(code.co_name)
    return end is not None and code.co_filename.endswith(end)


def resolved_argument(code: CodeType) -> str | None:
    """The argument of a function of a library that looks for what a dotted name means."""
    path, argument = _RESOLVERS.get(code.co_qualname, ("", ""))  # type: ignore[attr-defined]
    return argument if path and code.co_filename.endswith(path) else None


def modules_in(code: CodeType) -> Iterator[str]:
    """The loaded modules that code names."""
    for name in code.co_names:
        if name in sys.modules:
            yield name
            yield from filter(sys.modules.__contains__, (f"{name}.{at}" for at in code.co_names))
