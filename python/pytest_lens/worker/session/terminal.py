"""What pytest's terminal reporter writes on: nothing, or the terminal while tests run there.

The reporter stays, since other plugins ask for it. Its headings and summaries are the engine's
clients' to show; but where a person shares the terminal with the tests, only the process that runs
them can show their progress in order with what they print.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import Any


class Screen(io.TextIOBase):
    """A stream without a descriptor: one that a test closes could become another file's."""

    encoding = "utf-8"

    def __init__(self, terminal: bool = False) -> None:
        super().__init__()
        self._terminal = terminal
        self._verdicts: list[str] = []
        self._writer: Any = None
        self._behind: Any = None
        self._is_shown = False

    def replace(self, config: Any) -> None:
        """Take the place of the terminal reporter's own stream."""
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        writer = getattr(reporter, "_tw", None)
        if writer is None or not hasattr(writer, "_file"):
            return
        if self._terminal:
            self._writer, self._behind = writer, writer._file
        else:
            writer.hasmarkup = False
        writer._file = self

    @contextlib.contextmanager
    def shown(self, session: Any = None) -> Iterator[None]:
        """Where there is a terminal, pass on what is written meanwhile: of a `session`'s tests."""
        if self._writer is None or self._is_shown:
            yield
            return
        if session is not None:
            session.testscollected = len(session.items)
        self._is_shown = True
        try:
            yield
        finally:
            if self._writer.width_of_current_line:
                self._writer.line()
            self._is_shown = False

    def write(self, text: str) -> int:
        if self._is_shown:
            self._behind.write(text)
        if text.lstrip().startswith(("FAIL ", "ERROR: ")):
            self._verdicts.append(text.strip())
        return len(text)

    def flush(self) -> None:
        if self._is_shown:
            self._behind.flush()

    def verdict(self) -> str | None:
        """What a plugin has said last of the session as a whole: that coverage is too low, say."""
        return self._verdicts[-1] if self._verdicts else None
