"""Nothing is captured, and tests close the real streams and descriptors."""
# --- pytest.ini
[pytest]
addopts = --capture=no
# --- test_it.py
import os
import sys


def test_before():  # passed
    print("said")


def test_stream():  # passed
    sys.stdout.close()


def test_between():  # passed
    print("said")


def test_descriptors():  # passed
    os.closerange(0, 64)


def test_after():  # passed
    print("said")
    os.write(1, b"x")
