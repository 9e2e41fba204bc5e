"""Parameters that raise when they are shown or compared, and a function for ids that exits."""

status = "failed"
expected = {f"test_it.py::test_it[value{number}]": "passed" for number in range(2)}
expected["test_fails.py::test_it[value0]"] = "failed"
names = ["test_ids.py"]
# --- test_fails.py
import pytest


class Raises:
    def _raise(self, *arguments):
        raise RuntimeError("not for you")

    __repr__ = __str__ = __eq__ = __bool__ = __format__ = _raise
    __hash__ = object.__hash__


@pytest.mark.parametrize("value", [Raises()])
def test_it(value):
    raise AssertionError(f"{value}")
# --- test_ids.py
import pytest


def name(value):
    raise ValueError("no name")


@pytest.mark.parametrize("value", [1], ids=name)
def test_it(value):
    pass
# --- test_it.py
import pytest
from test_fails import Raises


@pytest.mark.parametrize("value", [Raises(), Raises()])
def test_it(value):
    pass
