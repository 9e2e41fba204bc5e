"""Crashes, hangs and closed descriptors where no process is forked."""

settings = {"executionMode": "subprocess", "timeoutMs": 1_000}
# --- test_it.py
import os
import threading


def test_before():  # passed
    print("said")


def test_crashes():  # crashed
    os.abort()


def test_hangs():  # timed_out
    threading.Event().wait()


def test_closes():  # error
    os.closerange(3, 64)


def test_after(capfd):  # passed
    os.write(1, b"x")
    assert capfd.readouterr().out == "x"
