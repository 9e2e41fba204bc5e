"""Loads the worker's modules from one file: it takes longer to find a hundred than to run them.

The first interpreter of a kind writes the file, even if Python may write no bytecode. It lies among
the files that Python compiles, which the engine removes if an interpreter can't start with them.
Only a folder whose sources never change, such as the engine's, may have one.
"""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType

from .unpatched import marshal, os

_FOLDER = os.path.dirname(os.path.abspath(__file__))
# Code of another Python may not be loaded, and code has the paths of its files.
_KIND = (importlib.util.MAGIC_NUMBER, _FOLDER)

# By the module's name: whether it is a package, its file, its code.
_Modules = dict[str, tuple[bool, str, CodeType]]


class _Finder:
    """Finds and loads modules of one file: an entry of `sys.meta_path`."""

    def __init__(self, modules: _Modules) -> None:
        self._modules = modules

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> object:
        if name not in self._modules:
            return None
        is_package, file, _ = self._modules[name]
        spec = ModuleSpec(name, self, origin=file, is_package=is_package)  # type: ignore[arg-type]
        spec.has_location = True
        if is_package:
            spec.submodule_search_locations = [os.path.dirname(file)]
        return spec

    def create_module(self, _spec: object) -> None:
        """Python makes it as any other."""

    def exec_module(self, module: ModuleType) -> None:
        _, _, code = self._modules.pop(module.__name__)
        exec(code, vars(module))


_finder: _Finder | None = None
_path: str | None = None


def begin() -> None:
    """Load the worker's modules from the file from now on, if there is one."""
    global _finder, _path
    tag = sys.implementation.cache_tag
    if tag is None:
        return
    _path = os.path.join(_FOLDER, "__pycache__", f"worker.{tag}.opt-{sys.flags.optimize}.modules")
    try:
        with open(_path, "rb") as file:
            kind, modules = marshal.loads(file.read())
    except (OSError, EOFError, ValueError, TypeError):  # there is none, or a damaged one
        return
    if kind == _KIND:
        _finder = _Finder(modules)
        sys.meta_path.insert(0, _finder)  # type: ignore[arg-type]


def end() -> None:
    """Load further modules from their own files, and write the file if there was none."""
    if _finder is not None:
        with contextlib.suppress(ValueError):
            sys.meta_path.remove(_finder)  # type: ignore[arg-type]
    elif _path is not None:
        _write(_path)


def _write(path: str) -> None:
    modules: _Modules = {}
    for name, module in list(sys.modules.items()):
        spec = getattr(module, "__spec__", None)
        code = None
        if name.startswith(f"{__package__}.") and spec is not None and name != __name__:
            code = spec.loader.get_code(name)
        if code is not None and spec is not None:
            modules[name] = spec.submodule_search_locations is not None, spec.origin, code
    unfinished = f"{path}.{os.getpid()}"
    try:
        with open(unfinished, "wb") as file:
            file.write(marshal.dumps((_KIND, modules)))
        os.replace(unfinished, path)
    except OSError:  # every start takes longer
        with contextlib.suppress(OSError):
            os.unlink(unfinished)
