"""A conftest ends the session by pytest's own exception."""

status = "collection_failed"
names = ["conftest.py"]
# --- conftest.py
import pytest

pytest.exit("not today", returncode=0)
# --- test_it.py
def test_it():
    pass
