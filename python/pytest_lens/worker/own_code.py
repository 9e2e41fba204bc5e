"""Recognizes the worker's own code, by its folder or its package."""

from __future__ import annotations

from .unpatched import os

# Ends with a separator.
FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "")
PACKAGE = str(__package__)
