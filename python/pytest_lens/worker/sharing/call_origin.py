"""Finds the code that caused a call, by the stack: the project's or an unknown plugin's.

pytest and this package cause none: other code redirects or undoes their effects. Nor does a library
while it is imported: the same happens in the base, once for all sessions.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from types import FrameType

import _pytest
import pluggy

from .. import own_code, site_paths
from ..unpatched import os

_PYTEST = tuple(
    os.path.join(os.path.dirname(os.path.abspath(str(module.__file__))), "")
    for module in (_pytest, pluggy)
)

# Standard modules that start programs to read facts about the machine.
_LOOKING = frozenset(("platform", "ctypes.util", "sysconfig", "locale"))


@dataclass
class CallOrigin:
    """The cause of a call: a line of the project, or a plugin."""

    location: str
    path: str | None = None
    line: int | None = None
    # The project's files that led there.
    files: tuple[str, ...] = ()


_kinds: dict[str, str] = {}


def _kind(path: str) -> str:
    kind = _kinds.get(path)
    if kind is None:
        kind = _kinds[path] = _kind_of(path)
    return kind


def _kind_of(path: str) -> str:
    if path.startswith("<"):
        return "made"
    full = os.path.abspath(path)
    if full.startswith(own_code.FOLDER):
        return "ours"
    if full.startswith(_PYTEST):
        return "pytest"
    if site_paths.is_stdlib(full):
        return "stdlib"
    return "library" if site_paths.is_third_party(full) else "project"


def find(harmless: set[str], root: str, depth: int = 1) -> CallOrigin | None:
    """The cause of the call that is `depth` frames above the caller's; none if it is harmless."""
    frame: FrameType | None = sys._getframe(depth + 1)
    plugin: str | None = None
    while frame is not None:
        code = frame.f_code
        kind = _kind(code.co_filename)
        name = str(frame.f_globals.get("__name__", ""))
        if kind == "project":
            return _in_project(frame, root)
        if kind == "ours" or (kind == "pytest" and plugin is None):
            return None
        if kind == "pytest":
            return (
                None if _is_harmless(str(plugin), harmless) else CallOrigin(f"the plugin {plugin}")
            )
        if kind == "made" and code.co_name == "_write_atomic":
            return None  # bytecode
        if kind in ("stdlib", "library") and code.co_name == "<module>":
            return None
        if kind == "stdlib" and name in _LOOKING:
            return None
        if kind == "library":
            plugin = name
        frame = frame.f_back
    return None


def _in_project(frame: FrameType, root: str) -> CallOrigin:
    path, line = os.path.abspath(frame.f_code.co_filename), frame.f_lineno
    files = []
    above: FrameType | None = frame
    while above is not None:
        name = above.f_code.co_filename
        if _kind(name) == "project" and os.path.abspath(name) not in files:
            files.append(os.path.abspath(name))
        above = above.f_back
    return CallOrigin(f"{relative_path(path, root)}:{line}", path, line, tuple(files))


def relative_path(path: str, root: str) -> str:
    """A path relative to the root if it is below the root, else as it is."""
    relative = os.path.relpath(path, root)
    return path if relative.startswith("..") else relative


def is_immediate(depth: int = 1) -> bool:
    """Whether the caller's caller is code of the project itself."""
    return _kind(sys._getframe(depth + 1).f_code.co_filename) == "project"


def _is_harmless(module: str, harmless: set[str]) -> bool:
    return module in harmless or module.split(".")[0] in harmless
