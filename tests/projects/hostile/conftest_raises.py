"""A conftest raises, so that no test is known: the run is no pass."""

status = "collection_failed"
names = ["conftest.py"]
# --- conftest.py
raise RuntimeError("not today")
# --- test_it.py
def test_it():
    pass
