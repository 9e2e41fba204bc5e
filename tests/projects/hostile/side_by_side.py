"""Two processes run the tests: each crash and hang is that of its own test."""

settings = {"workers": 2, "timeoutMs": 1_000}
expected = {
    f"test_it.py::test_one[{number}]": {0: "crashed", 1: "timed_out"}.get(number % 8, "passed")
    for number in range(16)
}
# --- test_it.py
import os
import threading

import pytest


@pytest.mark.parametrize("number", range(16))
def test_one(number):
    if number % 8 == 0:
        os.abort()
    if number % 8 == 1:
        threading.Event().wait()
