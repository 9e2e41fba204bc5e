"""Tests leave a tracer, a profiler, hooks for exceptions, and audit hooks, all of which raise."""
# --- test_it.py
import sys
import threading


def broken(*arguments):
    raise RuntimeError("hooked")


def test_before():  # passed
    pass


def test_profile():  # failed
    sys.setprofile(broken)


def test_hooks():  # passed
    sys.excepthook = sys.unraisablehook = threading.excepthook = sys.displayhook = broken


def test_after():  # passed
    pass


def test_fails():  # failed
    assert [1] == [2]
