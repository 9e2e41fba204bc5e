"""A conftest leaves the process, as if all were well."""

status = "collection_failed"
names = ["conftest.py"]
# --- conftest.py
import os

os._exit(0)
# --- test_it.py
def test_it():
    pass
