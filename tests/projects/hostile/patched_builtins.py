"""A test replaces built-in functions."""
# --- test_it.py
import builtins
import io
import os


def broken(*arguments, **options):
    raise RuntimeError("patched")


def test_before():  # passed
    pass


def test_guilty():  # passed
    builtins.print = builtins.input = builtins.exit = builtins.quit = broken
    builtins.sorted = builtins.vars = builtins.dir = broken
    builtins.open = io.open = os.fdopen = broken


def test_after():  # passed
    pass
