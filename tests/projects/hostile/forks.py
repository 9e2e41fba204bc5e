"""Tests fork without exec; the children return into pytest, raise, or stay for ever."""
# --- test_it.py
import os
import time


def test_before():  # passed
    pass


def test_child_returns():  # passed
    if os.fork() == 0:
        return
    os.wait()


def test_child_fails():  # passed
    if os.fork() == 0:
        raise AssertionError("in the child")
    os.wait()


def test_child_exits():  # passed
    if os.fork() == 0:
        raise SystemExit
    os.wait()


def test_child_stays():  # passed
    for _ in range(20):
        if os.fork() == 0:
            time.sleep(600)
            os._exit(0)


def test_after():  # passed
    pass
