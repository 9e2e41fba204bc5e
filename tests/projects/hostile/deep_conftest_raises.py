"""A conftest below the root raises: the tests of other folders run, but the run is no pass."""

status = "failed"
names = ["deep/conftest.py"]
# --- deep/conftest.py
raise RuntimeError("not here")
# --- deep/test_deep.py
def test_it():
    pass
# --- other/test_other.py
def test_it():  # passed
    pass
