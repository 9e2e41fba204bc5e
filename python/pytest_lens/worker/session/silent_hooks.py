"""Leaves out the hooks that act once for a session, in a session that nobody asked for.

Plain pytest would not have run at all. Hooks of the project and of unknown plugins act at the start
and the end of a session when somebody runs tests, and then once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ..processes import fork_safety
from ..state import Worker

_LOG_FILE = "log_file"


class SilentHooks:
    """A plugin of such a session, next to ours and before all others."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        # The hooks that were left out, in words for the user.
        self.left_out: list[str] = []

    def leave_out(self, config: Any) -> None:
        """Make the hooks that act once do nothing, except those of known plugins."""
        known = fork_safety.harmless(self._worker.boot.harmless)
        for name in fork_safety.SESSION_HOOKS:
            for implementation in getattr(config.hook, name).get_hookimpls():
                reason = fork_safety.reason_if_foreign(
                    implementation.plugin, known, name, self._worker.root
                )
                if reason is not None and implementation.function not in (
                    _nothing,
                    _around_nothing,
                ):
                    wraps = implementation.hookwrapper or getattr(implementation, "wrapper", False)
                    implementation.function = _around_nothing if wraps else _nothing
                    self.left_out.append(reason)
        if self.left_out:
            config.option.collectonly = True

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: Any) -> None:
        """Before any plugin is configured."""
        if getattr(config.option, _LOG_FILE, None) or config.getini(_LOG_FILE):
            # pytest would empty it.
            setattr(config.option, _LOG_FILE, "/dev/null")
            self.left_out.append("pytest's log_file is written by each session")
        self.leave_out(config)

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_sessionstart(self, session: Any) -> Iterator[None]:
        """Plugins may have registered others meanwhile."""
        self.leave_out(session.config)
        yield

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: Any) -> Iterator[None]:
        """Conftests of folders may have registered others, too."""
        self.leave_out(session.config)
        yield

    @pytest.hookimpl(tryfirst=True)
    def pytest_unconfigure(self, config: Any) -> None:
        """Also if the session never started."""
        self.leave_out(config)


def _nothing(*_args: Any) -> None:
    return None


def _around_nothing(*_args: Any) -> Any:
    return (yield)
