"""Hides the modules that were imported in advance until the project imports them.

They are not in `sys.modules`. When the project imports one, a finder before all others returns it,
with all that came with its import; but only if importing it now would give the same: the same file
is found, pytest does not rewrite it, and all that its import read (other modules, their settings,
variables) is unchanged. Else the session starts over without it (see `start_over`), as an extension
module can't be loaded twice; or, if tests run already, Python loads it again.
"""

from __future__ import annotations

import dis
import fnmatch
import importlib.machinery
import re
import sys
import warnings
from collections.abc import Iterable, Iterator
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any, Callable

from .. import site_paths
from ..processes import random_state
from ..unpatched import os
from ..watching import stat_watch
from .import_recorder import EVERYTHING, ImportRecorder

_PathFinder = importlib.machinery.PathFinder
_EXTENSIONS = tuple(importlib.machinery.EXTENSION_SUFFIXES)
_LIKELY_SUFFIXES = (".py", *_EXTENSIONS)
_CALLABLES = (FunctionType, BuiltinFunctionType, type)

# Variables that native libraries read without Python's knowledge begin so.
_NATIVE = (
    *(b"OMP_", b"GOMP_", b"KMP_", b"OPENBLAS_", b"GOTO_", b"MKL_", b"BLIS_", b"NUMEXPR_"),
    *(b"NPY_", b"NUMPY_", b"CUDA_", b"TF_", b"TORCH_", b"PYTORCH_", b"XLA_", b"JAX_", b"ARROW_"),
    *(b"GRPC_", b"RAYON_", b"RUST_", b"SSL_", b"OPENSSL_", b"MALLOC_", b"LD_", b"LC_", b"LANG"),
    *(b"TZ", b"QT_", b"SDL_", b"DISPLAY", b"PATH", b"HOME", b"TMPDIR"),
)
# pytest itself changes these.
_OWN_VARIABLES = (b"PYTEST_",)

# Modules that pytest itself patches, and pytest's own.
_UNDER_PYTEST = ("sys", "warnings", "pdb")
_PYTEST = ("pytest", "_pytest", "pluggy", "_pytest_lens_worker", "__main__")

# How many modules are touched between two looks at whether there is something to do.
_TOUCHED_AT_ONCE = 50

# The one of this process; `None` if no module was imported in advance.
current: HiddenModules | None = None


def names() -> Iterable[str]:
    """The modules that were imported in advance and that the project has not imported yet."""
    return current.modules.keys() if current is not None else ()


def executing(code: CodeType) -> None:
    """Note that a file of the project is about to run."""
    if current is not None and may_patch(code):
        current.project_ran()


def may_patch(code: CodeType) -> bool:
    """Whether a file's own statements may change other modules: more than imports and definitions.

    It may if it sets or deletes an attribute or an item, calls a function for its effect, or uses
    the name of a patching function or of a pytest hook.
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


class HiddenModules:
    """The modules that were imported in advance and that the project has not imported yet."""

    def __init__(self, recording: ImportRecorder, before: set[str]) -> None:
        self._loads = recording.loads
        self._bound = dict(sys.modules)
        self.modules = {name: sys.modules[name] for name in sys.modules if name not in before}
        self._needs = self._all_needs()
        self._rewritten = {name for name in self.modules if _is_rewritten(self.modules[name])}
        self._extensions = {name for name, one in self.modules.items() if _is_extension(one)}
        self._warned = {name for name, load in self._loads.items() if load.warned}
        self._with_missing = {name for name, load in self._loads.items() if load.missing}
        self._with_effects = {name for name, load in self._loads.items() if load.effects}
        # For a submodule: its parent, and its name as an attribute of that.
        self._children: dict[str, tuple[ModuleType, str]] = {}
        self._finders = list(sys.meta_path)
        self._project_path = _ProjectPath()
        self._environ = dict(os.environ._data)  # type: ignore[attr-defined]
        self._public = {name: _public_names(module) for name, module in self._bound.items()}
        # The modules that the project may have changed, because it can reach them.
        self._exposed: set[str] = set(before)
        self._checked: set[str] = set()
        self._dirty = False
        self._hook: Any = None
        # The modules that the session rewrites and the base did not, or the reverse; the second is
        # a cache, by the number of names that are marked for rewriting.
        self._other_patterns: set[str] = set()
        self._to_rewrite: tuple[int, set[str]] = (-1, set())
        self._group_of: tuple[str, set[str]] = ("", set())
        # Called with the name of a module that does not fit. It may not return (the session starts
        # over); if it returns true, the project gets the module anyway.
        self.refuse: Callable[[str], bool] = self.has_extensions

    def _all_needs(self) -> dict[str, set[str]]:
        """For each module the others that its import needs directly."""
        found = {}
        for name in self.modules:
            load = self._loads.get(name)
            needs = found[name] = set(load.needs if load is not None else ())
            needs.add(name.rpartition(".")[0])
        for name in self.modules.keys() - self._loads.keys():
            # A module has put this name into `sys.modules` itself.
            owner = name.rpartition(".")[0]
            while owner and owner not in self._loads:
                owner = owner.rpartition(".")[0]
            if owner in found:
                found[owner].add(name)
        return {name: needs & self._bound.keys() for name, needs in found.items()}

    def hide(self) -> None:
        """Remove the modules from `sys.modules` and from their parents."""
        global current
        for name, module in self.modules.items():
            parent, _, child = name.rpartition(".")
            holder = self._bound.get(parent)
            if holder is not None and vars(holder).get(child) is module:
                self._children[name] = (holder, child)
                delattr(holder, child)
        for name in self.modules:
            del sys.modules[name]
        sys.meta_path.insert(0, self)
        current = self

    def touch_pages(self) -> Iterator[None]:
        """Write to the pages that `put_back` writes to, in advance: the first write is slow.

        In small steps, of which any may be the last.
        """
        for number, (name, module) in enumerate(self.modules.items()):
            if number % _TOUCHED_AT_ONCE == 0:
                yield
            holder, child = self._children.get(name, (None, name))
            if holder is not None:
                vars(holder)[child] = module
                del vars(holder)[child]
            set(self._needs[name])
        sys.modules.update(self.modules)
        for name in self.modules:
            del sys.modules[name]

    # Changes by the project

    def project_ran(self) -> None:
        """Note that code of the project ran which may have changed other modules."""
        self._checked.clear()
        self._dirty = True

    def rewriting_with(self, hook: Any, patterns: Iterable[str], passing: bool) -> None:
        """Set the session's hook for assertions: a module that it rewrites is not put back."""
        self._hook = hook
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        sys.meta_path.insert(0, self)
        self._finders.append(hook)
        matches = re.compile("|".join(map(fnmatch.translate, patterns)) or "$^").match
        for name, module in self.modules.items():
            if name in self._rewritten:
                differs = passing
            else:
                file = getattr(module, "__file__", None)
                differs = file is not None and matches(file.rpartition(os.sep)[2]) is not None
            if differs:
                self._other_patterns.add(name)

    # The finder

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """A spec that puts the module back; none if Python must find it."""
        module = self.modules.get(name)
        spec = getattr(module, "__spec__", None)
        if module is None or spec is None or spec.name != name or name not in self._loads:
            return None
        if name in self._rewritten_otherwise() or not self._finders_are_known():
            return None
        parent = name.rpartition(".")[0]
        if parent:
            known = getattr(self._bound.get(parent), "__path__", None)
            if known is None or not (path is known or list(path or ()) == list(known)):
                return None
        elif name in self._project_path.names() and not _finds_again(name, module):
            return None
        loader: Any = _Returning(self, name, spec)
        own = importlib.machinery.ModuleSpec(name, loader, origin=spec.origin)
        _complete(own, spec)
        return own

    def invalidate_caches(self) -> None:
        """Part of a finder's interface."""

    def _rewritten_otherwise(self) -> set[str]:
        """Modules that the session rewrites and the base did not, or the reverse."""
        if self._hook is None:
            return self._rewritten
        marked = self._hook._must_rewrite
        if self._to_rewrite[0] != len(marked):
            tops = {name.partition(".")[0] for name in marked}
            candidates = (
                name
                for name in self.modules.keys() - self._rewritten
                if name.partition(".")[0] in tops
            )
            found = {
                name
                for name in candidates
                if any(name == one or name.startswith(f"{one}.") for one in marked)
            }
            self._to_rewrite = (len(marked), found | self._other_patterns)
        return self._to_rewrite[1]

    def _finders_are_known(self) -> bool:
        for finder in sys.meta_path:
            if finder is _PathFinder:
                return True
            if finder is not self and finder not in self._finders:
                return False
        return False

    # Putting back

    def take(self, name: str) -> ModuleType | None:
        """The module, if importing it now would give the same."""
        group = self._group(name)
        self._group_of = (name, group)
        return self.modules.get(name) if self._fits(group) else None

    def put_back(self, name: str) -> None:
        """Put the module back into `sys.modules`, with all that came with its import."""
        group = self._group_of[1] if self._group_of[0] == name else self._group(name)
        modules, children = self.modules, self._children
        back = group & modules.keys()
        for member in back:
            sys.modules[member] = modules.pop(member)
        for member in back & children.keys():
            holder, child = children.pop(member)
            setattr(holder, child, sys.modules[member])
        self._exposed |= group
        for member in back & self._with_effects:
            for effect in self._loads[member].effects:
                effect()
        if "numpy.random" in back:
            random_state.numpy_came()

    def forget(self, name: str) -> None:
        """Drop a module: Python loads it again."""
        self.modules.pop(name, None)

    def has_extensions(self, name: str) -> bool:
        """Whether loading it again would load an extension module a second time."""
        return not self._extensions.isdisjoint(self._group(name) & self.modules.keys())

    def _group(self, name: str) -> set[str]:
        """The module and all that its import needs, but not the needs of modules that are back."""
        group = {name}
        queue = [name]
        needs, exposed = self._needs, self._exposed
        while queue:
            new = needs[queue.pop()] - group
            group |= new
            queue += new - exposed
        return group

    def _fits(self, group: set[str]) -> bool:
        bound, present = self._bound, sys.modules
        hidden = group & self.modules.keys()
        # `None` in `sys.modules` blocks a name.
        if not hidden.isdisjoint(present):
            return False
        if not all(present.get(name) is bound[name] for name in group - hidden):
            return False
        in_sight = self._project_path.names() & hidden
        return (
            hidden.isdisjoint(self._rewritten_otherwise())
            and all(_finds_again(name, self.modules[name]) for name in in_sight)
            and self._is_still_missing(hidden & self._with_missing)
            and self._environ_fits(hidden)
            and (hidden.isdisjoint(self._warned) or not _warnings_raise())
            and not (self._dirty and self._was_patched(group & self._exposed - self._checked))
        )

    def _is_still_missing(self, members: set[str]) -> bool:
        missing = set().union(*(self._loads[name].missing for name in members))
        if not missing.isdisjoint(sys.modules):
            return False
        in_sight = self._project_path.names() & missing
        return not any(_PathFinder.find_spec(name) for name in in_sight)

    def _environ_fits(self, hidden: set[str]) -> bool:
        now, then = os.environ._data, self._environ  # type: ignore[attr-defined]
        if now == then:
            return True
        changed = {key for key in now.keys() | then.keys() if now.get(key) != then.get(key)}
        changed = {key for key in changed if not key.startswith(_OWN_VARIABLES)}
        if not changed:
            return True
        if any(key.startswith(_NATIVE) for key in changed) and hidden & self._extensions:
            return False
        names = {EVERYTHING, *map(os.fsdecode, changed)}
        return not any(self._loads[name].reads & names for name in hidden & self._loads.keys())

    def _was_patched(self, members: set[str]) -> bool:
        for name in members:
            if _has_changed(self._bound[name], self._public[name]):
                return True
            self._checked.add(name)
        return False


class _ProjectPath:
    """The modules in the project's own folders on `sys.path`: Python may find them instead."""

    def __init__(self) -> None:
        self._known = list(dict.fromkeys(sys.path))
        self._path: list[str] | None = None
        self._folders: list[str] = []
        self._listed: dict[str, tuple[tuple[int, int], set[str]]] = {}
        self._everything = set(sys.modules)

    def names(self) -> set[str]:
        """The names of the modules in these folders."""
        if sys.path != self._path:
            self._path = list(sys.path)
            self._folders = self._foreign(self._path)
        found: set[str] = set()
        for folder in self._folders:
            found |= self._names_in(folder)
        return found

    def _foreign(self, path: list[str]) -> list[str]:
        known = self._known
        if [entry for entry in dict.fromkeys(path) if entry in known] != known:
            return list(path)  # the sequence differs: search all folders
        return [
            entry
            for entry in path
            if entry not in known or site_paths.is_project(os.path.join(os.path.abspath(entry), ""))
        ]

    def _names_in(self, folder: str) -> set[str]:
        try:
            stat = os.stat(folder or ".")
            changed = (stat.st_mtime_ns, stat.st_ctime_ns)
            listed = self._listed.get(folder)
            if listed is None or listed[0] != changed:
                found = {_module_name(entry) for entry in os.listdir(folder or ".")}
                listed = self._listed[folder] = (changed, found)
        except NotADirectoryError:  # a zip file perhaps
            return self._everything
        except (OSError, ValueError):
            return set()
        return listed[1]


class _Returning:
    """The loader that puts a module back; for all else it acts as the module's real loader."""

    def __init__(self, hidden: HiddenModules, name: str, spec: Any) -> None:
        self._hidden = hidden
        self._name = name
        self._spec = spec
        self._kept: ModuleType | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._spec.loader, name)

    def create_module(self, spec: Any) -> Any:
        self._kept = self._hidden.take(self._name)
        if self._kept is None:
            if self._hidden.refuse(self._name):
                self._kept = self._hidden.modules.get(self._name)
                return self._kept
            self._hidden.forget(self._name)
            return self._spec.loader.create_module(spec)
        return self._kept

    def exec_module(self, module: ModuleType) -> None:
        real = self._spec
        if module is self._kept:
            module.__spec__ = real
            self._hidden.put_back(self._name)
            return
        fresh = importlib.machinery.ModuleSpec(self._name, real.loader, origin=real.origin)
        _complete(fresh, real)
        module.__spec__, module.__loader__ = fresh, real.loader
        real.loader.exec_module(module)


def _complete(spec: Any, real: Any) -> None:
    spec.submodule_search_locations = real.submodule_search_locations
    spec.has_location, spec.cached = real.has_location, real.cached


def _is_extension(module: ModuleType) -> bool:
    file = getattr(module, "__file__", None)
    return isinstance(file, str) and file.endswith(_EXTENSIONS)


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
    """The public names of a module and their content: other code may change them.

    Of standard modules only the functions and classes: their data changes by itself.
    """
    name = getattr(module, "__name__", "")
    if name in _UNDER_PYTEST or name.partition(".")[0] in _PYTEST:
        return []
    try:
        names = list(vars(module).items())
    except TypeError:  # something else that calls itself a module
        return []
    file = getattr(module, "__file__", None)
    is_deep = file is not None and not site_paths.is_stdlib(file)
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
        if stat_watch.real(names.get(name, before)) is not value:
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
