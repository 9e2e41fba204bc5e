"""Tests close every descriptor that is open."""
# --- test_it.py
import os


def test_before():  # passed
    print("said")


def test_all():  # crashed
    os.closerange(0, 4096)


def test_between(capfd):  # passed
    os.write(1, b"x")
    assert capfd.readouterr().out == "x"


def test_all_but_standard():  # crashed
    os.closerange(3, 4096)


def test_after():  # passed
    print("said")
