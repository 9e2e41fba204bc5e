"""A test throws all modules out."""
# --- test_it.py
import sys


def test_before():  # passed
    pass


def test_guilty():  # passed
    sys.modules.clear()


def test_after():  # passed
    pass
