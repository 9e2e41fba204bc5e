"""pytest-lens for Python: the engine as a library, its command line, and a pytest plugin.

>>> from pytest_lens import Engine
>>> with Engine("path/to/project") as engine:
...     for event in engine.run_stream(["tests/test_a.py"]):
...         print(event)

``python -m pytest_lens`` is the command line, ``pytest --lens`` records runs of a
terminal or a CI service in the history from which flakiness is judged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._native import PROTOCOL_VERSION, __version__
    from .engine import Engine
    from .errors import LensError
    from .runs import Run

__all__ = ["PROTOCOL_VERSION", "Engine", "LensError", "Run", "__version__"]

_HOMES = {
    "PROTOCOL_VERSION": "_native",
    "__version__": "_native",
    "Engine": "engine",
    "LensError": "errors",
    "Run": "runs",
}


def __getattr__(name: str) -> Any:
    """Loaded on demand: every pytest of the environment imports this package for its plugin."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
