"""A plugin raises in every hook that it gets to see."""

status = "collection_failed"
names = ["conftest.py"]
# --- conftest.py
from _pytest import hookspec


def broken():
    raise RuntimeError("broken plugin")


for name in vars(hookspec):
    if name.startswith("pytest_") and name not in ("pytest_addoption", "pytest_addhooks"):
        globals()[name] = broken
# --- test_it.py
def test_it():
    pass
