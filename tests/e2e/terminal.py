"""A person at a terminal: a program on a pty of its own, its screen, and the keys."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import subprocess
import termios
import time
from pathlib import Path

from world import DEADLINE, World

_STYLE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
INTERRUPT, SUSPEND = "\x03", "\x1a"


class Terminal:
    """One program in a session of its own, whose controlling terminal this is."""

    def __init__(self, world: World, command: list[str], cwd: Path, **env: str) -> None:
        self._ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (40, 120))
        self._shown = b""
        self._seen = 0
        self.text = ""
        try:
            self._process = subprocess.Popen(
                command,
                cwd=cwd,
                env=world.env(TERM="xterm", **env),
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                start_new_session=True,
                preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            )
        finally:
            os.close(theirs)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._ours)
        self._process.kill()
        self._process.wait()

    def type(self, keys: str) -> None:
        """Presses keys."""
        os.write(self._ours, keys.encode())

    def mode(self) -> int:
        """The terminal's local modes."""
        return termios.tcgetattr(self._ours)[3]

    def expect(self, pattern: str) -> re.Match[str]:
        """Waits until this text appears, after the text of the last wait."""
        end = time.monotonic() + DEADLINE
        while True:
            found = re.compile(pattern, re.MULTILINE).search(self.text, self._seen)
            if found:
                self._seen = found.end()
                return found
            assert self._read(end), f"{pattern!r} was not shown:\n{self.text}"

    def wait(self) -> int:
        """Waits for the program's end; returns its status."""
        end = time.monotonic() + DEADLINE
        while self._read(end):
            pass
        return self._process.wait(max(end - time.monotonic(), 1))

    def _read(self, end: float) -> bool:
        """Reads the next output; false at the end."""
        if not select.select([self._ours], [], [], max(end - time.monotonic(), 0))[0]:
            return False
        try:
            shown = os.read(self._ours, 65536)
        except OSError:  # nobody has the terminal any more
            return False
        self._shown += shown
        self.text = _STYLE.sub("", self._shown.decode(errors="replace")).replace("\r", "")
        return bool(shown)
