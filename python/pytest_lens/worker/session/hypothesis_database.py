"""Keeps the database of hypothesis out of the repository, without a trace that tests can see.

Programs that tests start would inherit the variable for it, and tests that read the environment
would find it. So the worker calls hypothesis' own function when its module is loaded.
"""

from __future__ import annotations

import sys
from types import CodeType

from ..unpatched import os

CONFIGURATION = "hypothesis.configuration"
_VARIABLE = "HYPOTHESIS_STORAGE_DIRECTORY"


def _folder(cache_dir: str) -> str:
    return os.path.join(cache_dir, "hypothesis")


def hypothesis(cache_dir: str) -> None:
    """Redirect the database if hypothesis is loaded already."""
    module = sys.modules.get(CONFIGURATION)
    change = getattr(module, "set_hypothesis_home_dir", None)
    if change is not None and not os.environ.get(_VARIABLE):
        change(_folder(cache_dir))


def redirected(code: CodeType, cache_dir: str) -> CodeType:
    """The code of its module, followed by the call."""
    if os.environ.get(_VARIABLE):
        return code
    call = f"set_hypothesis_home_dir({_folder(cache_dir)!r})"
    after = compile(call, code.co_filename, "exec", dont_inherit=True)
    both = compile("exec('first')\nexec('second')", code.co_filename, "exec", dont_inherit=True)
    parts = {"first": code, "second": after}
    return both.replace(
        co_consts=tuple(
            parts.get(const, const) if isinstance(const, str) else const for const in both.co_consts
        )
    )
