"""A test loops in C, without giving Python's lock back."""

settings = {"timeoutMs": 700}
# --- test_it.py
import itertools


def test_before():  # passed
    pass


def test_guilty():  # timed_out
    assert 1 in itertools.repeat(0)


def test_after():  # passed
    pass
