"""The files of pytest's configuration that have names of the user's choice.

The engine knows the usual names; `-c` and `@file` in variables and configuration may name others.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from ..unpatched import os


def files(config: Any) -> Iterator[str]:
    """The configuration file, and those from which pytest read further arguments."""
    inipath = getattr(config, "inipath", None)
    if inipath is not None:
        yield os.path.abspath(inipath)
    folder = str(config.invocation_params.dir)
    for word in _words(config):
        if word.startswith("@"):
            yield os.path.abspath(os.path.join(folder, word[1:]))


def _words(config: Any) -> Iterator[str]:
    yield from map(str, config.invocation_params.args)
    added = config.getini("addopts")
    yield from [added] if isinstance(added, str) else added
    try:
        yield from shlex.split(os.environ.get("PYTEST_ADDOPTS", ""))
    except ValueError:
        return  # a quote is missing, and pytest has said so
