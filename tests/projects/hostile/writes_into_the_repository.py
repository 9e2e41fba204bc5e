"""Tests write into the repository while it is watched: data, tests, and what they import."""

changes = ["data.txt", "made", "made/text.txt", "helper.py", "test_made.txt"]
# --- data.txt
old
# --- helper.py
VALUE = 1
# --- test_it.py
from pathlib import Path

import helper

HERE = Path(__file__).parent


def test_before():  # passed
    assert helper.VALUE in (1, 2)


def test_data():  # passed
    (HERE / "data.txt").write_text("new\n")


def test_folder():  # passed
    (HERE / "made").mkdir(exist_ok=True)
    (HERE / "made" / "text.txt").write_text("text")
    (HERE / "test_made.txt").write_text("no doctest")


def test_source():  # passed
    (HERE / "helper.py").write_text("VALUE = 2\n")


def test_after():  # passed
    assert (HERE / "data.txt").read_text() == "new\n"
