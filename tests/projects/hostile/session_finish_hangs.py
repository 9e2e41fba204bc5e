"""A hook of the end of a session never returns."""
# --- conftest.py
import threading


def pytest_sessionfinish():
    threading.Event().wait()
# --- test_it.py
def test_it():  # passed
    pass
