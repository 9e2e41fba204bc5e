"""A test puts streams in place that can nothing but raise, and redirects the descriptors."""
# --- test_it.py
import os
import sys


class Odd:
    def __getattr__(self, name):
        raise RuntimeError(name)


def test_before():  # passed
    print("said")


def test_objects():  # passed
    sys.stdout = sys.stderr = sys.stdin = Odd()


def test_descriptors():  # passed
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)


def test_after():  # passed
    pass


def test_fails():  # failed
    raise AssertionError
