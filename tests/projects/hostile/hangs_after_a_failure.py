"""A test fails, and its teardown never ends."""

settings = {"timeoutMs": 700}
# --- test_it.py
import threading

import pytest


@pytest.fixture
def never_down():
    yield
    threading.Event().wait()


def test_before():  # passed
    pass


def test_guilty(never_down):  # timed_out
    raise AssertionError


def test_after():  # passed
    pass
