"""Run tests that are marked to be skipped: their marks are made to say nothing."""

from __future__ import annotations

from typing import Any


def run_disabled_tests(items: list[Any]) -> None:
    """For the rest of this process, skip marks skip nothing (calls of `pytest.skip` still do)."""
    import _pytest.skipping as skipping

    skipping.evaluate_skip_marks = lambda item: None
    for item in items:
        function = getattr(item, "obj", None)
        for owner in (getattr(function, "__func__", function), getattr(item, "cls", None)):
            if owner is not None and getattr(owner, "__unittest_skip__", False):
                owner.__unittest_skip__ = False
