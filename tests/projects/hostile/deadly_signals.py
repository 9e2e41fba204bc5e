"""Tests send themselves signals that end their process."""
# --- test_it.py
import os
import signal

import pytest


def test_before():  # passed
    pass


def test_kill():  # crashed
    os.kill(os.getpid(), signal.SIGKILL)


def test_terminate():  # crashed
    os.kill(os.getpid(), signal.SIGTERM)


def test_hangup():  # crashed
    os.kill(os.getpid(), signal.SIGHUP)


def test_alarm():  # crashed
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    signal.pause()


def test_after():  # passed
    pass
