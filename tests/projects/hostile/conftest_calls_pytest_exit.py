"""A conftest ends the session by pytest's own exception."""

status = "collection_failed"
# --- conftest.py
import pytest

pytest.exit("not today", returncode=0)
# --- test_it.py
def test_it():
    pass
