"""Prints the options of pytest and of plugins, for `server/cli/src/options/known_options.tsv`.

Run it in a virtual environment with `requirements.txt` of this folder (CONTRIBUTING.md says how).
A line is an option: its package and version, its names, and whether it takes a value.
"""

from __future__ import annotations

import contextlib
import io
import os
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from _pytest.config import _prepareconfig

VALUES = {0: "none", "?": "optional"}


def parsed(modules: list[str]) -> dict[tuple[str, ...], str]:
    """The options with these plugins: their names, and whether they take a value."""
    arguments = [word for module in modules for word in ("-p", module)]
    with contextlib.redirect_stderr(io.StringIO()):
        config: Any = _prepareconfig(arguments)
    found = {}
    for action in config._parser.optparser._actions:
        if action.option_strings:
            found[tuple(action.option_strings)] = VALUES.get(action.nargs, "one")
    return found


def plugins() -> dict[str, list[str]]:
    """The modules of the plugins that `requirements.txt` names, by package and version."""
    found: dict[str, list[str]] = {}
    for line in Path(__file__).with_name("requirements.txt").read_text().splitlines():
        name = line.partition("==")[0]
        if not name or name.startswith("#") or name == "pytest":
            continue
        distribution = metadata.distribution(name)
        modules = [entry.value for entry in distribution.entry_points if entry.group == "pytest11"]
        found[f"{name} {distribution.version}"] = modules
    return found


def main() -> None:
    """Prints the lines."""
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    own = parsed([])
    lists = {f"pytest {pytest.__version__}": own}
    for package, modules in plugins().items():
        # pytest-html needs pytest-metadata.
        needed = ["pytest_metadata.plugin"] if package.startswith("pytest-html ") else []
        base = parsed(needed)
        more = parsed([*needed, *modules])
        lists[package] = {names: value for names, value in more.items() if names not in base}
    for package, options in lists.items():
        for names, value in options.items():
            print(package, " ".join(names), value, sep="\t")


main()
