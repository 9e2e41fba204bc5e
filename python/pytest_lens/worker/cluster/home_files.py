"""The snapshots of the project at home, and what of them travels to a node."""

from __future__ import annotations

import os
from pathlib import Path

from . import packs
from .node_files import Contents
from .packs import Piece, Tree

# How many snapshots are known: a long run may need one while others come and go.
_KNOWN = 64


class Snapshots:
    """The latest snapshots, with their contents as they were when each was taken."""

    def __init__(self, root: str, folder: Path) -> None:
        self._root = root
        self._contents = Contents(folder)
        self._trees: dict[str, Tree] = {}

    def take(self, snapshot: str, base: str, changed: Tree, removed: list[str]) -> list[str]:
        """Take a snapshot, as changes from another one.

        Returns the files that have changed meanwhile; with such files it is not taken.
        """
        if base and base not in self._trees:
            return [base]  # it was refused: a whole one follows
        tree: Tree = {**self._trees.get(base, {}), **changed}
        for name in removed:
            tree.pop(name, None)
        moved = []
        missing = self._contents.missing(packs.digests(tree))
        for name, entry in tree.items():
            if entry[0] != "file" or entry[1] not in missing:
                continue
            try:
                content = Path(self._root, name).read_bytes()
            except OSError:
                content = b""
            if packs.digest_of(content) != entry[1]:
                moved.append(name)
                continue
            self._contents.add([Piece(entry[1], "", 0, 0, content)])
            missing.discard(entry[1])
        if not moved:
            self._contents.keep(packs.digests(tree))
            self._trees = {**dict(list(self._trees.items())[1 - _KNOWN :]), snapshot: tree}
        return moved

    def size(self, snapshot: str) -> tuple[int, int]:
        """Return the number of a snapshot's files, and of their bytes."""
        digests = [entry[1] for entry in self._trees[snapshot].values() if entry[0] == "file"]
        return len(digests), sum(os.stat(self._contents.path(one)).st_size for one in digests)

    def knows(self, snapshot: str) -> bool:
        """Whether it is one of the latest."""
        return snapshot in self._trees

    def changes(self, snapshot: str, base: str) -> bytes:
        """Return the way from one snapshot (empty: from nothing) to another."""
        tree, before = self._trees[snapshot], self._trees.get(base, {})
        changed = {name: entry for name, entry in tree.items() if before.get(name) != entry}
        return packs.packed((changed, [name for name in before if name not in tree]))

    def pieces(self, snapshot: str, base: str, missing: set[str] | None = None) -> bytes:
        """Return the contents that a snapshot has and its base lacks, or those that are `missing`.

        A file that differs from its older content at the same path is sent as the difference.
        """
        tree, before = self._trees[snapshot], self._trees.get(base, {})
        present = packs.digests(before)
        pieces: dict[str, Piece] = {}
        for name, entry in tree.items():
            if entry[0] != "file" or entry[1] in pieces:
                continue
            if entry[1] in present if missing is None else entry[1] not in missing:
                continue
            content = self._contents.path(entry[1]).read_bytes()
            older = before.get(name)
            if older is not None and older[0] == "file" and missing is None:
                known = self._contents.path(older[1]).read_bytes()
                pieces[entry[1]] = packs.difference(content, known, older[1])
            else:
                pieces[entry[1]] = Piece(entry[1], "", 0, 0, content)
        return packs.packed(list(pieces.values())) if pieces else b""
