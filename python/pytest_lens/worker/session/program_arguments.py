"""`sys.argv`: it holds the arguments of the session, as under ``python -m pytest``."""

from __future__ import annotations

import inspect
import sys
from types import CodeType

# The end of ``python -m pytest``, which arguments follow in `sys.orig_argv`.
_COMMAND = 3

# Whether a file of the project reads the arguments as it is imported.
is_read = False
# The project may set `sys.argv` itself: it keeps its own value then.
_shown: list[str] = []


def note(code: CodeType) -> None:
    """Look for a reader of the arguments in a file of the project that is about to run."""
    global is_read
    is_read = is_read or _reads(code)


def _reads(code: CodeType) -> bool:
    """Whether a module or a class reads them, outside of its functions.

    A file that is also a program reads them in that part, which no import runs.
    """
    if "argv" in code.co_names and "__main__" not in code.co_consts:
        return True
    inner = (const for const in code.co_consts if isinstance(const, CodeType))
    return any(_reads(one) for one in inner if not one.co_flags & inspect.CO_OPTIMIZED)


def begin(args: list[str]) -> None:
    """Show the arguments of the session, before any code of the project runs."""
    # In place: a module that was imported in advance may hold the list itself.
    sys.argv[1:] = args
    if hasattr(sys, "orig_argv"):
        sys.orig_argv[_COMMAND:] = args
    _shown[:] = sys.argv


def change(args: list[str]) -> None:
    """Show other arguments to what runs from now on, unless the project has set its own."""
    if sys.argv == _shown:
        begin(args)
