"""A test leaves no standard streams behind."""
# --- test_it.py
import sys


def test_before():  # passed
    print("said")


def test_guilty():  # passed
    sys.stdout = sys.stderr = sys.stdin = None
    sys.__stdout__ = sys.__stderr__ = sys.__stdin__ = None


def test_after():  # passed
    print("said")


def test_fails():  # failed
    raise AssertionError
