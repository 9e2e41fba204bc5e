"""A test deletes the directory that it works in, another works elsewhere."""
# --- test_it.py
import os
from pathlib import Path


def test_before():  # passed
    assert Path("test_it.py").exists()


def test_changed(tmp_path):  # passed
    os.chdir(tmp_path)


def test_deleted(tmp_path):  # passed
    os.chdir(tmp_path)
    tmp_path.rmdir()


def test_after(tmp_path):  # passed
    pass


def test_fails():  # failed
    assert [1] == [2]
