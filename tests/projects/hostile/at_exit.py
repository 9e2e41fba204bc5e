"""Tests leave exit handlers that raise, exit, abort, and never end; no test is to blame."""

settings = {"timeoutMs": 2_000}
# --- test_it.py
import atexit
import os
import sys
import time


def test_before():  # passed
    pass


def test_aborts():  # passed
    atexit.register(os.abort)


def test_exits():  # passed
    atexit.register(sys.exit, 1)


def test_raises():  # passed
    atexit.register(lambda: 1 / 0)


def test_after():  # passed
    pass
