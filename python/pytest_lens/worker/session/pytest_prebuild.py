"""Builds in the base the parts of a session that do not depend on the project.

pytest's `Config` with all its default plugins takes longer to build than a small file takes to
collect, so forks of the base find it ready. The base can import plugins' packages in advance too,
if it rewrites their asserts as pytest does.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import pathlib
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from . import code_cache

_config: Any = importlib.import_module("_pytest.config")
_own_fixtures: dict[int, list[str]] = {}


def load_default_plugins() -> None:
    """Import all plugins of pytest itself, and the modules that those import when first used."""
    for name in _config.default_plugins:
        with contextlib.suppress(ImportError):
            importlib.import_module(f"_pytest.{name}")
    _own_fixtures.update(_search_own_modules())


def plugin_distributions() -> list[Any]:
    """The installed distributions that have a `pytest11` entry point."""
    found = []
    for dist in importlib.metadata.distributions():
        try:
            if any(entry.group == "pytest11" for entry in dist.entry_points):
                found.append(dist)
        except Exception:  # a broken installation of something else
            continue
    return found


def plugin_packages(distributions: list[Any]) -> set[str]:
    """The modules whose asserts pytest rewrites because they belong to a plugin's distribution."""
    names: set[str] = set()
    with contextlib.suppress(Exception):
        for dist in distributions:
            files = [str(file) for file in dist.files or []]
            names |= set(_config._iter_rewritable_modules(files))
    return names


@contextlib.contextmanager
def rewriting(packages: set[str], cache: code_cache.Cache) -> Iterator[bool]:
    """While plugins are imported before any session, rewrite their asserts as a session does.

    Yields whether that works; if not, each session must import them itself.
    """
    hook: Any = None
    try:
        config = _config.get_config()
        if not hasattr(config, "inicfg"):  # until pytest 8.4 only parsing sets it
            config.inicfg = {}
        hook = importlib.import_module("_pytest.assertion").install_importhook(config)
        hook.exec_module = code_cache.executor(hook, None, cache)
        hook.mark_rewrite(*packages)
        works = True
    except Exception:
        works = False
    try:
        yield works
    finally:
        if hook is not None and hook in sys.meta_path:
            sys.meta_path.remove(hook)


class PrebuiltConfig:
    """One `Config`, just built by `get_config`, for the one session of a process."""

    def __init__(self) -> None:
        self._ready: Any = None
        with contextlib.suppress(Exception):
            named = {"prog": "pytest.main()"} if _takes_prog() else {}
            self._ready = _config.get_config(**named)

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """The next `get_config` of pytest returns it, unless its arguments choose plugins."""
        original = _config.get_config

        def get_config(args: Any = None, plugins: Any = None, **named: Any) -> Any:
            _config.get_config = original
            chosen = any(str(arg).startswith("-p") for arg in args or ())
            if self._ready is None or chosen:
                return original(args, plugins, **named)
            config, self._ready = self._ready, None
            config.invocation_params = config.InvocationParams(
                args=args or (), plugins=plugins, dir=pathlib.Path.cwd()
            )
            return config

        _config.get_config = get_config
        try:
            yield
        finally:
            _config.get_config = original


def _search_own_modules() -> dict[int, list[str]]:
    """The names of the fixtures in each of pytest's own plugin modules, by the module's id."""
    found = {}
    for name in _config.default_plugins:
        module = sys.modules.get(f"_pytest.{name}")
        if module is not None:
            found[id(module)] = sorted(
                key for key, value in list(vars(module).items()) if _is_fixture(value)
            )
    return found


def _is_fixture(value: Any) -> bool:
    is_definition = type(value).__name__ == "FixtureFunctionDefinition"  # since pytest 8.4
    return is_definition or hasattr(value, "_pytestfixturefunction")


@contextlib.contextmanager
def quick_fixture_search() -> Iterator[None]:
    """While a session starts, pytest need not search its own modules for fixtures again.

    That search, which goes by `dir`, takes half of the time of a session with one small file.
    """
    fixtures: Any = importlib.import_module("_pytest.fixtures")
    fixtures.dir = lambda holder: _own_fixtures[id(holder)] if _is_own(holder) else dir(holder)
    try:
        yield
    finally:
        del fixtures.dir


def _is_own(holder: object) -> bool:
    return type(holder) is ModuleType and id(holder) in _own_fixtures


def _takes_prog() -> bool:
    return (
        "prog" in _config.get_config.__kwdefaults__ if _config.get_config.__kwdefaults__ else False
    )
