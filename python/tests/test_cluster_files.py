"""Tests of the snapshots of a cluster: what travels, and what arrives."""

from __future__ import annotations

import os
import random
from pathlib import Path
from threading import Thread

import pytest

from pytest_lens.worker.cluster import environment, packs
from pytest_lens.worker.cluster.event_log import EventLog
from pytest_lens.worker.cluster.home_files import Snapshots
from pytest_lens.worker.cluster.node_files import Contents, Copy


@pytest.mark.parametrize("seed", range(200))
def test_a_difference_gives_the_content_back(seed: int) -> None:
    chance = random.Random(seed)
    # Few different bytes, so that heads and tails overlap.
    parts = [bytes(chance.choices(b"ab", k=chance.randrange(6))) for _ in range(4)]
    head, tail, old, new = parts
    older, content = head + old + tail, head + new + tail
    piece = packs.difference(content, older, packs.digest_of(older))
    assert packs.restored(piece, older) == content
    assert len(piece.middle) <= len(new)


def test_a_damaged_content_is_noticed() -> None:
    piece = packs.difference(b"new text", b"old text", packs.digest_of(b"old text"))
    with pytest.raises(ValueError, match="damaged"):
        packs.restored(piece, b"bad text!")


def tree_of(root: Path) -> packs.Tree:
    return {
        str(path.relative_to(root)): ["file", packs.digest_of(path.read_bytes()), False]
        for path in root.rglob("*")
        if path.is_file()
    }


class Sides:
    """A home and a node, with what travels between them."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.home.mkdir()
        self.snapshots = Snapshots(str(self.home), folder / "contents")
        self.contents = Contents(folder / "node" / "contents")
        self.copy = Copy(self.contents, folder / "node" / "copy")
        self._base: tuple[str, packs.Tree] = ("", {})

    def bring(self, name: str) -> int:
        """Take a snapshot of the home and write it on the node. Returns the bytes that travel."""
        base, before = self._base
        tree = tree_of(self.home)
        changed = {path: entry for path, entry in tree.items() if before.get(path) != entry}
        assert self.snapshots.take(name, base, changed, [p for p in before if p not in tree]) == []
        travel = self.snapshots.pieces(name, base), self.snapshots.changes(name, base)
        found: list[packs.Piece] = packs.unpacked(travel[0]) if travel[0] else []
        self.contents.add(found)
        assert self.contents.missing(packs.digests(tree)) == set()
        self.copy.become(tree)
        self._base = (name, tree)
        return sum(map(len, travel))

    def copied(self) -> packs.Tree:
        return tree_of(self.copy.root)


def test_after_an_edit_only_its_part_travels(tmp_path: Path) -> None:
    sides = Sides(tmp_path)
    text = os.urandom(200_000)
    (sides.home / "data.bin").write_bytes(text)
    (sides.home / "pkg").mkdir()
    (sides.home / "pkg" / "a.py").write_text("a = 1\n")
    assert sides.bring("one") > 200_000
    edit = os.urandom(1000)
    (sides.home / "data.bin").write_bytes(text[:100_000] + edit + text[101_000:])
    assert sides.bring("two") < 2 * len(edit)
    assert sides.copied() == tree_of(sides.home)
    (sides.home / "pkg" / "a.py").unlink()
    (sides.home / "pkg").rmdir()
    (sides.home / "pkg").write_text("now a file")
    sides.bring("three")
    assert sides.copied() == tree_of(sides.home)


def test_a_copy_is_made_equal_again_whoever_changed_it(tmp_path: Path) -> None:
    sides = Sides(tmp_path)
    (sides.home / "a.py").write_text("a = 1\n")
    (sides.home / "b.py").write_text("b = 1\n")
    sides.bring("one")
    (sides.copy.root / "a.py").write_text("a = 2\n")
    (sides.copy.root / "b.py").unlink()
    (sides.copy.root / "left.py").write_text("")
    (sides.copy.root / "out").mkdir()
    (sides.copy.root / "out" / "report.txt").write_text("")
    sides.bring("two")
    assert sides.copied() == tree_of(sides.home)
    assert not (sides.copy.root / "out").exists()


def test_a_file_that_changes_before_it_is_read_prevents_the_snapshot(tmp_path: Path) -> None:
    sides = Sides(tmp_path)
    (sides.home / "a.py").write_text("a = 1\n")
    tree = tree_of(sides.home)
    (sides.home / "a.py").write_text("a = 2\n")
    assert sides.snapshots.take("one", "", tree, []) == ["a.py"]
    assert not sides.snapshots.knows("one")


def test_events_stay_until_they_are_acknowledged() -> None:
    log = EventLog()
    log.add("frame", b"one")
    log.add("frame", b"two")
    looks: list[None] = []

    def read(acknowledged: int) -> list[int]:
        events = log.read(acknowledged, 0, 0, lambda: looks.append(None), 0)
        return [number for number, _ in events]

    assert read(0) == [1, 2]
    assert read(0) == [1, 2], "a lost answer is given again"
    assert read(1) == [2]
    assert read(2) == []
    log.add("exited")
    assert read(2) == [3]


def test_the_outcome_of_a_running_test_is_awaited() -> None:
    log = EventLog()
    log.add("frame", b"a test starts", is_busy=True)
    assert len(log.read(0, 0, 0, lambda: None, 0)) == 1
    answers: list[int] = []
    reader = Thread(
        target=lambda: answers.append(len(log.read(0, 0, 600, lambda: None, 0))), daemon=True
    )
    reader.start()
    log.add("frame", b"its outcome")
    reader.join(60)
    assert answers == [2], "the reader goes on when no other test starts"


HOME = {"python": "3.11.7", "distributions": {"pytest": "8.4", "attrs": "25.1", "numpy": "2.1"}}


@pytest.mark.parametrize(
    ("there", "sentence"),
    [
        ({"python": "3.12.1"}, "Python 3.12.1 instead of 3.11.7"),
        (
            {"distributions": {"pytest": "8.3", "numpy": "2.1"}},
            "pytest 8.3 instead of 8.4, no attrs",
        ),
        ({"python": "3.11.9"}, ""),
    ],
)
def test_other_versions_on_a_node_are_named(
    there: environment.Environment, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "_plugins", lambda: ["pytest"])
    found = environment.difference(HOME, {**HOME, **there})
    assert found.startswith(sentence) and bool(found) == bool(sentence)


def test_what_is_installed_later_belongs_to_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    current = environment.CurrentEnvironment("/nowhere")
    before = current.get()
    assert current.get() is before and "young" not in before["distributions"]
    folder = tmp_path / "young-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: young\nVersion: 1.0\n")
    after = current.get()
    assert after["distributions"]["young"] == "1.0" and current.get() is after


def test_a_plugin_that_only_the_node_has_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_plugins", lambda: ["pytest", "pytest-randomly"])
    assert "pytest-randomly" in environment.difference(HOME, HOME)
