"""Keeps pytest's rootdir and config file those of the whole project when a part is collected.

pytest looks for them from the common ancestor of its arguments, so it would read `sub/test_a.py`
with `sub/pytest.ini`, and give it other ids than in a run of everything.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
from collections.abc import Iterator
from typing import Any

from ..unpatched import os


@contextlib.contextmanager
def independent_of(args: list[str], root: str) -> Iterator[None]:
    """While pytest reads its arguments, it takes `root` for `args` when it looks for the rootdir.

    `root` need not have the current folder, which pytest would take without arguments.
    """
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
            bound.arguments["args"] = [*kept, root]
        return original(*bound.args, **bound.kwargs)

    config.determine_setup = determine_setup
    try:
        yield
    finally:
        config.determine_setup = original


def files_keep_names(root: str) -> None:
    """Give a file outside the rootdir a name of its own if pytest gives it none.

    pytest names it by its path from the argument that led there, which is empty for a file that is
    an argument itself: all such files would share their fixtures.
    """
    nodes: Any = importlib.import_module("_pytest.nodes")
    original: Any = getattr(nodes, "_check_initialpaths_for_relpath", None)
    if original is None:
        return

    def named(initial: Any, path: Any) -> Any:
        found = original(initial, path)
        return os.path.relpath(path, root) if found == "" and os.path.isfile(path) else found

    nodes._check_initialpaths_for_relpath = named
