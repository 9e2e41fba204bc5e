"""pytest's command line for a session, and the options that must not have their usual effect."""

from __future__ import annotations

import os
from typing import Any

import pytest

from .state import Worker

# Options that would wait for a terminal, or run no test at all.
_REFUSED = {
    "usepdb": ("--pdb",),
    "trace": ("--trace",),
    "collectonly": ("--collect-only", "--collectonly", "--co"),
}


def command_line(worker: Worker) -> list[str]:
    """The arguments of `pytest.main`."""
    options = worker.options
    cache = os.path.join(worker.boot.cache_dir, "pytest-cache")
    return ["-o", f"cache_dir={cache}", *options.arguments, *options.args]


def without_coverage(namespace: Any) -> None:
    """Keep pytest-cov from starting; on the early and on the final options, if it is there."""
    if hasattr(namespace, "no_cov"):
        namespace.no_cov = True
        namespace.cov_source = []


def without_distribution(option: Any) -> bool:
    """Keep pytest-xdist, if it is there, from distributing: the engine does that.

    Returns whether it was asked to.
    """
    if not hasattr(option, "numprocesses"):
        return False
    asked = bool(option.numprocesses or option.tx)
    option.numprocesses = None
    option.dist = "no"
    option.tx = []
    option.distload = False
    option.looponfail = False
    return asked


def without_repeats(option: Any) -> None:
    """Keep pytest-rerunfailures, if it is there, from repeating failures."""
    if getattr(option, "reruns", None):
        option.reruns = 0


def refuse_or_neutralise(worker: Worker, config: Any) -> None:
    """Options that cannot work here: an error when asked for, else ignored."""
    for dest, names in _REFUSED.items():
        if not getattr(config.option, dest, False):
            continue
        for argument in worker.options.arguments:
            if argument in names:
                raise pytest.UsageError(f"{argument} does not work with pytest-lens: leave it out")
        setattr(config.option, dest, False)
    # Reports about a whole session; ours are parts of one, and several at a time.
    for dest in ("xmlpath", "pastebin", "lens"):
        if getattr(config.option, dest, None):
            setattr(config.option, dest, None)
