"""A test removes the folder of all temporary folders, and lets the next ones go nowhere."""
# --- test_it.py
import os
import shutil
import tempfile


def test_before(tmp_path):  # passed
    assert tmp_path.exists()


def test_guilty(tmp_path, tmp_path_factory):  # passed
    shutil.rmtree(tmp_path_factory.getbasetemp())
    os.environ["TMPDIR"] = tempfile.tempdir = "/nowhere"


def test_after():  # passed
    pass


def test_fails():  # failed
    assert [1] == [2]
