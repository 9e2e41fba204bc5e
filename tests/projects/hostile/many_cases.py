"""Thousands of cases in one parametrize, and ids of 10 KB with all that an id is made of."""

ids = ["x" * 10_000, "a::b[c]::d", "new\nline", "tab\t", " ", "[", "]", "::", "\0", "é☃😀"]
expected = {f"test_it.py::test_many[{number}]": "passed" for number in range(2_000)}
expected |= {f"test_it.py::test_odd[{id}]": "passed" for id in ids}
expected["test_it.py::test_odd[fails::here]"] = "failed"
# --- pytest.ini
[pytest]
disable_test_id_escaping_and_forfeit_all_rights_to_community_support = true
# --- test_it.py
import pytest

IDS = ["x" * 10_000, "a::b[c]::d", "new\nline", "tab\t", " ", "[", "]", "::", "\0", "é☃😀"]
CASES = [*IDS, "fails::here"]


@pytest.mark.parametrize("number", range(2_000))
def test_many(number):
    pass


@pytest.mark.parametrize("name", CASES, ids=CASES)
def test_odd(name):
    assert name != "fails::here"
