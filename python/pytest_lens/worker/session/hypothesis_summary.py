"""Leaves out the summary of hypothesis if nothing in the session has loaded hypothesis.

Its plugin imports it at the end of every session, only to find that it has nothing to say. That
takes longer than most runs in an editor.
"""

from __future__ import annotations

import sys
from typing import Any

import pytest

from ..processes import fork_safety

_PLUGIN = "_hypothesis_pytestplugin"
_LOADED = "hypothesis.internal.observability"


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: Any) -> None:
    """Before pytest's own hook prints the summary."""
    if _LOADED in sys.modules:
        return
    for implementation in session.config.pluginmanager.hook.pytest_terminal_summary.get_hookimpls():
        if fork_safety.module_of(implementation.plugin) == _PLUGIN:
            implementation.function = _nothing


def _nothing(*_args: Any) -> None:
    return None
