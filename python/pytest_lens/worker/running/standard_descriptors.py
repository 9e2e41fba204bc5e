"""Checks that a test did not close or replace the descriptors that all tests' output needs."""

from __future__ import annotations

from typing import Any

from ..unpatched import os

# Bound once: tests replace these names in their modules.
_fstat = os.fstat


class StandardDescriptors:
    """Standard input, output and error, and the files that pytest's capture works with."""

    def __init__(self, config: Any) -> None:
        self._standard = [number for number in (0, 1, 2) if _identity(number)]
        self._captures = _captures(config)
        self._files = [_identity(number) for number in self._captures]

    def are_intact(self) -> bool:
        """Whether they are all still open; a test may have redirected standard output."""
        files = [_identity(number) for number in self._captures]
        return files == self._files and all(map(_identity, self._standard))


def _captures(config: Any) -> list[int]:
    manager = config.pluginmanager.get_plugin("capturemanager")
    capturing = getattr(manager, "_global_capturing", None)
    found = []
    for name in ("in_", "out", "err"):
        capture: Any = getattr(capturing, name, None)
        number = getattr(capture, "targetfd_save", None)
        if number is None:  # it captures above the descriptors
            continue
        found.append(number)
        try:
            found.append(capture.tmpfile.fileno())
        except (OSError, ValueError, AttributeError):
            continue
    return found


def _identity(number: int) -> tuple[int, int] | None:
    try:
        stat = _fstat(number)
    except OSError:
        return None
    return stat.st_dev, stat.st_ino
