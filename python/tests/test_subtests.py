"""How the subtests of a test fold into its verdict."""

from __future__ import annotations

import pytest
from conftest import Project
from fake_engine import run

pytestmark = pytest.mark.core

SUBTESTS = """
import pytest

def test_some_fail(subtests):
    for number in range(3):
        with subtests.test("step", number=number):
            print("in", number)
            assert number != 1
    print("after")

def test_all_pass(subtests):
    with subtests.test("fine"):
        pass

def test_skips_one(subtests):
    with subtests.test("no"):
        pytest.skip("not this one")

def test_fails_itself(subtests):
    with subtests.test("a"):
        assert 0, "inner"
    assert 0, "outer"
"""


@pytest.mark.skipif(
    tuple(map(int, pytest.__version__.split(".")[:1])) < (9,), reason="built in since pytest 9"
)
def test_subtests(project: Project) -> None:
    engine = project({"test_it.py": SUBTESTS})
    host = engine.collected()
    ids = [node["id"] for node in host.nodes()]
    some, passing, skipping, itself = run(engine.fork(host, "runner"), ids).values()
    assert some["outcome"] == "failed"
    assert some["phase"] == "call"
    assert some["message"].startswith("1 failed subtest: ")
    assert some["location"]["line"] == 7
    assert [(s["label"], s["outcome"], s.get("line")) for s in some["subtests"]] == [
        (
            "[step] (number='0')" if "'" in some["subtests"][0]["label"] else "[step] (number=0)",
            "passed",
            None,
        ),
        (some["subtests"][1]["label"], "failed", 7),
        (some["subtests"][2]["label"], "passed", None),
    ]
    assert "in 1" in some["stdout"]
    assert "after" in some["stdout"]
    assert passing["outcome"] == "passed"
    assert skipping["outcome"] == "passed"
    assert skipping["subtests"] == [
        {"label": "[no]", "outcome": "skipped", "message": "not this one"}
    ]
    assert itself["outcome"] == "failed"
    assert itself["message"].startswith("AssertionError: outer")
    assert itself["subtests"][0]["message"].startswith("AssertionError: inner")
    named = [(report["title"], report.get("subtest")) for report in some["failed_reports"]]
    assert named == [
        (f"test_some_fail {some['subtests'][1]['label']}", 1),
        ("test_some_fail", None),
    ]
    parts = [part for part in some["sections"] if part.get("subtest") == 1]
    assert parts == [{"name": "Captured stdout call", "length": len("in 1\n"), "subtest": 1}]
