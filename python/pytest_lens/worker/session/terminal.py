"""The stream of pytest's terminal reporter: it drops all, or writes to the terminal of a run.

It keeps the sections that plugins and conftests add to the summary, and pytest's heading until the
run begins: another process may run the tests than the first that collects them.

The reporter stays, since other plugins ask for it. Clients of the engine show headings and
summaries. But if the tests run at a user's terminal, only the process that runs them can show their
progress in order with what they print.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import Any


def _show_no_progress(reporter: Any) -> None:
    """Nobody sees the file of each test and the share of those that have run: do not compute them.

    For a test that does nothing that takes as long as all that this worker adds to it.
    """
    for name in ("showfspath", "_show_progress_info"):
        if hasattr(reporter, name):
            with contextlib.suppress(AttributeError):  # another plugin's reporter
                setattr(reporter, name, False)


class TerminalStream(io.TextIOBase):
    """A stream without a descriptor: if a test closed one, another file could get its number."""

    encoding = "utf-8"

    def __init__(self, terminal: bool = False) -> None:
        super().__init__()
        self._terminal = terminal
        self._verdicts: list[str] = []
        self._writer: Any = None
        self._real: Any = None
        self._is_shown = False
        # The text that pytest wrote before the run.
        self._heading: list[str] | None = None
        # The sections of plugins, while they write and afterwards.
        self._summary: list[str] | None = None
        self._keeps = False

    def replace(self, config: Any) -> None:
        """Take the place of the terminal reporter's own stream."""
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        writer = getattr(reporter, "_tw", None)
        if writer is None or not hasattr(writer, "_file"):
            return
        if self._terminal:
            self._writer, self._real = writer, writer._file
            # As without `-s`: on pipes and with `-v`.
            if config.option.verbose > 0 or not writer._file.isatty():
                self._heading = []
        else:
            writer.hasmarkup = False
            _show_no_progress(reporter)
        writer._file = self

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """Write to the terminal meanwhile, if there is one."""
        if self._writer is None or self._is_shown:
            yield
            return
        self._is_shown = True
        try:
            yield
        finally:
            if self._writer.width_of_current_line:
                self._writer.line()
            self._is_shown = False

    def show_heading(self) -> None:
        """Write pytest's heading to the terminal, if there is one."""
        lines = "".join(self._heading or ()).splitlines(keepends=True)
        self._heading = None
        # The folder of pytest's cache is a temporary one, of which users know nothing.
        for line in lines:
            if not line.startswith("cachedir: "):
                self._real.write(line)

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Keep the text that is written meanwhile as a part of the summary."""
        if self._summary is None:
            self._summary = []
        self._keeps = True
        try:
            yield
        finally:
            self._keeps = False

    def write(self, text: str) -> int:
        if self._keeps and self._summary is not None:
            self._summary.append(text)
        if self._is_shown:
            self._real.write(text)
        elif self._heading is not None:
            self._heading.append(text)
        if text.lstrip().startswith(("FAIL ", "ERROR: ")):
            self._verdicts.append(text.strip())
        return len(text)

    def flush(self) -> None:
        if self._is_shown:
            self._real.flush()

    def verdict(self) -> str | None:
        """The last verdict of a plugin on the session as a whole, such as too little coverage."""
        return self._verdicts[-1] if self._verdicts else None

    def summary(self) -> str | None:
        """The sections that plugins and conftests wrote into pytest's summary."""
        return "".join(self._summary or ()) or None
