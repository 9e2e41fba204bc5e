"""Reasons, messages and properties of many megabytes."""
# --- test_it.py
import pytest


def test_skipped():  # skipped
    pytest.skip("s" * (5 << 20))


@pytest.mark.xfail(reason="x" * (5 << 20))
def test_expected():  # xfailed
    raise AssertionError


def test_failed():  # failed
    pytest.fail("f" * (5 << 20))


def test_long_lines():  # failed
    raise AssertionError("\n" * (1 << 20))


def test_after(record_property):  # passed
    record_property("p", "p" * (5 << 20))
