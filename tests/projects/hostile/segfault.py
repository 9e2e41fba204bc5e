"""A test ends its process by a segmentation fault."""
# --- test_it.py
import ctypes


def test_before():  # passed
    pass


def test_guilty():  # crashed
    ctypes.string_at(0)


def test_after():  # passed
    pass
