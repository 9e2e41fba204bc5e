"""Tests raise exceptions that are none of `Exception`'s."""

expected = {"test_it.py::test_teardown": "error"}
# --- test_it.py
import asyncio

import pytest


class Odd(BaseException):
    pass


@pytest.fixture
def raises():
    raise Odd


@pytest.fixture
def raises_later():
    yield
    raise Odd


def test_own():  # failed
    raise Odd


def test_generator_exit():  # failed
    raise GeneratorExit


def test_cancelled():  # failed
    raise asyncio.CancelledError


def test_group():  # failed
    raise BaseExceptionGroup("two", [Odd(), ValueError()])


def test_set_up(raises):  # error
    pass


def test_teardown(raises_later):
    pass


def test_after():  # passed
    pass
