"""Checks that the recorder reports each outcome by its name, and that each injected harm has its
outcome.
"""

from __future__ import annotations

import json
from pathlib import Path

import lens_inject
import pytest

pytest_plugins = ["pytester"]

HERE = Path(__file__).parent

EVERY_OUTCOME = """
import pytest, unittest

@pytest.fixture
def breaks():
    raise RuntimeError

@pytest.fixture
def breaks_late():
    yield
    raise RuntimeError

def test_passed(): pass
def test_failed(): assert False
def test_error(breaks): pass
def test_error_late(breaks_late): pass
def test_failed_and_error_late(breaks_late): assert False
@pytest.mark.skip
def test_skipped(): pass
def test_skipped_within(): pytest.skip("now")
@pytest.mark.xfail
def test_xfailed(): assert False
@pytest.mark.xfail(run=False)
def test_xfailed_unrun(): assert False
@pytest.mark.xfail
def test_xfailed_in_setup(breaks): pass
@pytest.mark.xfail
def test_xpassed(): pass
@pytest.mark.xfail(strict=True)
def test_failed_strict(): pass
def test_failed_subtest(subtests):
    with subtests.test("one"):
        assert False
def test_passed_subtest(subtests):
    with subtests.test("one"):
        pass
class TestUnit(unittest.TestCase):
    def test_failed_within(self):
        for number in range(2):
            with self.subTest(number=number):
                self.assertEqual(number, 0)
    @unittest.expectedFailure
    def test_xfailed_by_unittest(self): self.fail()
"""


def recorded(pytester: pytest.Pytester, plugin: str, source: str) -> dict[str, str]:
    """Runs the source in a process of its own, and returns what was recorded, by function name."""
    record = pytester.path / "record.jsonl"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(HERE))
        patch.setenv("LENS_RECORD", str(record))
        test_file = pytester.makepyfile(source)
        pytester.runpytest_subprocess("-p", "lens_recorder", "-p", plugin, str(test_file))
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    assert len({line["id"] for line in lines}) == len(lines)
    return {line["id"].split("::")[-1]: line["outcome"] for line in lines}


def test_every_outcome_is_recorded_by_its_name(pytester: pytest.Pytester) -> None:
    assert recorded(pytester, "pytester", EVERY_OUTCOME) == {
        "test_passed": "passed",
        "test_failed": "failed",
        "test_error": "error",
        "test_error_late": "error",
        "test_failed_and_error_late": "error",
        "test_skipped": "skipped",
        "test_skipped_within": "skipped",
        "test_xfailed": "xfailed",
        "test_xfailed_unrun": "xfailed",
        "test_xfailed_in_setup": "xfailed",
        "test_xpassed": "xpassed",
        "test_failed_strict": "failed",
        "test_failed_subtest": "failed",
        "test_passed_subtest": "passed",
        "test_failed_within": "failed",
        "test_xfailed_by_unittest": "xfailed",
    }


def test_each_harm_has_its_outcome(pytester: pytest.Pytester) -> None:
    count = 400
    expected = {
        None: "passed",
        "failure": "failed",
        "setup error": "error",
        "teardown error": "error",
        "skip": "skipped",
        "imperative xfail": "xfailed",
        "marked xfail": "xfailed",
        "marked xpass": "xpassed",
        "strict xpass": "failed",
    }
    source = "\n".join(f"def test_{number}(): pass" for number in range(count))
    found = recorded(pytester, "lens_inject", source)
    harms = {}
    for name, outcome in found.items():
        harm = lens_inject.harm_of(f"test_each_harm_has_its_outcome.py::{name}")
        assert outcome == expected[harm], (name, harm)
        harms.setdefault(harm, []).append(name)
    assert set(harms) == set(expected)
    share = lens_inject.SHARE * count / 100
    assert all(len(names) < 3 * share for harm, names in harms.items() if harm)
