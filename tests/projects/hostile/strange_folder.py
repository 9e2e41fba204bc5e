"""The root's name has spaces, quotes, a newline, brackets, and an emoji."""

folder = "it's \"odd\"\n {b} #%20 é😀"
# --- conftest.py
import pytest


@pytest.fixture
def here():
    return "here"
# --- test_it.py
from pathlib import Path


def test_it(here, tmp_path):  # passed
    assert Path.cwd() == Path(__file__).parent


def test_fails():  # failed
    assert [1] == [2]
