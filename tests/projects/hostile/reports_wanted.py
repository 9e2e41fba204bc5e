"""A report is wanted from tests that crash, hang and close descriptors."""

settings = {"timeoutMs": 1_000}
changes = ["report.xml"]
# --- pytest.ini
[pytest]
addopts = -ra --durations=3 -p no:cacheprovider --junitxml=report.xml
# --- test_it.py
import os
import sys
import threading


def test_before():  # passed
    print("said")


def test_crashes():  # crashed
    os.abort()


def test_hangs():  # timed_out
    threading.Event().wait()


def test_closes():  # error
    sys.stdout.close()


def test_after(capfd):  # passed
    os.write(1, b"x")
    assert capfd.readouterr().out == "x"
