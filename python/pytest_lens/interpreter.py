"""Which interpreter runs a project's tests, where nobody names one."""

from __future__ import annotations

import os
import sys


def preferred(root: str) -> str | None:
    """This process's own interpreter, where it is an environment's; none leaves it to the search.

    The project's own environment and an active one come before it, as everywhere in pytest-lens.
    """
    in_project = any(os.path.isdir(os.path.join(root, name)) for name in (".venv", "venv"))
    is_active = "VIRTUAL_ENV" in os.environ or "CONDA_PREFIX" in os.environ
    if in_project or is_active or sys.prefix == sys.base_prefix:
        return None
    return sys.executable


def activate() -> None:
    """As if this process's environment, if it is in one, had been activated in the shell."""
    if sys.prefix != sys.base_prefix and "CONDA_PREFIX" not in os.environ:
        os.environ.setdefault("VIRTUAL_ENV", sys.prefix)
