"""Writes the output of tests to files while they run, so that clients can follow it.

pytest captures into unlinked files that it empties after each phase. Here the files have names and
only grow; the messages of a test say where its part begins and ends. Log records go into a third
file, as pytest's own handler gets them, one line of JSON each. Long output is cut in the middle
when pytest reads it back. The engine removes the files.

A runner that waits for a run opens its files in advance, without names (`O_TMPFILE`); they get
their names when the run begins.
"""

from __future__ import annotations

import io
from typing import Any

from .. import high_descriptors
from ..unpatched import json, os
from ..wire import TEXT_LIMIT, Message, cut

# How much pytest reads back of one phase: with the note it fits into a message.
_TEXT = TEXT_LIMIT - 64
_NAMES = ("out", "err")
# A resident gets a new file for the next run once its file is longer.
_LONG = 64 << 20
# The most that the log records of one test take on disk.
_LOG_LIMIT = 16 << 20
# The flags of a file without a name; 0 where there is no such thing.
_UNNAMED: int = getattr(os, "O_TMPFILE", 0) and os.O_TMPFILE | os.O_APPEND | os.O_CLOEXEC


class _Captured:
    """One of pytest's capture files, replaced by one that has a name and only grows."""

    def __init__(self, capture: Any) -> None:
        self._capture = capture
        self._raw: io.FileIO = capture.tmpfile.buffer
        self._read_to = 0
        self._path = ""
        self._is_unnamed = False
        capture.snap = self.snap

    def open_unnamed(self, folder: str) -> None:
        """Write to a file without a name, which `open` names later."""
        self._capture.tmpfile.flush()
        self._write_to(os.open(folder, _UNNAMED | os.O_RDWR, 0o600))
        self._is_unnamed = True

    def open(self, path: str) -> None:
        """Write to this file from now on."""
        self._capture.tmpfile.flush()
        if self._path and self.size() <= _LONG:
            # Processes of fixtures go on writing to the file that they got.
            os.link(self._path, path)
        elif not (self._is_unnamed and _name(self._raw.fileno(), path)):
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._write_to(os.open(path, flags, 0o600))
        self._is_unnamed = False
        self._path = path

    def _write_to(self, fresh: int) -> None:
        """Put a file in the place of the one that pytest's capture writes to."""
        number = self._raw.fileno()
        os.dup2(fresh, number, inheritable=os.get_inheritable(number))
        os.close(fresh)
        if self._capture._state == "started":
            os.dup2(number, self._capture.targetfd)
        self._read_to = 0

    def restore(self) -> None:
        """Leave the reading to pytest again."""
        vars(self._capture).pop("snap", None)

    def begin(self) -> None:
        """A test begins: the output before it is not its own, nor is that of the parent process."""
        if self._path:
            self._read_to = self.size()

    def size(self) -> int:
        # The object's own methods: a test may have replaced those of `os`.
        return self._raw.seek(0, os.SEEK_END)

    def snap(self) -> str:
        """The output since the last call, in place of the capture's own method."""
        self._capture._assert_state("snap", ("started", "suspended"))
        self._capture.tmpfile.flush()
        start, end = self._read_to, self.size()
        self._read_to = end
        if start == end:
            return ""
        if end - start <= _TEXT:
            return self._read(start, end)
        head, tail = _TEXT // 4 * 3, _TEXT // 4
        missing = end - start - head - tail
        note = f"\n[... {missing} bytes left out ...]\n"
        return self._read(start, start + head) + note + self._read(end - tail, end)

    def _read(self, start: int, end: int) -> str:
        self._raw.seek(start)
        parts = []
        left = end - start
        while left > 0:
            part = self._raw.read(left)
            if not part:
                break
            parts.append(part)
            left -= len(part)
        return b"".join(parts).decode("utf-8", "replace")


class _Log:
    """Log records, as they reach the handler that pytest reports them from."""

    def __init__(self, handler: Any) -> None:
        self._handler = handler
        self._emit = handler.emit
        self._file: io.FileIO | None = None
        self._is_unnamed = False
        self._used = 0
        self._dropped = 0
        handler.emit = self.emit

    def open_unnamed(self, folder: str) -> None:
        """Write to a file without a name, which `open` names later."""
        self._write_to(os.open(folder, _UNNAMED | os.O_WRONLY, 0o600))
        self._is_unnamed = True

    def open(self, path: str) -> None:
        """Write to this file from now on."""
        named = self._is_unnamed and self._file is not None and _name(self._file.fileno(), path)
        if not named:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._write_to(os.open(path, flags, 0o600))
        self._is_unnamed = False
        self._used = self._dropped = 0

    def _write_to(self, fresh: int) -> None:
        if self._file is not None:
            self._file.close()
        self._file = io.FileIO(_moved(fresh), "a")

    def restore(self) -> None:
        """Leave the records to pytest again."""
        vars(self._handler).pop("emit", None)
        if self._file is not None:
            self._file.close()

    def emit(self, record: Any) -> None:
        """In place of the handler's own."""
        self._emit(record)
        if self._used > _LOG_LIMIT:
            self._dropped += 1
            return
        try:
            self._write(
                {
                    "timestamp": record.created,
                    "level": record.levelname,
                    "logger": record.name,
                    "message": cut(record.getMessage(), TEXT_LIMIT),
                    "text": cut(self._handler.format(record), TEXT_LIMIT),
                }
            )
        except Exception:  # pytest itself reports a record that can't be formatted
            pass

    def _write(self, record: Message) -> None:
        line = json.dumps(record, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
        self._used += len(line)
        if self._file is not None:
            self._file.write(line)

    def end(self) -> None:
        """A test is over."""
        if self._dropped:
            text = f"[... {self._dropped} records left out ...]"
            self._write({"message": text, "text": text})
        self._used = self._dropped = 0

    def size(self) -> int:
        return self._file.seek(0, os.SEEK_END) if self._file is not None else 0


def _moved(number: int) -> int:
    """A high descriptor in place of this one."""
    copy = high_descriptors.copy(number)
    if copy is None:
        return number
    os.close(number)
    return copy


def _name(number: int, path: str) -> bool:
    """Give a file without a name one; false where this system can't (no /proc, another disk)."""
    try:
        # With a folder's descriptor Python calls `linkat`, which follows the link in /proc; the
        # paths are absolute, so that it does not matter which.
        os.link(f"/proc/self/fd/{number}", path, src_dir_fd=number)
    except OSError:
        return False
    return True


class CaptureFiles:
    """The output files of this process, and the folders of artifacts next to them."""

    def __init__(self) -> None:
        self._captured: list[_Captured] = []
        self._log: _Log | None = None
        self._prefix = ""
        self.index = -1
        self._folder = ""

    def open_unnamed(self, config: Any, folder: str) -> None:
        """Open the files in this folder before `open` sets their names."""
        if not _UNNAMED:
            return
        self._replace_captures(config)
        try:
            for captured in self._captured:
                captured.open_unnamed(folder)
            if self._log is not None:
                self._log.open_unnamed(folder)
        except OSError:  # this file system has no such files: `open` opens them
            pass

    def open(self, config: Any, prefix: str | None) -> None:
        """A run begins, and its output goes to files whose names begin with `prefix`."""
        if not prefix:
            if not self._prefix:
                self._restore_captures()
            return
        try:
            folder = os.path.dirname(prefix)
            if not os.path.isdir(folder):
                os.makedirs(folder, exist_ok=True)
            self._replace_captures(config)
            for captured, name in zip(self._captured, _NAMES):
                captured.open(f"{prefix}.{name}")
            if self._log is not None:
                self._log.open(f"{prefix}.log")
        except OSError:  # no disk to write to: pytest captures as it always does
            self._captured = []
            return
        self._prefix = prefix

    def _replace_captures(self, config: Any) -> None:
        if self._captured:
            return
        manager = config.pluginmanager.get_plugin("capturemanager")
        capturing = getattr(manager, "_global_capturing", None)
        both = (getattr(capturing, "out", None), getattr(capturing, "err", None))
        if all(hasattr(capture, "targetfd") for capture in both):
            self._captured = [_Captured(capture) for capture in both]
        logging = config.pluginmanager.get_plugin("logging-plugin")
        handler = getattr(logging, "report_handler", None)
        if handler is not None and self._log is None:
            self._log = _Log(handler)

    def _restore_captures(self) -> None:
        """Pytest captures and logs as it always does."""
        for captured in self._captured:
            captured.restore()
        if self._log is not None:
            self._log.restore()
        self._captured, self._log = [], None

    def begin(self, index: int) -> Message:
        """A test begins: where its output will be."""
        self.index, self._folder = index, ""
        try:
            for captured in self._captured:
                captured.begin()
        except (OSError, ValueError):  # a test has closed the files
            pass
        at = self._offsets()
        return {"at": at} if at else {}

    def end(self) -> Message:
        """A test is over: where its output ends, and whether it left artifacts."""
        if self._log is not None:
            self._log.end()
        at = self._offsets()
        message: Message = {"to": at} if at else {}
        if self._folder:
            message["artifacts"] = self._folder
        return message

    def _offsets(self) -> list[int] | None:
        if not self._captured:
            return None
        try:
            sizes = [captured.size() for captured in self._captured]
            return [*sizes, self._log.size() if self._log is not None else 0]
        except (OSError, ValueError):  # a test has closed the files
            return None

    def folder(self) -> str | None:
        """The folder for artifacts of the test that runs now; made at the first call."""
        if not self._folder and self._prefix:
            folder = f"{self._prefix}.d/{self.index}"
            os.makedirs(folder, exist_ok=True)
            self._folder = folder
        return self._folder or None
