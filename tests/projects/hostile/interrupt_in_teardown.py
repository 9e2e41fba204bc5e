"""A teardown raises KeyboardInterrupt, which ends a session, as under plain pytest."""

expected = {"test_it.py::test_guilty": "error"}
status = "stopped"
# --- test_it.py
import pytest


@pytest.fixture
def interrupts():
    yield
    raise KeyboardInterrupt


def test_before():  # passed
    pass


def test_guilty(interrupts):
    pass


def test_after():  # not_run
    pass
