"""Tests replace parts of pytest itself, which all later tests of the process need."""
# --- test_it.py
import _pytest.runner
import pytest
from _pytest.reports import TestReport


def broken(*arguments, **options):
    raise RuntimeError("patched")


def test_before():  # passed
    pass


def test_reports():  # passed
    TestReport._to_json = TestReport.from_item_and_call = broken


def test_after():  # passed
    pass


def test_fixtures():  # passed
    pytest.fixture = pytest.mark = pytest.raises = None
    _pytest.runner.call_runtest_hook = broken


def test_at_last():  # passed
    pass
