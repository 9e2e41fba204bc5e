"""Finds the code that a call of an object executes, as far as it shows without running anything."""

from __future__ import annotations

import functools
from types import CodeType, FunctionType, MethodType
from typing import Any

# Special methods whose calls are seen as those of their class or object.
_CALLED = ("__init__", "__new__", "__call__", "__class_getitem__", "__init_subclass__")
CACHED = type(functools.lru_cache(lambda: None))


def is_cached(function: Any) -> bool:
    """Whether a call may execute none of the project's code because an earlier one did."""
    while type(function) in (MethodType, functools.partial):
        function = function.__func__ if type(function) is MethodType else function.func
    if type(function) is CACHED:
        return True
    # The wrapper may be a library's cache.
    return type(function) is FunctionType and "__wrapped__" in vars(function)


def is_implicit(code: CodeType, frame: Any) -> bool:
    """Whether a function that begins to execute may be executed without a call in the source.

    It is a property's, or a special method: of an operator, a format or an attribute.
    """
    name = code.co_name
    if name.startswith("__") and name.endswith("__"):
        return name not in _CALLED
    if not code.co_argcount:
        return False
    owner = type(frame.f_locals.get(code.co_varnames[0]))
    for base in type.__getattribute__(owner, "__mro__"):
        held = type.__getattribute__(base, "__dict__").get(name)
        if held is not None:
            plain = (FunctionType, staticmethod, classmethod)
            return type(held) not in plain and hasattr(type(held), "__get__")
    return False


def codes_of(function: Any) -> list[CodeType]:
    """The code that a call of an object executes; with it, what it wraps."""
    found: list[CodeType] = []
    seen: set[int] = set()
    while function is not None and id(function) not in seen:
        seen.add(id(function))
        kind = type(function)
        if kind is MethodType:
            function = function.__func__
        elif kind is functools.partial:
            function = function.func
        elif kind in (FunctionType, CACHED):
            if kind is FunctionType:
                found.append(function.__code__)
            function = vars(function).get("__wrapped__")
        else:
            is_class = issubclass(kind, type)
            owner, names = (
                (function, ("__init__", "__new__")) if is_class else (kind, ("__call__",))
            )
            return found + _methods(owner, names)
    return found


def _methods(owner: Any, names: tuple[str, ...]) -> list[CodeType]:
    found = []
    for base in type.__getattribute__(owner, "__mro__"):
        held = type.__getattribute__(base, "__dict__")
        for name in names:
            method = held.get(name)
            if type(method) is staticmethod:
                method = method.__func__
            if type(method) is FunctionType:
                found.append(method.__code__)
    return found
