"""Modules that were imported in advance, out of sight until the project imports them.

They are no longer in `sys.modules`. A finder in front of all others hands one back, with all that
came with its import, when it is imported; and only if importing it now would come to the same: the
same file is found, pytest does not want to rewrite it, and what it was made of (other modules,
their settings, variables) is as it was. Else the session starts over without it (`again`), as an
extension module can't be loaded twice; or, when tests run already, it is loaded for real.
"""

from __future__ import annotations

import dis
import fnmatch
import importlib.machinery
import os
import sys
import warnings
from collections.abc import Iterable
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any, Callable

from . import places, seeds
from .recording import EVERYTHING, Loaded, Recording

_PathFinder = importlib.machinery.PathFinder
_EXTENSIONS = tuple(importlib.machinery.EXTENSION_SUFFIXES)
_LIKELY_SUFFIXES = (".py", *_EXTENSIONS)
_CALLABLES = (FunctionType, BuiltinFunctionType, type)

# Variables that native libraries read without Python's knowledge begin so.
_NATIVE = (b"OMP_ OPENBLAS_ GOTO_ MKL_ KMP_ GOMP_ BLIS_ NUMEXPR_ NPY_ NUMPY_ CUDA_ TF_ TORCH_ "
           b"PYTORCH_ XLA_ JAX_ ARROW_ GRPC_ RAYON_ RUST_ SSL_ OPENSSL_ MALLOC_ LD_ LC_ LANG TZ "
           b"QT_ SDL_ DISPLAY PATH HOME TMPDIR").split()  # fmt: skip
# And these change under pytest's own hands.
_OWN_VARIABLES = (b"PYTEST_", b"HYPOTHESIS_STORAGE_DIRECTORY")

# Modules that pytest itself patches, and pytest's own.
_UNDER_PYTEST = ("sys", "warnings", "pdb")
_PYTEST = ("pytest", "_pytest", "pluggy", "_pytest_lens_worker", "__main__")

# The one of this process; `None` where nothing was imported in advance.
current: Stash | None = None


def executing(code: CodeType) -> None:
    """A file of the project is about to run."""
    if current is not None and may_patch(code):
        current.touched()


def may_patch(code: CodeType) -> bool:
    """Whether a file's own statements may change other modules: more than imports and definitions.

    Setting an attribute or an item, deleting one, calling for the effect alone; and what says by
    its name that it patches, or is called before tests are collected.
    """
    operations = [one for one in code.co_code[::2] if one]
    if not _SETTING.isdisjoint(operations):
        return True
    if any(one in _CALLS and then == _POP for one, then in zip(operations, operations[1:])):
        return True
    names = code.co_names
    return not _PATCHING.isdisjoint(names) or any(name.startswith("pytest_") for name in names)


_SETTING = {
    dis.opmap[name]
    for name in ("STORE_ATTR", "STORE_SUBSCR", "DELETE_ATTR", "DELETE_SUBSCR")
    if name in dis.opmap
}
_CALLS = {number for name, number in dis.opmap.items() if name.startswith("CALL")}
_POP = dis.opmap["POP_TOP"]
_PATCHING = {"setattr", "patch", "setitem", "start", "configure", "exec", "eval"}


class Stash:
    """What was imported in advance and has not been handed back."""

    def __init__(self, recording: Recording, before: set[str]) -> None:
        self._loads = recording.loads
        self._bound = dict(sys.modules)
        self.modules = {name: sys.modules[name] for name in sys.modules if name not in before}
        self._children: list[tuple[str, str, ModuleType]] = []
        self._finders = list(sys.meta_path)
        self._path = list(sys.path)
        self._environ = dict(os.environ._data)  # type: ignore[attr-defined]
        self._public = {name: _public_names(module) for name, module in self._bound.items()}
        # What the project can have changed: modules that it may have got hold of.
        self._exposed: set[str] = set(before)
        self._checked: set[str] = set()
        self._in_sight: dict[str, Any] = {}
        self._unfit: set[str] = set()
        self._group_of: tuple[str, set[str]] = ("", set())
        self._rewriter: Any = None
        # Called with the name of a module that doesn't fit; may not return. Says whether it has
        # to do all the same.
        self.refuse: Callable[[str], bool] = self.has_extensions

    def hide(self) -> None:
        """Take the modules out of sight."""
        global current
        for name, module in self.modules.items():
            parent, _, child = name.rpartition(".")
            holder = self._bound.get(parent)
            if holder is not None and vars(holder).get(child) is module:
                self._children.append((parent, child, module))
                delattr(holder, child)
        for name in self.modules:
            del sys.modules[name]
        sys.meta_path.insert(0, self)  # type: ignore[arg-type]
        current = self

    # The project's doing

    def touched(self) -> None:
        """Code of the project has run that may have changed other modules."""
        self._checked.clear()
        self._dirty = True

    _dirty = False

    def rewriting_with(self, hook: Any, patterns: Iterable[str], passing: bool) -> None:
        """The session's hook for assertions; it is asked before a module is handed back."""
        self._rewriter = hook
        if self in sys.meta_path:
            sys.meta_path.remove(self)  # type: ignore[arg-type]
        sys.meta_path.insert(0, self)  # type: ignore[arg-type]
        self._finders.append(hook)
        for name, module in self.modules.items():
            file = os.path.basename(getattr(module, "__file__", None) or "")
            matches = any(fnmatch.fnmatch(file, pattern) for pattern in patterns)
            if _is_rewritten(module) if passing else matches and not _is_rewritten(module):
                self._unfit.add(name)

    # The finder

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Where `importlib` asks for a module."""
        module = self.modules.get(name)
        spec = getattr(module, "__spec__", None)
        if module is None or spec is None or spec.name != name or name not in self._loads:
            return None
        if self._is_rewritten_now(name) or not self._finders_are_known():
            return None
        if not self._would_be_found(name, module, path):
            return None
        own = importlib.machinery.ModuleSpec(name, _Returning(self, name, spec), origin=spec.origin)
        own.submodule_search_locations = spec.submodule_search_locations
        own.has_location = spec.has_location
        own.cached = spec.cached
        return own

    def invalidate_caches(self) -> None:
        """Part of a finder's interface."""

    def _is_rewritten_now(self, name: str) -> bool:
        hook = self._rewriter
        if hook is None:
            return _is_rewritten(self.modules[name])
        if name in self._unfit:
            return True
        if _is_rewritten(self.modules[name]):
            return False
        marked = hook._must_rewrite
        return any(name == one or name.startswith(f"{one}.") for one in marked)

    def _finders_are_known(self) -> bool:
        for finder in sys.meta_path:
            if finder is _PathFinder:
                return True
            if finder is not self and finder not in self._finders:
                return False
        return False

    def _would_be_found(self, name: str, module: ModuleType, path: Any) -> bool:
        parent, _, _ = name.rpartition(".")
        if parent:
            known = getattr(self._bound.get(parent), "__path__", None)
            return known is not None and (path is known or list(path or ()) == list(known))
        return not self._is_in_sight(name) or _finds_again(name, module)

    def _is_in_sight(self, name: str) -> bool:
        """Whether a folder of the project's has something of that name."""
        if self._order_has_changed():
            return True
        known = set(self._path)
        for entry in sys.path:
            folder = os.path.abspath(entry)
            if entry in known and not places.is_project(os.path.join(folder, "")):
                continue
            if name in self._names_in(folder):
                return True
        return False

    def _order_has_changed(self) -> bool:
        known = set(self._path)
        return list(dict.fromkeys(entry for entry in sys.path if entry in known)) != list(
            dict.fromkeys(self._path)
        )

    def _names_in(self, folder: str) -> set[str]:
        try:
            changed = os.stat(folder).st_mtime_ns
            names = self._in_sight.get(folder)
            if names is None or names[0] != changed:
                found = {_module_name(entry) for entry in os.listdir(folder)}
                names = self._in_sight[folder] = (changed, found)
        except (OSError, ValueError):
            # No folder, a zip file perhaps: whoever reads it is asked.
            return set() if not os.path.exists(folder) else {*self._bound}
        found_names: set[str] = names[1]
        return found_names

    # Handing back

    def take(self, name: str) -> ModuleType | None:
        """The module, if importing it now would come to the same."""
        group = self._group(name)
        self._group_of = (name, group)
        return self.modules.get(name) if self._fits(group) else None

    def put_back(self, name: str) -> None:
        """The module is imported, and all that came with it."""
        group = self._group_of[1] if self._group_of[0] == name else self._group(name)
        back = [member for member in group if member in self.modules]
        for member in back:
            sys.modules[member] = self.modules.pop(member)
        taken = set(back)
        left = []
        for parent, child, module in self._children:
            if f"{parent}.{child}" in taken:
                if sys.modules.get(parent) is self._bound.get(parent):
                    setattr(self._bound[parent], child, module)
            else:
                left.append((parent, child, module))
        self._children = left
        self._exposed.update(group)
        for member in back:
            load = self._loads.get(member)
            for effect in load.effects if load is not None else ():
                effect()
        if "numpy.random" in taken:
            seeds.numpy_came()

    def forget(self, name: str) -> None:
        """The module is loaded for real: the one that was imported in advance is of no use."""
        self.modules.pop(name, None)

    def has_extensions(self, name: str) -> bool:
        """Whether loading it for real would load an extension module a second time."""
        files = (getattr(self.modules.get(one), "__file__", None) for one in self._group(name))
        return any(file is not None and file.endswith(_EXTENSIONS) for file in files)

    def _group(self, name: str) -> set[str]:
        """The module and all that its import needs; not what those need that are back already."""
        group: set[str] = set()
        queue = [name]
        while queue:
            member = queue.pop()
            if member in group or member not in self._bound:
                continue
            group.add(member)
            if member in self._exposed:
                continue
            parent = member.rpartition(".")[0]
            if parent:
                queue.append(parent)
            load = self._loads.get(member)
            if load is not None:
                queue.extend(load.needs)
                queue.extend(self._aliases.get(member, ()))
        return group

    @property
    def _aliases(self) -> dict[str, list[str]]:
        """Names that a module has put into `sys.modules` itself, by the module."""
        if self._found_aliases is None:
            self._found_aliases = {}
            for name in self.modules:
                if name not in self._loads:
                    owner = name.rpartition(".")[0]
                    while owner and owner not in self._loads:
                        owner = owner.rpartition(".")[0]
                    self._found_aliases.setdefault(owner, []).append(name)
        return self._found_aliases

    _found_aliases: dict[str, list[str]] | None = None

    def _fits(self, group: set[str]) -> bool:
        bound, present = self._bound, sys.modules
        for name in group:
            # A name that is there and `None` is one that somebody blocks.
            if name in present if name in self.modules else present.get(name) is not bound[name]:
                return False
        loads = [self._loads[name] for name in group if name in self._loads]
        return (
            not any(name in self.modules and self._is_rewritten_now(name) for name in group)
            and all(
                self._would_be_found(name, self.modules[name], None)
                for name in group
                if "." not in name and name in self.modules
            )
            and self._is_still_missing(loads)
            and self._environ_fits(group, loads)
            and not (any(load.warned for load in loads) and _warnings_raise())
            and not (self._dirty and self._was_patched(group))
        )

    def _is_still_missing(self, loads: list[Loaded]) -> bool:
        for load in loads:
            for name in load.missing:
                if name in sys.modules:
                    return False
                top = name.partition(".")[0]
                if top == name and self._is_in_sight(name) and _PathFinder.find_spec(name):
                    return False
        return True

    def _environ_fits(self, group: set[str], loads: list[Loaded]) -> bool:
        now, then = os.environ._data, self._environ  # type: ignore[attr-defined]
        if now == then:
            return True
        changed = {key for key in now.keys() | then.keys() if now.get(key) != then.get(key)}
        changed = {key for key in changed if not key.startswith(_OWN_VARIABLES)}
        if not changed:
            return True
        names = {os.fsdecode(key) for key in changed}
        if any(load.reads & names or EVERYTHING in load.reads for load in loads):
            return False
        if not any(key.startswith(tuple(_NATIVE)) for key in changed):
            return True
        files = (getattr(self.modules.get(name), "__file__", None) for name in group)
        return not any(file is not None and file.endswith(_EXTENSIONS) for file in files)

    def _was_patched(self, group: set[str]) -> bool:
        for name in group & self._exposed - self._checked:
            if _has_changed(self._bound[name], self._public[name]):
                return True
            self._checked.add(name)
        return False


class _Returning:
    """The loader of a module that was imported in advance; what else it is asked, the real one."""

    def __init__(self, stash: Stash, name: str, spec: Any) -> None:
        self._stash = stash
        self._name = name
        self._spec = spec
        self._kept: ModuleType | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._spec.loader, name)

    def create_module(self, spec: Any) -> Any:
        self._kept = self._stash.take(self._name)
        if self._kept is None:
            if self._stash.refuse(self._name):
                self._kept = self._stash.modules.get(self._name)
                return self._kept
            self._stash.forget(self._name)
            return self._spec.loader.create_module(spec)
        return self._kept

    def exec_module(self, module: ModuleType) -> None:
        real = self._spec
        if module is self._kept:
            module.__spec__ = real
            self._stash.put_back(self._name)
            return
        fresh = importlib.machinery.ModuleSpec(self._name, real.loader, origin=real.origin)
        fresh.submodule_search_locations = real.submodule_search_locations
        fresh.has_location, fresh.cached = real.has_location, real.cached
        module.__spec__, module.__loader__ = fresh, real.loader
        real.loader.exec_module(module)


def _module_name(entry: str) -> str:
    return entry.partition(".")[0] if entry.endswith(_LIKELY_SUFFIXES) else entry


def _finds_again(name: str, module: ModuleType) -> bool:
    found = _PathFinder.find_spec(name)
    spec = module.__spec__
    if found is None or spec is None:
        return False
    if found.origin != spec.origin:
        return False
    return list(found.submodule_search_locations or ()) == list(
        spec.submodule_search_locations or ()
    )


def _is_rewritten(module: ModuleType) -> bool:
    return hasattr(getattr(module, "__loader__", None), "_must_rewrite")


def _warnings_raise() -> bool:
    return any(one[0] == "error" for one in warnings.filters)


_Public = list[tuple[str, Any, Any]]


def _public_names(module: Any) -> _Public:
    """What others may have changed: a module's public names, and what is in them.

    Of the standard library's modules the functions and classes alone: they keep their own books.
    """
    name = getattr(module, "__name__", "")
    if name in _UNDER_PYTEST or name.partition(".")[0] in _PYTEST:
        return []
    try:
        names = list(vars(module).items())
    except TypeError:  # something else that calls itself a module
        return []
    file = getattr(module, "__file__", None)
    is_deep = file is not None and not places.is_stdlib(file)
    found: _Public = []
    for name, value in names:
        if name.startswith("_") or name.endswith("hook") or isinstance(value, ModuleType):
            continue
        if is_deep or isinstance(value, _CALLABLES):
            found.append((name, value, _content(value, module) if is_deep else None))
    return found


def _content(value: Any, module: Any) -> Any:
    kind = type(value)
    if kind is dict:
        return list(value.items()) if len(value) < 500 else None
    if kind is list or kind is set:
        return list(value) if len(value) < 500 else None
    if isinstance(value, type):
        if value.__module__ != module.__name__:
            return None
        return [pair for pair in list(vars(value).items()) if not pair[0].startswith("_")]
    if isinstance(value, (FunctionType, BuiltinFunctionType)):
        return None
    try:
        attributes = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return None
    return list(attributes.items()) if type(attributes) is dict else None


def _has_changed(module: Any, before: _Public) -> bool:
    if not before:
        return False
    names = vars(module)
    for name, value, content in before:
        if names.get(name, before) is not value:
            return True
        if content is not None and not _same(content, _content(value, module)):
            return True
    return False


def _same(one: list[Any], other: Any) -> bool:
    if other is None or len(one) != len(other):
        return False
    for left, right in zip(one, other):
        if left is right:
            continue
        if type(left) is not tuple or type(right) is not tuple or len(left) != 2:
            return False
        if left[0] != right[0] or left[1] is not right[1]:
            return False
    return True
