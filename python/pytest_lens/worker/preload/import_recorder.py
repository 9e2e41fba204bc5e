"""Records the needs, the reads and the effects of each module that a base imports in advance.

The project may never import such a module, or only after it has changed something that the import
depends on. So this module watches each load: which other modules it imports or finds missing, and
which variables it reads (see `hidden_modules`). It also undoes changes that a load makes outside
the module, to make them again when the project imports it.
"""

from __future__ import annotations

import atexit
import builtins
import contextlib
import importlib
import random
import sys
import warnings
from collections.abc import Iterator
from typing import Any, Callable

from ..unpatched import gc, os

_bootstrap: Any = importlib.import_module("importlib._bootstrap")
_environ_type: Any = type(os.environ)

# Stands for all variables: the load read the whole environment.
EVERYTHING = "*"


class ModuleLoad:
    """One module's load."""

    def __init__(self) -> None:
        self.needs: set[str] = set()
        self.missing: set[str] = set()
        self.reads: set[str] = set()
        self.warned = False
        # It keeps a reference to standard output or error, which pytest replaces to capture.
        self.holds_output = False
        # Functions that make its changes outside the module again.
        self.effects: list[Callable[[], object]] = []


class ImportRecorder:
    """The loads of one process, by the module's name."""

    def __init__(self) -> None:
        self.loads: dict[str, ModuleLoad] = {}
        self._stack: list[ModuleLoad] = []
        self._filters: list[Any] = []
        self._environ: dict[Any, Any] = {}
        self._warned: list[Any] = []
        self._references = self._holders = 0

    def holders_of_output(self) -> set[str]:
        """The packages that keep standard output or error, and those that import them."""
        tops: dict[str, set[str]] = {}
        for name, load in self.loads.items():
            needed = {need.partition(".")[0] for need in load.needs}
            tops.setdefault(name.partition(".")[0], set()).update(needed)
        found = {name.partition(".")[0] for name, load in self.loads.items() if load.holds_output}
        more = found
        while more:
            more = {top for top, needed in tops.items() if needed & more} - found
            found = found | more
        return found

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Record the imports of the block, and undo their effects on the process after it."""
        before = dict(os.environ)
        hooks: list[tuple[Any, str, Any]] = [
            (builtins, "__import__", self._import(builtins.__import__)),
            (_bootstrap, "_gcd_import", self._gcd_import(_bootstrap._gcd_import)),
            (_bootstrap, "_load_unlocked", self._load(_bootstrap._load_unlocked)),
            (_environ_type, "__getitem__", self._read(_environ_type.__getitem__)),
            (_environ_type, "__iter__", self._read_all(_environ_type.__iter__)),
            (random.Random, "seed", self._seed(random.Random.seed)),
            (atexit, "register", self._at_exit(atexit.register)),
        ]
        originals = [(holder, name, vars(holder)[name]) for holder, name, _ in hooks]
        self._references, self._holders = _output_references(), _output_holders()
        try:
            with warnings.catch_warnings(record=True) as self._warned:
                warnings.simplefilter("always")
                self._filters = list(warnings.filters)
                self._environ = dict(os.environ._data)  # type: ignore[attr-defined]
                for holder, name, hook in hooks:
                    setattr(holder, name, hook)
                yield
        finally:
            for holder, name, original in originals:
                setattr(holder, name, original)
            if dict(os.environ) != before:
                os.environ.clear()
                os.environ.update(before)

    def _import(self, original: Any) -> Any:
        def __import__(
            name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0
        ) -> Any:
            if not self._stack:
                return original(name, globals, locals, fromlist, level)
            try:
                module = original(name, globals, locals, fromlist, level)
            except ModuleNotFoundError as error:
                self._stack[-1].missing.add(error.name or name)
                raise
            target = name if level == 0 else _absolute(name, globals or {}, level)
            self._need(target, fromlist or ())
            return module

        return __import__

    def _gcd_import(self, original: Any) -> Any:
        def _gcd_import(name: str, package: Any = None, level: int = 0) -> Any:
            try:
                module = original(name, package, level)
            except ModuleNotFoundError as error:
                if self._stack:
                    self._stack[-1].missing.add(error.name or name)
                raise
            if self._stack:
                self._need(getattr(module, "__name__", name), ())
            return module

        return _gcd_import

    def _need(self, target: str, fromlist: Any) -> None:
        needs = self._stack[-1].needs
        parts = target.split(".")
        needs.update(".".join(parts[: end + 1]) for end in range(len(parts)))
        for item in fromlist:
            names = getattr(sys.modules.get(target), "__all__", ()) if item == "*" else (item,)
            needs.update(f"{target}.{n}" for n in names if f"{target}.{n}" in sys.modules)

    def _load(self, original: Any) -> Any:
        def _load_unlocked(spec: Any) -> Any:
            self._assign_changes()
            if self._stack:
                self._stack[-1].needs.add(spec.name)
            load = self.loads[spec.name] = ModuleLoad()
            warned = len(self._warned)
            self._stack.append(load)
            try:
                return original(spec)
            finally:
                self._assign_changes()
                self._stack.pop()
                load.warned = len(self._warned) > warned
                load.holds_output = self._is_newly_held()

        return _load_unlocked

    def _is_newly_held(self) -> bool:
        references = _output_references()
        if references == self._references:
            return False
        before, self._references, self._holders = self._holders, references, _output_holders()
        return self._holders > before

    def _assign_changes(self) -> None:
        """Assign the changes since the last call to the module that loads now."""
        filters = list(warnings.filters)
        if filters != self._filters:
            new = [one for one in filters if one not in self._filters]
            self._filters = filters
            if self._stack:
                self._stack[-1].effects.append(lambda: _add_filters(new))
        data = os.environ._data  # type: ignore[attr-defined]
        if data != self._environ:
            changed = {key: data.get(key) for key in data.keys() | self._environ.keys()}
            changed = {k: v for k, v in changed.items() if self._environ.get(k) != v}
            self._environ = dict(data)
            if self._stack:
                self._stack[-1].effects.append(lambda: _set_variables(changed))

    def _read(self, original: Any) -> Any:
        def __getitem__(environ: Any, key: Any) -> Any:
            if self._stack and isinstance(key, str):
                self._stack[-1].reads.add(key)
            return original(environ, key)

        return __getitem__

    def _read_all(self, original: Any) -> Any:
        def __iter__(environ: Any) -> Any:
            if self._stack:
                self._stack[-1].reads.add(EVERYTHING)
            return original(environ)

        return __iter__

    def _seed(self, original: Any) -> Any:
        def seed(generator: Any, a: Any = None, version: int = 2) -> None:
            original(generator, a, version)
            if self._stack and a is None:
                # A generator without a seed: each process that imports the module has another one.
                self._stack[-1].effects.append(generator.seed)

        return seed

    def _at_exit(self, original: Any) -> Any:
        def register(function: Any, /, *args: Any, **named: Any) -> Any:
            if self._stack:
                self._stack[-1].effects.append(lambda: original(function, *args, **named))
                return function
            return original(function, *args, **named)

        return register


def _output_references() -> int:
    return sys.getrefcount(sys.stdout) + sys.getrefcount(sys.stderr)


def _output_holders() -> int:
    """How many objects keep standard output or error, without `sys` and its copies."""
    capture_files = (sys.stdout, sys.stderr)
    found = [one for one in gc.get_referrers(*capture_files) if one is not capture_files]
    return sum(not (type(one) is dict and one.get("__name__") == "sys") for one in found)


def _absolute(name: str, namespace: dict[str, Any], level: int) -> str:
    package = namespace.get("__package__")
    if package is None:
        package = namespace.get("__name__", "")
        if "__path__" not in namespace:
            package = package.rpartition(".")[0]
    base = str(package).rsplit(".", level - 1)[0] if level > 1 else str(package)
    return f"{base}.{name}" if name else base


def _add_filters(new: list[Any]) -> None:
    warnings.filters[:0] = [one for one in new if one not in warnings.filters]  # type: ignore[index]
    mutated = getattr(warnings, "_filters_mutated", None) or getattr(
        warnings, "_filters_mutated_lock_held", None
    )
    if mutated is not None:
        mutated()


def _set_variables(changed: dict[bytes, bytes | None]) -> None:
    for key, value in changed.items():
        if value is None:
            os.environ.pop(os.fsdecode(key), None)
        else:
            os.environ[os.fsdecode(key)] = os.fsdecode(value)
