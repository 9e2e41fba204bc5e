"""Finds projects inside the project: folders whose own pytest configuration a session ignores.

`python -m pytest pkg/api/tests` takes `pkg/api` as its root; the session of the whole project does
not, so its settings (`pythonpath`, for example) are missing. The error of a failed import says so.
"""

from __future__ import annotations

import re
from typing import Any

from ..config_files import CONFIG_FILES
from ..unpatched import os

# The table that makes a file a configuration of pytest; other files need none.
_TABLES = {
    "pyproject.toml": r"^\[tool\.pytest[.\]]",
    "tox.ini": r"^\[pytest\]",
    "setup.cfg": r"^\[tool:pytest\]",
}


def hint(error: BaseException, path: str, root: str, in_force: Any) -> str:
    """Lines to add to the message of an import that fails in `path`, or "".

    `in_force`: the configuration file that the session has read.
    """
    if not issubclass(type(error), ImportError):
        return ""
    found = _nearest(path, root)
    if found is None or (in_force is not None and os.path.samefile(found, str(in_force))):
        return ""
    file = os.path.relpath(found, root)
    folder = os.path.dirname(file)
    return (
        f"\n{file} is a pytest configuration of its own, which a session in {root} does not read:"
        f" name {folder} in `projects` of [tool.pytest-lens] (in a terminal,"
        f" `pytest-lens run --root {folder}`), or set in the root's configuration what is missing"
    )


def _nearest(path: str, root: str) -> str | None:
    """The configuration nearest above `path`, in a folder below `root`."""
    folder = os.path.dirname(os.path.abspath(path))
    while folder.startswith(os.path.join(root, "")):
        for name in CONFIG_FILES:
            file = os.path.join(folder, name)
            if _holds(file, _TABLES.get(name, "")):
                return file
        folder = os.path.dirname(folder)
    return None


def _holds(file: str, pattern: str) -> bool:
    if not os.path.isfile(file):
        return False
    try:
        with open(file, encoding="utf-8", errors="replace") as text:
            return not pattern or bool(re.search(pattern, text.read(), re.MULTILINE))
    except OSError:
        return False
