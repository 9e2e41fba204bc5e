"""The store: how it counts the server's notifications, and how it recovers after a missed one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Start
from editor import Editor


@pytest.fixture
def fold(project: Callable[..., Path], start: Start) -> Iterator[Callable[..., Any]]:
    """Applies notifications to a store, and returns what an expression over it says."""
    editor: Editor = start(project({}))

    def apply(expression: str, *notifications: tuple[str, dict[str, Any]]) -> Any:
        told = [
            [f"pytestLens/{name}", {"seq": number, **params}]
            for number, (name, params) in enumerate(notifications, 1)
        ]
        code = f"""
            local store = require('pytest_lens.store').new('file:///p')
            for _, told in ipairs(...) do store:apply(told[1], told[2]) end
            return {expression}
        """
        return editor.lua(code, told)

    yield apply


def item(id: str, kind: str, parent: str | None = None) -> dict[str, Any]:
    """A test item, at its line."""
    found = {
        "id": id,
        "kind": kind,
        "label": id.rpartition("::")[2],
        "uri": "file:///p/a.py",
        "markers": [],
    }
    if parent:
        found["parent"] = parent
    return found


TREE = (
    "inventory",
    {
        "revision": 1,
        "removed": [],
        "errors": [],
        "upserts": [
            item("d", "dir"),
            item("d/a.py", "file", "d"),
            item("d/a.py::f", "function", "d/a.py"),
            item("d/a.py::f[1]", "case", "d/a.py::f"),
            item("d/a.py::f[2]", "case", "d/a.py::f"),
            item("d/a.py::g", "function", "d/a.py"),
        ],
    },
)


def outcome(id: str, word: str, **more: Any) -> dict[str, Any]:
    """An outcome that took 10 ms."""
    return {"id": id, "outcome": word, "durationMs": 10, "attempt": 1, **more}


def outcomes(*all: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """A notification of outcomes."""
    return ("testOutcome", {"runId": "r", "outcomes": list(all)})


def gone(*ids: str) -> tuple[str, dict[str, Any]]:
    """A notification of items that are no more."""
    return ("inventory", {"revision": 2, "removed": list(ids), "errors": [], "upserts": []})


def test_what_comes_between_others_has_its_place(fold: Callable[..., Any]) -> None:
    """A case in the middle comes with the order of its siblings; others follow them."""
    between = {
        "revision": 2,
        "removed": [],
        "errors": [],
        "upserts": [item("d/a.py::f[new]", "case", "d/a.py::f")],
        "order": [
            {"parent": "d/a.py::f", "ids": ["d/a.py::f[1]", "d/a.py::f[new]", "d/a.py::f[2]"]}
        ],
    }
    behind = {
        "revision": 3,
        "removed": [],
        "errors": [],
        "upserts": [item("d/a.py::f[last]", "case", "d/a.py::f")],
    }
    children = fold(
        "store.children['d/a.py::f']", TREE, ("inventory", between), ("inventory", behind)
    )
    assert children == ["d/a.py::f[1]", "d/a.py::f[new]", "d/a.py::f[2]", "d/a.py::f[last]"]


def test_an_inventory_that_is_read_anew_has_its_order(fold: Callable[..., Any]) -> None:
    """After notifications were missed the pages tell the order."""
    children = fold(
        """(function()
            local all = {}
            for _, id in ipairs({ 'd/a.py::f[2]', 'd/a.py::f[1]' }) do
                table.insert(all, store.items[id])
            end
            for _, id in ipairs({ 'd/a.py::f', 'd/a.py', 'd' }) do
                table.insert(all, 1, store.items[id])
            end
            store:replace(all)
            return store.children['d/a.py::f']
        end)()""",
        TREE,
    )
    assert children == ["d/a.py::f[2]", "d/a.py::f[1]"]


def test_outcomes_are_counted_in_all_that_a_test_lies_in(fold: Callable[..., Any]) -> None:
    tally = fold(
        "store.tallies.d",
        TREE,
        outcomes(outcome("d/a.py::f[1]", "passed"), outcome("d/a.py::f[2]", "failed")),
        outcomes(outcome("d/a.py::f[2]", "passed"), outcome("d/a.py::g", "error")),
    )
    assert {word: count for word, count in tally["counts"].items() if count} == {
        "passed": 2,
        "error": 1,
    }
    assert tally["ms"] == 30


def test_v8_what_is_only_remembered_says_how_old_it_is(fold: Callable[..., Any]) -> None:
    hour = 3_600_000
    age = "require('pytest_lens.outcomes').age(store.tallies['{}'])"
    past = fold("os.time() * 1000") - 2 * hour - 1000
    told = [
        TREE,
        outcomes(
            outcome("d/a.py::f[1]", "passed", asOf=past - 30 * hour),
            outcome("d/a.py::f[2]", "failed", asOf=past),
        ),
    ]
    assert fold(age.format("d/a.py::f[1]"), *told) == "1 day ago"
    assert fold(age.format("d/a.py::f"), *told) == "2 hours ago"
    news = outcomes(outcome("d/a.py::f[1]", "passed"))
    assert fold(age.format("d/a.py::f[2]"), *told, news) == "2 hours ago"
    assert fold(age.format("d/a.py::f"), *told, news) is None
    gone_again = [*told, news, gone("d/a.py::f[1]")]
    assert fold(age.format("d"), *gone_again) == "2 hours ago"


def test_stale_outcomes_are_counted_until_there_are_newer_ones(fold: Callable[..., Any]) -> None:
    says = "require('pytest_lens.outcomes').{}(store.tallies['{}'])"
    told = [
        TREE,
        outcomes(outcome("d/a.py::f[1]", "passed"), outcome("d/a.py::f[2]", "passed", stale=True)),
    ]
    assert fold(says.format("staleness", "d"), *told) == "1 stale"
    assert fold(says.format("sign", "d/a.py::f[2]"), *told) == "◌"
    assert fold(says.format("sign", "d/a.py::f[1]"), *told) == "✓"
    stale = ("staleOutcomes", {"stale": ["d/a.py::f[1]"], "fresh": []})
    assert fold(says.format("staleness", "d"), *told, stale, stale) == "stale"
    fresh = ("staleOutcomes", {"stale": [], "fresh": ["d/a.py::f[1]"]})
    assert fold(says.format("staleness", "d"), *told, stale, fresh) == "1 stale"
    news = outcomes(outcome("d/a.py::f[1]", "failed"), outcome("d/a.py::f[2]", "passed"))
    assert fold(says.format("staleness", "d"), *told, stale, news) is None
    assert fold(says.format("sign", "d/a.py::f"), *told, stale, news, stale) == "✗"
    assert fold(says.format("staleness", "d"), *told, stale, gone("d/a.py::f[1]")) == "stale"


def test_b4_a_file_that_is_not_collected_says_so_in_the_tree(fold: Callable[..., Any]) -> None:
    rows = """vim.tbl_map(function(row)
        return table.concat(vim.tbl_map(function(chunk) return chunk[1] end, row.chunks))
    end, require('pytest_lens.tree').rows({ store }, 'all', {}))"""
    place = {"line": 0, "character": 0}
    error = {
        "uri": "file:///p/a.py",
        "range": {"start": place, "end": place},
        "message": "ModuleNotFoundError: x\nmore",
    }
    file = item("a.py", "file")
    broken = ("inventory", {"revision": 1, "removed": [], "errors": [error], "upserts": [file]})
    assert fold(rows, broken) == ["  ✗ a.py  not collected: ModuleNotFoundError: x"]
    mended = ("inventory", {"revision": 2, "removed": [], "errors": [], "upserts": []})
    assert fold(rows, broken, mended) == ["    a.py"]


def test_what_is_gone_is_counted_no_more(fold: Callable[..., Any]) -> None:
    told = [
        TREE,
        outcomes(outcome("d/a.py::f[1]", "failed"), outcome("d/a.py::g", "passed")),
        gone("d/a.py::f"),
    ]
    assert fold("store.tallies.d.counts", *told) == {"failed": 0, "passed": 1}
    assert fold("store.tallies.d.ms", *told) == 10
    assert fold("vim.tbl_keys(store.results)", *told) == ["d/a.py::g"]
    assert fold("store.children['d/a.py']", *told) == ["d/a.py::g"]
    assert fold("vim.tbl_count(store.items)", *told, gone("d")) == 0


def test_running_ends_with_the_outcome_or_the_run(fold: Callable[..., Any]) -> None:
    started = ("testStarted", {"runId": "r", "ids": ["d/a.py::f[1]", "d/a.py::g"]})
    ended = ("runFinished", {"runId": "r", "status": "killed", "counts": {}, "durationMs": 1})
    assert fold("store.tallies.d.running", TREE, started) == 2
    assert fold("store.tallies.d.running", TREE, started, started) == 2
    assert (
        fold("store.tallies.d.running", TREE, started, outcomes(outcome("d/a.py::g", "passed")))
        == 1
    )
    assert fold("store.tallies.d.running", TREE, started, ended) == 0


def test_an_attempt_that_is_repeated_is_no_outcome(fold: Callable[..., Any]) -> None:
    run = ("runStarted", {"runId": "r", "total": 1})
    told = [TREE, run, outcomes(outcome("d/a.py::g", "failed", willRerun=True))]
    assert fold("store.runs.r.done", *told) == 0
    assert fold("store.results['d/a.py::g'] == nil", *told)
    assert (
        fold("store.runs.r.done", *told, outcomes(outcome("d/a.py::g", "passed", attempt=2))) == 1
    )


def test_a_test_that_was_not_run_keeps_its_outcome(fold: Callable[..., Any]) -> None:
    told = [
        TREE,
        outcomes(outcome("d/a.py::g", "passed")),
        outcomes(outcome("d/a.py::g", "not_run")),
    ]
    assert fold("store.results['d/a.py::g'].outcome", *told) == "passed"


def test_a_missed_notification_has_the_tree_asked_for(
    project: Callable[..., Path], start: Start
) -> None:
    editor = start(project({"test_one.py": "def test_one():\n    pass\n"}))
    editor.open("test_one.py")
    editor.collected()
    editor.lua("""
        local store = require('pytest_lens.client').stores()[1]
        store:remove({ 'test_one.py' }, { ids = {}, moved = {}, gone = {} })
        store.seq = store.seq - 5
    """)
    assert editor.lua(
        "return require('pytest_lens.client').stores()[1].items['test_one.py'] == nil"
    )
    editor.run("file")
    editor.wait(
        "require('pytest_lens.client').stores()[1].items['test_one.py::test_one'] ~= nil",
        what="the tree again",
    )
    editor.shown("✓ def test_one():")
