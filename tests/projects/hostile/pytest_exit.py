"""A test ends the session with pytest's own exception, as under plain pytest."""

status = "stopped"
# --- test_it.py
import pytest


def test_before():  # passed
    pass


def test_guilty():  # error
    pytest.exit("enough", returncode=0)


def test_after():  # not_run
    pass
