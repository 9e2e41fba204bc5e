"""A test empties the environment, Python's and C's."""
# --- test_it.py
import ctypes
import os


def test_before():  # passed
    pass


def test_guilty():  # passed
    os.environ.clear()
    ctypes.CDLL(None).clearenv()


def test_after(tmp_path):  # passed
    pass


def test_fails():  # failed
    assert [1] == [2]
