"""Notices the first change that the project makes to the environment while it is imported.

Modules imported after that may depend on it: a base, which does not run the project, can't import
them in advance.
"""

from __future__ import annotations

import sys
from typing import Any

from .. import own_code, site_paths
from ..unpatched import os

# Variables that pytest itself sets.
_OURS = (b"PYTEST_VERSION", b"PYTEST_CURRENT_TEST")


class EnvironChanges:
    """Remembers which modules were loaded at the first change."""

    def __init__(self) -> None:
        self.first_change: list[str] | None = None

    def changed(self, key: Any) -> None:
        """A variable is about to be set or removed."""
        if self.first_change is not None or os.fsencode(key) in _OURS:
            return
        if not _by_installed_package():
            self.first_change = list(sys.modules)


def _by_installed_package() -> bool:
    """Whether an installed package makes the change while it is imported."""
    frame: Any = sys._getframe(5)  # past the audit hook
    while frame is not None:
        path = frame.f_code.co_filename
        if path.startswith("<frozen importlib"):
            return True
        is_ours = path.startswith(own_code.FOLDER)
        if not is_ours and os.path.isabs(path) and site_paths.is_project(path):
            return False
        frame = frame.f_back
    return False
