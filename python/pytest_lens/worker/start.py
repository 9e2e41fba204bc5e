"""The first module of an interpreter that the engine starts: it makes the others load quickly.

An interpreter that starts over, and those of tests of this package, begin with `boot`.
"""

from __future__ import annotations

from typing import NoReturn

from . import compiled, garbage  # noqa: F401  # collects nothing from its import on


def main() -> NoReturn:
    """Entry point of ``python -c``; never returns."""
    compiled.begin()
    from . import boot

    boot.main()
