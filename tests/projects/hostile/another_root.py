"""A test makes another folder the root of all paths, where it may (`chroot`, as root)."""
# --- test_it.py
import os


def test_before():  # passed
    pass


def test_guilty(tmp_path):  # passed
    try:
        os.chroot(tmp_path)
        os.chdir("/")
    except PermissionError:
        pass


def test_after():  # passed
    pass


def test_fails():  # failed
    assert [1] == [2]
