"""Hooks of the end of a session raise, hang, and exit: the tests have their outcomes by then."""

status = "failed"
# --- conftest.py
import sys


def pytest_sessionfinish():
    raise RuntimeError("at the end")


def pytest_unconfigure():
    sys.exit(7)
# --- test_it.py
def test_it():  # passed
    pass


def test_fails():  # failed
    assert [1] == [2]
