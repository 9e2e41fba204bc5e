"""The files that pytest reads its configuration from; a test compares them with the engine's list."""

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
