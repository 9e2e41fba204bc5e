"""Records the README's picture: `pytest-lens run --watch` on a small project, as an animated SVG.

It shows what the program printed, at the times when it did; pauses are cut to two seconds. Needs
`pyte` and `pytest`:

    python3 -m venv /tmp/recording && /tmp/recording/bin/python -m pip install pyte pytest
    cargo build --release && /tmp/recording/bin/python tools/demo/record.py docs/images/watch.svg
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import termios
import time
from html import escape
from pathlib import Path

import pyte

COLUMNS, ROWS = 88, 24
CELL, LINE = 8.4, 18
LONGEST, LAST = 2.0, 4.0
DEADLINE = 60
ROOT = Path(__file__).parents[2]
BACKGROUND, FOREGROUND = "#16181d", "#d7dae0"
COLOURS = {
    "default": FOREGROUND,
    "red": "#ef6b73",
    "green": "#8cc265",
    "brown": "#d9a65a",
    "yellow": "#d9a65a",
    "blue": "#5aa9e6",
    "magenta": "#c678dd",
    "cyan": "#4dbdcb",
    "white": FOREGROUND,
    "black": "#6b717d",
    "brightblack": "#6b717d",
}

FILES = {
    "pytest.ini": "[pytest]\npythonpath = .\n",
    "shop.py": "def total(prices):\n    return sum(prices)\n",
    "tests/test_shop.py": (
        "import pytest\nfrom shop import total\n\n\n"
        "@pytest.mark.parametrize('prices', [[], [3], [3, 4]])\n"
        "def test_total(prices):\n    assert total(prices) == sum(prices)\n"
    ),
    "tests/test_other.py": "def test_other():\n    pass\n",
}
WRONG = "def total(prices):\n    return sum(prices[1:])\n"

Frame = tuple[float, list[list[pyte.screens.Char]]]


class Recorder:
    """A program on a terminal, and the frames that it shows."""

    def __init__(self, command: list[str], cwd: Path, env: dict[str, str]) -> None:
        self.frames: list[Frame] = []
        self._screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self._screen)
        self._ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (ROWS, COLUMNS))
        self._process = subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)
        self._begun = time.monotonic()
        self._new = ""

    def until(self, pattern: str) -> None:
        """Records until this is printed, after the last such text."""
        end = time.monotonic() + DEADLINE
        while not re.search(pattern, self._new):
            if not select.select([self._ours], [], [], max(0.0, end - time.monotonic()))[0]:
                raise TimeoutError(f"{pattern!r} was not shown: {self._new}")
            data = os.read(self._ours, 65536)
            self._new += re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", data.decode(errors="replace"))
            self._stream.feed(data)
            self._keep()
        self._new = ""

    def show(self, text: str) -> None:
        """Adds a line that the program does not print: what is done elsewhere."""
        self._stream.feed(f"\x1b[35m{text}\x1b[0m\r\n".encode())
        self._keep()

    def press(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def close(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(DEADLINE)
        os.close(self._ours)

    def _keep(self) -> None:
        buffer = self._screen.buffer
        rows = [[buffer[row][column] for column in range(COLUMNS)] for row in range(ROWS)]
        if not self.frames or self.frames[-1][1] != rows:
            self.frames.append((time.monotonic() - self._begun, rows))


def spans(row: list[pyte.screens.Char]) -> str:
    """The runs of one style of a row, as SVG."""
    out, start = [], 0
    for end in range(1, len(row) + 1):
        style = (row[start].fg, row[start].bold)
        if end < len(row) and (row[end].fg, row[end].bold) == style:
            continue
        text = "".join(char.data for char in row[start:end])
        if text.strip():
            lead = len(text) - len(text.lstrip())
            fill = COLOURS.get(style[0], f"#{style[0]}" if len(style[0]) == 6 else FOREGROUND)
            weight = ' font-weight="bold"' if style[1] else ""
            text = escape(text.strip(" "))
            x = 12 + (start + lead) * CELL
            out.append(f'<tspan x="{x:.1f}" fill="{fill}"{weight}>{text}</tspan>')
        start = end
    return "".join(out)


def drawn(frames: list[Frame]) -> str:
    """The animation. A row that differs from the frame before is shown as long as it stands."""
    times, now = [], 0.0
    for index, (at, _) in enumerate(frames):
        times.append(now)
        after = frames[index + 1][0] - at if index + 1 < len(frames) else LAST
        now += min(after, LONGEST) if index + 1 < len(frames) else LAST
    total = now
    shown: list[tuple[float, float, int, str]] = []
    for row in range(ROWS):
        begin, text = 0.0, ""
        for at, (_, rows) in zip(times, frames):
            new = spans(rows[row])
            if new != text:
                shown.append((begin, at, row, text))
                begin, text = at, new
        shown.append((begin, total, row, text))
    body = []
    for begin, end, row, text in shown:
        if not text or begin >= end:
            continue
        steps = [(0.0, "hidden"), (begin / total, "visible"), (end / total, "hidden")]
        if begin == 0:
            steps = steps[1:]
        if end == total:
            steps = steps[:-1]
        values = ";".join(value for _, value in steps)
        keys = ";".join(f"{key:.4f}" for key, _ in steps)
        # Without animations the last frame stands.
        at_rest = "visible" if end == total else "hidden"
        body.append(
            f'<text y="{24 + row * LINE}" visibility="{at_rest}" xml:space="preserve">{text}'
            f'<animate attributeName="visibility" dur="{total:.2f}s" calcMode="discrete" '
            f'values="{values}" keyTimes="{keys}" repeatCount="indefinite"/></text>'
        )
    width, height = round(24 + COLUMNS * CELL), 16 + ROWS * LINE
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="ui-monospace, Menlo, Consolas, monospace" font-size="14">'
        f'<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>{"".join(body)}</svg>\n'
    )


def main() -> None:
    target = Path(sys.argv[1])
    binary = os.environ.get("PYTEST_LENS_BIN", str(ROOT / "target/release/pytest-lens"))
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder, "shop")
        for name, text in FILES.items():
            path = project / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        home = Path(folder, "home")
        env = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "VIRTUAL_ENV": sys.prefix,
            "HOME": str(home),
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
        }
        ready = r"press h for help, q to quit"
        recorder = Recorder([binary, "run", "--watch"], project, env)
        recorder.until(ready)
        time.sleep(1.5)
        recorder.show("(an editor saves shop.py, with a mistake)")
        (project / "shop.py").write_text(WRONG)
        recorder.until(r"failed[^\n]* in [\s\S]*" + ready)
        time.sleep(1.5)
        recorder.show("(the mistake is repaired)")
        (project / "shop.py").write_text(FILES["shop.py"])
        recorder.until(r"3 passed in [\s\S]*" + ready)
        recorder.close()
    target.write_text(drawn(recorder.frames))


if __name__ == "__main__":
    main()
