"""Runs tests that are marked to be skipped: it makes pytest ignore the marks."""

from __future__ import annotations

import importlib
from typing import Any


def collect_disabled_classes() -> None:
    """Before collection: treat unittest classes that are skipped as a whole like any other.

    pytest decides about them when it collects them: a runner of a collection that was made without
    this can't run them.
    """
    unittest: Any = importlib.import_module("_pytest.unittest")
    unittest._is_skipped = lambda obj: False


def run_disabled_tests(items: list[Any]) -> None:
    """For the rest of this process, skip marks skip nothing (calls of `pytest.skip` still do)."""
    skipping: Any = importlib.import_module("_pytest.skipping")
    skipping.evaluate_skip_marks = lambda item: None
    for item in items:
        owner: Any = getattr(item, "cls", None)
        if owner is None:
            continue
        if getattr(owner, "__unittest_skip__", False):
            owner.__unittest_skip__ = False
        name = getattr(item, "originalname", None) or item.name
        function: Any = getattr(owner, name, None)
        if getattr(function, "__unittest_skip__", False) and hasattr(function, "__wrapped__"):
            setattr(owner, name, function.__wrapped__)
            item._obj = None  # found again by its name
