"""The worker's own code, by its folder and by its package: traces of it are not the project's."""

from __future__ import annotations

from .unpatched import os

# Ends with a separator.
FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "")
PACKAGE = str(__package__)
