"""Makes the first test of a waiting runner as quick as its second.

After a fork the first write to each page copies it, and in CPython even calling a function
writes (reference counts, inline caches). A test touches hundreds of pages that way; a runner that
waits for work can have them copied before.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import Any

from .. import own_code

_MACHINERY = ("_pytest.", "pluggy.", f"{own_code.PACKAGE}.")
_ALSO = frozenset(
    ("contextlib", "functools", "inspect", "logging", "os", "pathlib", "posixpath", "warnings")
)
# Of pytest, but not called for a test that passes.
_SELDOM = (
    "_pytest._py",
    "_pytest.pytester",
    "_pytest.doctest",
    "_pytest.config.argparsing",
    "_pytest.config.findpaths",
    "_pytest.assertion.rewrite",
    "_pytest.mark.expression",
    "_pytest.python_api",
    "_pytest.raises",
    "_pytest.legacypath",
    "_pytest.helpconfig",
    "_pytest._io.pprint",
    "_pytest.debugging",
    "_pytest.junitxml",
    "_pytest.pastebin",
)


def touch_machinery() -> Iterator[None]:
    """Touch the functions of pytest and of what it calls for every test, a module a step."""
    for name, module in list(sys.modules.items()):
        wanted = name.startswith(_MACHINERY) and not name.startswith(_SELDOM)
        if isinstance(module, ModuleType) and (wanted or name in _ALSO):
            for value in list(vars(module).values()):
                _touch(value)
                if isinstance(value, type) and value.__module__ == name:
                    for member in list(vars(value).values()):
                        _touch(member)
            yield


def _touch(value: Any) -> Any:
    function = getattr(value, "__func__", value) if isinstance(value, _WRAPPERS) else value
    if type(function) is FunctionType:
        return function.__code__.co_consts, function.__defaults__, function.__dict__
    return None


_WRAPPERS = (staticmethod, classmethod)
