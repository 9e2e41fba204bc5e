"""Tests close the standard streams, in all ways that Python has."""
# --- test_it.py
import os
import sys


def test_before():  # passed
    print("said")


def test_output():  # error
    sys.stdout.close()


def test_between():  # passed
    print("said")


def test_errors():  # error
    sys.stderr.close()


def test_originals():  # passed
    sys.__stdout__.close()
    sys.__stderr__.close()


def test_numbers():  # passed
    for number in (0, 1, 2):
        os.close(number)


def test_after(capfd):  # passed
    os.write(1, b"x")
    assert capfd.readouterr().out == "x"
