"""Tests close the streams and descriptors while pytest captures only Python's streams."""
# --- pytest.ini
[pytest]
addopts = --capture=sys
# --- test_it.py
import os
import sys


def test_before():  # passed
    print("said")


def test_stream():  # error
    sys.stdout.close()


def test_between(capsys):  # passed
    print("said")
    assert capsys.readouterr().out == "said\n"


def test_descriptors():  # passed
    os.closerange(0, 16)


def test_after(capsys, tmp_path):  # passed
    print("said")
    (tmp_path / "file").write_text("text")
    assert capsys.readouterr().out == "said\n"
