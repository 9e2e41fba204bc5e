"""Warnings of a run: the same as in pytest's summary, sent at its end."""

from __future__ import annotations

from conftest import Project
from fake_engine import run

WARNING = {
    "old.py": """
    import warnings

    def f():
        warnings.warn("f is old", DeprecationWarning, stacklevel=2)
    """,
    "test_a.py": """
    import warnings

    import old
    import pytest

    warnings.warn("at import", UserWarning)

    def test_one(): old.f()

    @pytest.mark.parametrize("n", [1, 2])
    def test_two(n):
        for _ in range(2):
            old.f()

    def test_expected():
        with pytest.warns(DeprecationWarning):
            old.f()

    @pytest.mark.filterwarnings("ignore")
    def test_ignored(): old.f()
    """,
}


def test_v12_warnings_are_told_at_the_end_of_a_run(project: Project) -> None:
    engine = project(WARNING)
    runner = engine.fork(engine.collected(), "runner")
    names = ["one", "two[1]", "two[2]", "expected", "ignored"]
    run(runner, [f"test_a.py::test_{name}" for name in names])
    warnings = runner.all("done")[0]["warnings"]
    assert {one["path"] for one in warnings} == {str(engine.root / "test_a.py")}
    told = [(one["category"], one["message"], one["ids"]) for one in warnings]
    two = ["test_a.py::test_two[1]"] * 2 + ["test_a.py::test_two[2]"] * 2
    assert told == [
        ("UserWarning", "at import", []),
        ("DeprecationWarning", "f is old", ["test_a.py::test_one"]),
        ("DeprecationWarning", "f is old", two),
    ]
    assert [one["count"] for one in warnings] == [1, 1, 4]
    assert [one.get("files") for one in warnings] == [None, [["test_a.py", 1]], [["test_a.py", 4]]]


def test_v12_a_run_without_warnings_tells_none(project: Project) -> None:
    engine = project({"test_a.py": "def test_a(): pass"})
    runner = engine.fork(engine.collected(), "runner")
    run(runner, ["test_a.py::test_a"])
    assert "warnings" not in runner.all("done")[0]
