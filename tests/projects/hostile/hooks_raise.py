"""A plugin raises in the hooks of single tests, which plain pytest blames on itself, and ends."""

status = "internal_error"
names = ["broken plugin"]
# --- conftest.py
def pytest_runtest_logreport(report):
    raise RuntimeError("broken plugin")
# --- test_it.py
def test_it():  # error
    pass


def test_other():  # not_run
    pass
