"""Keep pytest's rootdir and config file those of the whole project, whatever part is collected.

pytest looks for them from the common ancestor of its arguments, so `sub/test_a.py` would be read
with `sub/pytest.ini` and get other ids than in the run of everything.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def independent_of(args: list[str]) -> Iterator[None]:
    """While pytest reads its arguments, `args` have no say in where the root is."""
    config: Any = importlib.import_module("_pytest.config")
    original: Any = getattr(config, "determine_setup", None)
    if original is None or not args:
        yield
        return
    signature = inspect.signature(original)
    parts = set(args)

    def determine_setup(*positional: Any, **named: Any) -> Any:
        config.determine_setup = original
        bound = signature.bind(*positional, **named)
        if "args" in bound.arguments:
            kept = [arg for arg in bound.arguments["args"] if arg not in parts]
            bound.arguments["args"] = kept
        return original(*bound.args, **bound.kwargs)

    config.determine_setup = determine_setup
    try:
        yield
    finally:
        config.determine_setup = original
