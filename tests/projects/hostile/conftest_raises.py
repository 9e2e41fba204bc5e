"""A conftest raises, deep in a folder, so that no test is known: the run is no pass."""

status = "collection_failed"
# --- conftest.py
raise RuntimeError("not today")
# --- test_it.py
def test_it():
    pass
