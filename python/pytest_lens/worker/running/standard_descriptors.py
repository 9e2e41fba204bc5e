"""Checks that a test did not close or replace the descriptors that all tests' output needs."""

from __future__ import annotations

import sys
from typing import Any

from ..unpatched import os

# Bound once: tests replace these names in their modules.
_fstat = os.fstat


class StandardDescriptors:
    """Standard input, output and error, and the files that pytest's capture works with."""

    def __init__(self, config: Any, *others: Any) -> None:
        """`others`: further files that must stay open, or None."""
        standard = [number for number in (0, 1, 2) if _identity(number)]
        captures = _captures(config)
        files = [*_descriptors(captures), *(file.fileno() for file in others if file is not None)]
        identities = [(number, _identity(number)) for number in files]
        # These must stay the same files; the standard ones must only be open.
        self._files = [(number, *file) for number, file in identities if file]
        self._standard = [number for number in standard if number not in files]
        # Without a capture, tests write to the real ones.
        streams = [getattr(capture, "tmpfile", None) for capture in captures]
        streams = streams or [sys.stdout, sys.stderr]
        self._open = [stream for stream in streams if not _is_closed(stream)]

    def are_intact(self) -> bool:
        """Whether they are all still open; a test may have redirected standard output."""
        try:
            for number, device, inode in self._files:
                stat = _fstat(number)
                if stat.st_ino != inode or stat.st_dev != device:
                    return False
            for number in self._standard:
                _fstat(number)
        except OSError:
            return False
        return not any(map(_is_closed, self._open))


def _captures(config: Any) -> list[Any]:
    manager = config.pluginmanager.get_plugin("capturemanager")
    capturing = getattr(manager, "_global_capturing", None)
    captures = [getattr(capturing, name, None) for name in ("in_", "out", "err")]
    return [capture for capture in captures if capture is not None]


def _descriptors(captures: list[Any]) -> list[int]:
    found = []
    for capture in captures:
        number = getattr(capture, "targetfd_save", None)
        if number is None:  # it captures above the descriptors
            continue
        found.append(number)
        try:
            found.append(capture.tmpfile.fileno())
        except (OSError, ValueError, AttributeError):
            continue
    return found


def _is_closed(stream: Any) -> bool:
    """Whether a stream can't be used any more; a test may have replaced it by anything."""
    try:
        return stream.closed is True
    except Exception:
        return False


def _identity(number: int) -> tuple[int, int] | None:
    try:
        stat = _fstat(number)
    except OSError:
        return None
    return stat.st_dev, stat.st_ino
