"""A test aborts, in a fixture, in its body, and in a teardown."""

settings = {"timeoutMs": 20_000}
expected = {"test_it.py::test_in_teardown": "crashed"}
# --- test_it.py
import os

import pytest


@pytest.fixture
def aborts():
    os.abort()


@pytest.fixture
def aborts_later():
    yield
    os.abort()


def test_in_fixture(aborts):  # crashed
    pass


def test_between():  # passed
    pass


def test_itself():  # crashed
    os.abort()


def test_in_teardown(aborts_later):
    pass


def test_after():  # passed
    pass
