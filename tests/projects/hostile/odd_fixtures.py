"""Fixtures that yield twice or never, need themselves, or raise what ends generators."""

expected = {"test_it.py::test_twice": "error"}
# --- test_it.py
import pytest


@pytest.fixture
def twice():
    yield 1
    yield 2


@pytest.fixture
def never():
    if False:
        yield


@pytest.fixture
def own(own):
    pass


@pytest.fixture
def stops():
    raise StopIteration


def test_before():  # passed
    pass


def test_twice(twice):
    pass


def test_never(never):  # error
    pass


def test_own(own):  # error
    pass


def test_stops(stops):  # error
    pass


def test_missing(no_such_fixture):  # error
    pass


def test_after():  # passed
    pass
