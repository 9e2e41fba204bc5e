"""The files of pytest's configuration; a test compares this list with the engine's."""

from __future__ import annotations

# The first one that holds any configuration counts.
CONFIG_FILES = (
    "pytest.toml",
    ".pytest.toml",
    "pytest.ini",
    ".pytest.ini",
    "pyproject.toml",
    "tox.ini",
    "setup.cfg",
)
