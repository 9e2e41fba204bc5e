"""Which of the modules that a collection imported the next base may import in advance."""

from __future__ import annotations

import importlib.machinery
import sys
from typing import Any

from . import hazards, places


def preloadable(before: list[str], new: list[str], at_change: list[str] | None) -> list[str]:
    """Names in import order: installed packages' modules, not rewritten by pytest, harmless.

    `before` was preloaded already; `new` came with the session; `at_change` is what was loaded
    when the environment first changed (None: it never did).
    """
    allowed = None if at_change is None else set(at_change)
    rewritten = _rewritten_prefixes()
    names = list(before)
    for name in new:
        if allowed is not None and name not in allowed:
            continue
        if _is_installed_source(name) and not _within(name, rewritten):
            names.append(name)
    return [name for name in names if not _within(name, hazards.MODULES)]


def _within(name: str, packages: Any) -> bool:
    parts = name.split(".")
    return any(".".join(parts[: end + 1]) in packages for end in range(len(parts)))


def _is_installed_source(name: str) -> bool:
    module = sys.modules.get(name)
    spec = getattr(module, "__spec__", None)
    if spec is None or spec.name != name or not isinstance(spec.origin, str):
        return False
    # Extension modules come with the Python modules that wrap them.
    if not isinstance(spec.loader, importlib.machinery.SourceFileLoader):
        return False
    return places.is_third_party(spec.origin)


def _rewritten_prefixes() -> set[str]:
    """Packages whose asserts pytest rewrites: loaded early they would miss that."""
    names = {"pytest", "_pytest", "_pytest_lens_worker", "conftest"}
    for finder in sys.meta_path:
        names |= set(getattr(finder, "_must_rewrite", ()))
    return names
