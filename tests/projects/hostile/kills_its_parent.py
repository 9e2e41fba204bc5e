"""A test kills the process that forked it, and later the group that it is in."""
# --- test_it.py
import os
import signal
import threading


def test_before():  # passed
    pass


def test_parent():  # crashed
    os.kill(os.getppid(), signal.SIGKILL)
    threading.Event().wait()


def test_between():  # passed
    pass


def test_group():  # crashed
    os.killpg(0, signal.SIGKILL)


def test_after():  # passed
    pass
