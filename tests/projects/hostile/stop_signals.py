"""Tests stop their process as a terminal would."""
# --- test_it.py
import os
import signal


def test_before():  # passed
    pass


def test_guilty():  # crashed
    os.kill(os.getpid(), signal.SIGTSTP)


def test_after():  # passed
    pass
