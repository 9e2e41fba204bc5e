"""Links functions to results that they find by a name, without a call that executes code.

A cached property is an attribute once it was computed, a cache can be called by a built-in function
such as `map`, and a module that was imported late is an attribute of its package. Code with the
name in it may use the result that an earlier test left there.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from types import CodeType, FunctionType, ModuleType
from typing import Any, Callable

from . import callables
from .unaudited import identity

_PROPERTY = vars(functools.cached_property)["__get__"]
# Their functions are executed at each use, or the call is seen.
_PLAIN = (FunctionType, type)
# The arguments of `__get__`.
_OF_DESCRIPTOR = 3
# Longer texts in code are no names.
LONGEST_NAME = 64
# Functions of the project that Python calls for a value by a name: some keep it there.
GETTERS = frozenset(("__getattr__", "__missing__", "__get__", "_missing_"))
_CACHES = (callables.CACHED, functools.partial)


class Named:
    """The names in executed code, and the functions whose result may be found by a name."""

    def __init__(self, link: Callable[[int, int], object]) -> None:
        """`link`: called with the numbers of a function and of one that it depends on."""
        self._link = link
        self._users: defaultdict[str, list[int]] = defaultdict(list)
        self._makers: defaultdict[str, list[int]] = defaultdict(list)

    def add(self, code: CodeType, names: set[str], number: int, frame: Any) -> None:
        """A function of the project is executed for the first time, in this frame.

        `names`: those in its code.
        """
        for name in names:
            self._users[name].append(number)
        self._link_to_makers(names, number)
        for name in _kept_names(code, frame):
            self.add_result(name, number)

    def add_names(self, names: set[str], number: int) -> None:
        """A function has further names: those in the parameters of a test."""
        for name in names:
            if number not in self._users[name]:
                self._users[name].append(number)
        self._link_to_makers(names, number)

    def _link_to_makers(self, names: set[str], number: int) -> None:
        for name in names & self._makers.keys():
            for maker in self._makers[name]:
                self._link(number, maker)

    def add_result(self, name: str | None, number: int) -> None:
        """The result of a function may be found by this name."""
        if name is None or number in self._makers.get(name, ()):
            return
        self._makers[name].append(number)
        for user in self._users.get(name, ()):
            self._link(user, number)


def names_in(code: CodeType) -> set[str]:
    """The names of globals, attributes and modules in code, and those that may be in its texts.

    Such a text is an argument of `getattr`, or a key that a dictionary does not have yet.
    """
    texts = {text for text in code.co_consts if type(text) is str and len(text) <= LONGEST_NAME}
    return texts.union(code.co_names)


def names_of_import(frame: Any) -> set[str]:
    """The names by which code may import the module that is executed in this frame."""
    name = frame.f_globals.get("__name__")
    return {name, name.rpartition(".")[2]} if type(name) is str else set()


def asked_name(frame: Any) -> str | None:
    """The name that a getter is called with, its last argument, or a descriptor's name."""
    code, values = frame.f_code, frame.f_locals
    arguments = [values.get(name) for name in code.co_varnames[: code.co_argcount]]
    if code.co_name == "__get__":
        return _name_of(*arguments) if len(arguments) == _OF_DESCRIPTOR else None
    name = arguments[-1] if arguments else None
    return name if type(name) is str and not name.startswith("__") else None


def filled_by(frame: Any) -> dict[Any, Any] | None:
    """The dictionary that a getter may fill with more names than it is called with: the module's,
    the object's, or itself.
    """
    code, values = frame.f_code, frame.f_locals
    if not code.co_argcount:
        return None
    holder = values.get(code.co_varnames[1 if code.co_name == "__get__" else 0])
    if type(holder) is str:
        names: dict[Any, Any] = frame.f_globals
        return names
    if isinstance(holder, dict):
        return holder
    held = object.__getattribute__(holder, "__dict__")
    return held if type(held) is dict else None


def is_name(value: object) -> bool:
    """Whether a key may be a name."""
    return type(value) is str and len(value) <= LONGEST_NAME


def _name_of(descriptor: Any, instance: Any, owner: Any) -> str | None:
    owner = type(instance) if instance is not None else owner
    for base in type.__getattribute__(owner, "__mro__"):
        for name, value in list(type.__getattribute__(base, "__dict__").items()):
            if value is descriptor:
                return str(name)
    return None


def _kept_names(code: CodeType, frame: Any) -> set[str]:
    """The names by which the result of this function may be found without executing it."""
    found = set()
    back = frame.f_back
    is_functools = back is not None and back.f_globals is _PROPERTY.__globals__
    if is_functools and back.f_code is _PROPERTY.__code__:
        # Its name may be another one than the function's.
        found.add(str(back.f_locals["self"].attrname))
    name = code.co_name
    if name == "__subclasshook__":  # `abc` keeps what it returns for a class
        found.update(("isinstance", "issubclass"))
    if not name.startswith(("<", "__")) and not _is_plain(code, frame.f_globals):
        found.add(name)
    return found


def _is_plain(code: CodeType, names: dict[str, Any]) -> bool:
    """Whether a function is just a function, also if nobody can say."""
    found: Any = names
    for part in code.co_qualname.split("."):  # type: ignore[attr-defined]
        if issubclass(type(found), type):
            found = type.__getattribute__(found, "__dict__")
        elif found is not names:
            return True
        if part not in found:
            return True
        found = found[part]
    if type(found) in (staticmethod, classmethod):
        found = found.__func__
    kind = type(found)
    if kind is property:
        parts = (found.fget, found.fset, found.fdel)
        return all(part is None or type(part) is FunctionType for part in parts)
    return issubclass(kind, _PLAIN) or str(kind.__module__).startswith("_pytest.")


def caches_and_modules(
    asked: set[str], names: dict[str, Any], is_own: Callable[[str], bool]
) -> tuple[list[CodeType], list[str]]:
    """The code behind caches and tables with these names, and the files of modules with such names.

    They are looked for in `names`, and in the project's modules among them. `is_own`: whether a
    file is the project's.
    """
    codes: list[CodeType] = []
    files: list[str] = []
    seen: set[int] = set()
    all_names = [names]
    for held in all_names:
        for name in asked & held.keys():
            value: Any = held.get(name)
            kind = type(value)
            if kind in _PLAIN:
                continue
            if kind in _CACHES:
                codes += callables.codes_of(value)
            elif kind is defaultdict:
                codes += callables.codes_of(value.default_factory)
            elif issubclass(kind, ModuleType) and identity(value) not in seen:
                seen.add(identity(value))
                file = file_of(value)
                # A package without a file may be the project's.
                if all(map(is_own, file)):
                    files += file
                    all_names.append(names_of(value))
    return codes, files


def is_module(value: Any) -> bool:
    """Whether something is a module; a proxy for one is not asked."""
    return issubclass(type(value), ModuleType)


def names_of(module: Any) -> dict[str, Any]:
    """The names in a module, also in one that would load itself at the first look."""
    names: dict[str, Any] = object.__getattribute__(module, "__dict__")
    return names


def file_of(module: Any) -> list[str]:
    """The file of a module, if it has one."""
    file = names_of(module).get("__file__")
    return [file] if isinstance(file, str) else []
