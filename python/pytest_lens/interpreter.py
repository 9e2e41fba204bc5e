"""The interpreter that runs a project's tests, if the caller names none."""

from __future__ import annotations

import os
import sys


def preferred(root: str) -> str | None:
    """Return this process's interpreter if it belongs to an environment; otherwise None.

    As everywhere in pytest-lens, the project's own environment and an active one come first.
    """
    in_project = any(os.path.isdir(os.path.join(root, name)) for name in (".venv", "venv"))
    is_active = "VIRTUAL_ENV" in os.environ or "CONDA_PREFIX" in os.environ
    if in_project or is_active or sys.prefix == sys.base_prefix:
        return None
    return sys.executable
