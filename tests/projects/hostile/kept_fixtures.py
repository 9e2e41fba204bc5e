"""Fixtures stay set up between runs, in a process that tests crash and spoil."""

settings = {"fixtureReuse": {"enabled": True}, "timeoutMs": 1_000}
# --- test_it.py
import os
import sys
import threading

import pytest


@pytest.fixture(scope="session")
def kept():
    yield [1]


def test_before(kept):  # passed
    print("said")


def test_crashes(kept):  # crashed
    os.abort()


def test_hangs(kept):  # timed_out
    threading.Event().wait()


def test_closes(kept):  # error
    os.closerange(3, 64)


def test_modules(kept):  # passed
    sys.modules.clear()


def test_after(kept, capfd):  # passed
    os.write(1, b"x")
    assert capfd.readouterr().out == "x"
