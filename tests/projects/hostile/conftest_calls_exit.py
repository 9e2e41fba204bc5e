"""A conftest calls `sys.exit` with the status of a success."""

status = "collection_failed"
names = ["conftest.py"]
# --- conftest.py
import sys

sys.exit(0)
# --- test_it.py
def test_it():
    pass
