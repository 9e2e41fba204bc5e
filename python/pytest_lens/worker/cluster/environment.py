"""Compares a node's Python, pytest and installed distributions with those at home.

Other versions may give other outcomes.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys
from typing import Any

Environment = dict[str, Any]

# Tools that install packages. Tests don't use them.
_INSTALLERS = {"pip", "uv", "wheel", "pytest-lens"}

# Variables that tests and plugins often depend on.
_VARIABLES = {"CI", "LANG", "TZ"}
_OF_THIS_MACHINE = {"PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "PYTHONPYCACHEPREFIX"}

# The most differences in a sentence.
_MOST = 4


def describe(root: str) -> Environment:
    """Return this interpreter's environment, without the distributions of the project in `root`."""
    versions: dict[str, str] = {}
    for found in importlib.metadata.distributions():
        name = (found.metadata["Name"] or "").lower().replace("_", "-")
        if name and name not in _INSTALLERS and not _is_of_project(found, root):
            versions.setdefault(name, found.version)
    return {"python": "{}.{}.{}".format(*sys.version_info), "distributions": versions}


class CurrentEnvironment:
    """This interpreter's environment, described again once something was installed or removed."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._folders: list[tuple[str, int]] = []
        self._described: Environment = {}

    def get(self) -> Environment:
        """Return the environment as it is now; the same object while it is unchanged."""
        # Each distribution has a folder or a file of its own in one of these.
        folders = [(path, _changed_at(path)) for path in sys.path]
        if folders != self._folders:
            self._described = describe(self._root)
            self._folders = folders
        return self._described


def _changed_at(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def _is_of_project(found: importlib.metadata.Distribution, root: str) -> bool:
    """Whether it is installed from a folder: its code is part of the snapshot."""
    try:
        origin = json.loads(found.read_text("direct_url.json") or "{}")
    except (OSError, ValueError):
        return False
    url = str(origin.get("url", ""))
    return url.startswith("file://") and f"{url[len('file://') :]}/".startswith(f"{root}/")


def source_folders(root: str) -> list[str]:
    """Return the project's folders on `sys.path`, relative to the root."""
    found = [path for path in sys.path if path.startswith(root + os.sep)]
    for finder in list(sys.meta_path):
        mapping = getattr(sys.modules.get(getattr(finder, "__module__", "")), "MAPPING", None)
        if isinstance(mapping, dict):
            targets = [str(path) for path in mapping.values()]
            found += [os.path.dirname(path) for path in targets if path.startswith(root + os.sep)]
    own = {os.path.relpath(path, root): None for path in found if "site-packages" not in path}
    return [path for path in own if not path.startswith(".venv")]


def variables() -> dict[str, str]:
    """Return the variables of this process that change what Python and pytest do, for the nodes."""
    wanted = ("PYTEST_", "PYTHON", "LC_")
    names = [name for name in os.environ if name.startswith(wanted) or name in _VARIABLES]
    return {name: os.environ[name] for name in names if name not in _OF_THIS_MACHINE}


def difference(home: Environment, here: Environment) -> str:
    """Return the differences that matter, as the rest of a sentence; empty if there are none."""
    if home["python"].split(".")[:2] != here["python"].split(".")[:2]:
        return f"Python {here['python']} instead of {home['python']}"
    ours, theirs = home["distributions"], here["distributions"]
    found = []
    for name, version in sorted(ours.items(), key=lambda item: (item[0] != "pytest", item)):
        if name not in theirs:
            found.append(f"no {name} (here {version})")
        elif theirs[name] != version:
            found.append(f"{name} {theirs[name]} instead of {version}")
    found += [f"{name}, a plugin of pytest" for name in _plugins() if name not in ours]
    rest = f", and {len(found) - _MOST} more" if len(found) > _MOST else ""
    return ", ".join(found[:_MOST]) + rest


def _plugins() -> list[str]:
    """The distributions whose plugins pytest loads by itself."""
    found = []
    for distribution in importlib.metadata.distributions():
        if any(entry.group == "pytest11" for entry in distribution.entry_points):
            name = (distribution.metadata["Name"] or "").lower().replace("_", "-")
            if name not in _INSTALLERS:
                found.append(name)
    return found
