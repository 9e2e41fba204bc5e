"""A fixture never ends, neither its set-up nor its teardown."""

settings = {"timeoutMs": 700}
expected = {"test_it.py::test_teardown": "timed_out"}
# --- test_it.py
import threading

import pytest


@pytest.fixture
def never_up():
    threading.Event().wait()


@pytest.fixture
def never_down():
    yield
    threading.Event().wait()


def test_set_up(never_up):  # timed_out
    pass


def test_between():  # passed
    pass


def test_teardown(never_down):
    pass


def test_after():  # passed
    pass
