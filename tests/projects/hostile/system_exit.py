"""Tests, fixtures and teardowns call `sys.exit`, which plain pytest reports as their failure."""

expected = {"test_it.py::test_in_teardown": "error"}
# --- test_it.py
import sys

import pytest


@pytest.fixture
def leaves():
    sys.exit(0)


@pytest.fixture
def leaves_later():
    yield
    sys.exit(0)


def test_itself():  # failed
    sys.exit(0)


def test_in_fixture(leaves):  # error
    pass


def test_in_teardown(leaves_later):
    pass


def test_after():  # passed
    pass
