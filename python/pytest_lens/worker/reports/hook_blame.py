"""Tells exceptions of a hook apart from those of a test's objects, when one escapes from pytest.

An exception from a hook of a plugin or conftest.py ends a session, as in plain pytest. An exception
from pytest's own code comes from the objects of one test (a `__repr__` that exits, for example),
and must not cost another test its verdict.
"""

from __future__ import annotations

import traceback
from types import TracebackType

_OWN = ("_pytest", __name__.partition(".")[0])


def is_a_hooks(trace: TracebackType | None) -> bool:
    """Whether the innermost hook on the way to an exception is neither pytest's own nor ours."""
    found, called = False, False
    for frame, _ in traceback.walk_tb(trace):
        module = str(frame.f_globals.get("__name__")).partition(".")[0]
        if frame.f_code.co_name == "_multicall":
            # A wrapper that breaks pluggy's rules is at fault too, though its frame is gone.
            found = called = True
        elif called and module != "pluggy":
            found, called = module not in _OWN, False
    return found
