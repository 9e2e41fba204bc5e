"""Whose doing it is, by the stack: the project's, a plugin's, or nobody's that matters.

What pytest and this package do is redirected or undone elsewhere. What a library does while it is
imported would happen in the warm interpreter too, once for all.
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

# Parts of the standard library that start programs to learn something of the machine.
_LOOKING = frozenset(("platform", "ctypes.util", "sysconfig", "locale"))


@dataclass
class Culprit:
    """Who did something: a place in the project, or a plugin."""

    place: str
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


def find(harmless: set[str], root: str, depth: int = 1) -> Culprit | None:
    """Who made the call that is `depth` frames above the caller's."""
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
            return None if _is_harmless(str(plugin), harmless) else Culprit(f"the plugin {plugin}")
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


def _in_project(frame: FrameType, root: str) -> Culprit:
    path, line = os.path.abspath(frame.f_code.co_filename), frame.f_lineno
    files = []
    above: FrameType | None = frame
    while above is not None:
        name = above.f_code.co_filename
        if _kind(name) == "project" and os.path.abspath(name) not in files:
            files.append(os.path.abspath(name))
        above = above.f_back
    return Culprit(f"{shown(path, root)}:{line}", path, line, tuple(files))


def shown(path: str, root: str) -> str:
    """A path as it is told: relative to the root where it is below it."""
    relative = os.path.relpath(path, root)
    return path if relative.startswith("..") else relative


def is_immediate(depth: int = 1) -> bool:
    """Whether the caller's caller is code of the project itself."""
    return _kind(sys._getframe(depth + 1).f_code.co_filename) == "project"


def _is_harmless(module: str, harmless: set[str]) -> bool:
    return module in harmless or module.split(".")[0] in harmless
