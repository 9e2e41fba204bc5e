"""The custom notifications: every field of each, their order, and the tree's content."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
import schema
from editor import Editor
from world import Project, World, line_of

ALL_KINDS = """
    import logging
    import sys

    import pytest


    @pytest.fixture
    def broken():
        raise RuntimeError("no set-up")


    @pytest.fixture
    def leaking():
        yield
        raise RuntimeError("no teardown")


    def test_passes():
        pass


    def test_compares():
        print("to stdout")
        print("to stderr", file=sys.stderr)
        logging.getLogger("cafe").warning("to the log")
        assert [1, 2] == [1, 3]


    def test_has_no_setup(broken):
        pass


    def test_has_no_teardown(leaking):
        pass


    @pytest.mark.skip(reason="not today")
    def test_is_skipped():
        pass


    @pytest.mark.xfail(reason="known")
    def test_fails_as_expected():
        assert False


    @pytest.mark.xfail(reason="known")
    def test_passes_unexpectedly():
        pass


    @pytest.mark.xfail(strict=True, reason="known")
    def test_must_not_pass():
        pass


    @pytest.mark.parametrize("word", ["a", "b c", "é"])
    def test_words(word):
        assert word != "b c"


    def test_subtests(subtests):
        for number in range(3):
            with subtests.test(number=number):
                assert number != 1


    class TestGroup:
        @pytest.mark.skipif(sys.platform == "nowhere", reason="never")
        def test_inside(self):
            pass
"""

EXPECTED = {
    "test_passes": "passed",
    "test_compares": "failed",
    "test_has_no_setup": "error",
    "test_has_no_teardown": "error",
    "test_is_skipped": "skipped",
    "test_fails_as_expected": "xfailed",
    "test_passes_unexpectedly": "xpassed",
    "test_must_not_pass": "failed",
    "test_words[a]": "passed",
    "test_words[b c]": "failed",
    "test_words[\\xe9]": "passed",
    "test_subtests": "failed",
    "TestGroup::test_inside": "passed",
}

DOCTEST = '''
    """A module with examples.

    >>> 1 + 1
    2
    """
'''


@pytest_asyncio.fixture(scope="module")
async def editor(world: World, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Editor]:
    files = {
        "pytest.ini": "[pytest]\naddopts = --doctest-modules\n",
        "unit/test_kinds.py": ALL_KINDS,
        "unit/deep/test_deep.py": "def test_deep():\n    pass\n",
        "unit/examples.py": DOCTEST,
    }
    project = Project(tmp_path_factory.mktemp("notified"), files)
    editor = await Editor.start(world, project, settings={"workers": 1})
    yield editor
    # After any test of this module: all notifications have their shape, none is missing.
    notifications = [
        message for message in editor.sent() if message["method"].startswith("pytestLens/")
    ]
    for message in notifications:
        schema.check_notification(message)
        assert message["params"]["workspace"] == project.uri()
    schema.check_order(notifications)
    await editor.stop()


async def test_a_run_tells_everything_in_order(editor: Editor) -> None:
    await editor.collected()
    run = await editor.run({"textDocument": {"uri": editor.project.uri("unit/test_kinds.py")}})
    assert run.total == len(EXPECTED)
    assert run.outcomes == EXPECTED

    methods = [event["method"] for event in run.events]
    assert methods[0] == "pytestLens/runStarted"
    assert methods[-1] == "pytestLens/runFinished"
    assert (
        Counter(methods)["pytestLens/runStarted"] == Counter(methods)["pytestLens/runFinished"] == 1
    )
    assert run.events[0]["params"]["total"] == run.total
    assert set(run.events[0]["params"]["ids"]) == set(run.results)

    started: set[str] = set()
    for event in run.events:
        if event["method"] == "pytestLens/testStarted":
            started |= set(event["params"]["ids"])
        if event["method"] == "pytestLens/testOutcome":
            told = {
                outcome["id"]
                for outcome in event["params"]["outcomes"]
                if outcome["outcome"] != "not_run"
            }
            assert told <= started, "an outcome of a test that never started"

    assert run.finished["status"] == "failed"
    counts = run.finished["counts"]
    assert {name: counts[name] for name in ("total", "passed", "failed", "skipped", "errors")} == {
        "total": 13,
        "passed": 5,
        "failed": 4,
        "skipped": 2,
        "errors": 2,
    }


async def test_an_outcome_carries_its_detail(editor: Editor) -> None:
    uri = editor.project.uri("unit/test_kinds.py")
    text = editor.project.read("unit/test_kinds.py")
    run = await editor.run({"textDocument": {"uri": uri}})
    results = {id.partition("::")[2]: result for id, result in run.results.items()}

    compared = results["test_compares"]
    assert compared["phase"] == "call"
    assert compared["location"]["uri"] == uri
    assert compared["location"]["range"]["start"]["line"] == line_of(text, "assert [1, 2]")
    assert "[1, 2] == [1, 3]" in compared["message"]
    assert (compared["actual"], compared["expected"]) == ("[1, 2]", "[1, 3]")
    assert "to stdout" in compared["stdout"]
    assert "to stderr" in compared["stderr"]
    assert "to the log" in compared["log"]
    assert compared["frames"][-1]["name"] == "test_compares"
    assert compared["attempt"] == 1

    assert results["test_has_no_setup"]["phase"] == "setup"
    assert results["test_has_no_teardown"]["phase"] == "teardown"
    assert "not today" in results["test_is_skipped"]["message"]
    assert "known" in results["test_fails_as_expected"]["message"]
    assert [one["outcome"] for one in results["test_subtests"]["subtests"]].count("failed") == 1
    passed = results["test_passes"]
    assert not {"message", "location", "frames", "expected", "actual", "phase"} & set(passed)


async def test_the_tree_is_told_in_deltas(editor: Editor) -> None:
    await editor.collected()
    tree = await editor.tree()
    uri = editor.project.uri("unit/test_kinds.py")
    file, group = "unit/test_kinds.py", "unit/test_kinds.py::TestGroup"
    assert tree["unit"]["kind"] == "dir" and "parent" not in tree["unit"]
    assert tree["unit/deep"]["parent"] == "unit" and tree["unit/deep"]["kind"] == "dir"
    assert (
        tree[file]["kind"] == "file" and tree[file]["parent"] == "unit" and tree[file]["uri"] == uri
    )
    assert tree[group]["kind"] == "class" and tree[group]["label"] == "TestGroup"
    inside = tree[f"{group}::test_inside"]
    assert (
        inside["kind"] == "function"
        and inside["parent"] == group
        and inside["markers"] == ["skipif"]
    )
    words = tree[f"{file}::test_words"]
    assert words["caseCount"] == 3
    assert tree[f"{file}::test_words[b c]"]["kind"] == "case"
    assert tree[f"{file}::test_words[b c]"]["parent"] == words["id"]
    text = editor.project.read("unit/test_kinds.py")
    assert words["range"]["start"]["line"] == line_of(text, "def test_words")
    assert tree[f"{file}::test_is_skipped"]["skip"] is True
    assert tree[f"{file}::test_fails_as_expected"]["xfail"] is True
    assert [item["kind"] for item in tree.values()].count("doctest") == 1
    assert not any(item.get("provisional") for item in tree.values())
    page = await editor.command("pytestLens.tests", {"parent": group})
    assert [item["id"] for item in page["items"]] == [f"{group}::test_inside"]

    # A new file is an upsert, and nothing else is sent again; a deleted one is removed.
    seen = editor.mark()
    editor.project.write("unit/test_new.py", "def test_new():\n    pass\n")
    await editor.collected()
    await editor.until(
        lambda: told(editor, "upserts", "unit/test_new.py::test_new", seen), "the new test"
    )
    upserts = {item["id"] for event in deltas(editor, seen) for item in event["upserts"]}
    assert upserts <= {"unit", "unit/test_new.py", "unit/test_new.py::test_new"}
    (editor.project.root / "unit/test_new.py").unlink()
    await editor.collected()
    await editor.until(lambda: told(editor, "removed", "unit/test_new.py", seen), "the removal")
    assert "unit/test_new.py" not in await editor.tree()


def deltas(editor: Editor, since: int) -> list[schema.Json]:
    return [message["params"] for message in editor.sent("pytestLens/inventory", since=since)]


def told(editor: Editor, field: str, id: str, since: int) -> bool:
    entries = [entry for delta in deltas(editor, since) for entry in delta[field]]
    return id in [entry if isinstance(entry, str) else entry["id"] for entry in entries]


async def test_unsaved_tests_are_provisional(editor: Editor) -> None:
    document = editor.open("unit/deep/test_deep.py")
    document.replace("def test_deep", "def test_typed():\n    pass\n\n\ndef test_deep")
    seen = "unit/deep/test_deep.py::test_typed"
    await editor.until(lambda: told(editor, "upserts", seen, 0), "the typed test")
    tree = await editor.tree()
    assert tree[seen]["provisional"] is True
    # Items of pytest have their position in the live buffer.
    known = tree["unit/deep/test_deep.py::test_deep"]
    assert known["range"]["start"]["line"] == document.line_of("def test_deep")
    assert "provisional" not in known
    document.close()
    await editor.until(lambda: told(editor, "removed", seen, 0), "the typed test's end")


async def test_files_are_watched_where_the_editor_does_not(editor: Editor) -> None:
    seen = editor.mark()
    editor.project.write("unit/test_watched.py", "def test_watched():\n    pass\n")
    id = "unit/test_watched.py::test_watched"
    await editor.until(lambda: told(editor, "upserts", id, seen), "the new test")
    (editor.project.root / "unit/test_watched.py").unlink()
    await editor.until(lambda: told(editor, "removed", "unit/test_watched.py", seen), "its end")


async def test_live_output_is_told(editor: Editor) -> None:
    editor.project.write(
        "unit/test_uncaptured.py",
        """
        def test_talks(capsys):
            with capsys.disabled():
                print("loud and clear", flush=True)
        """,
    )
    # Holds even if the run is over soon after it.
    for _ in range(10):
        run = await editor.run({"ids": ["unit/test_uncaptured.py"]})
        assert run.outcomes == {"test_talks": "passed"}
        told = [event["params"] for event in run.events if event["method"] == "pytestLens/output"]
        assert "loud and clear" in "".join(params["text"] for params in told)
    (editor.project.root / "unit/test_uncaptured.py").unlink()
