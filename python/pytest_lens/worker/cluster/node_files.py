"""The project's files on a node.

All actors of a node share contents, by their digests; each has its own copy of the project.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path

from . import packs
from .packs import Entry, Piece, Tree

# Contents that no actor has used for this long are removed, in seconds.
_CONTENT_AGE = 7 * 24 * 3600

# Folders in a copy that are no part of a snapshot.
_KEPT = ("__pycache__",)


class Contents:
    """The contents that have arrived at this node."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._prune()

    def path(self, digest: str) -> Path:
        """Return the file of a content."""
        return self._folder / digest

    def missing(self, digests: set[str]) -> set[str]:
        """Return those that have not arrived."""
        present = set(os.listdir(self._folder))
        return digests - present

    def add(self, pieces: list[Piece]) -> None:
        """Store contents. A piece whose older content is not here is left out."""
        for piece in pieces:
            older = b""
            if piece.older:
                try:
                    older = self.path(piece.older).read_bytes()
                except FileNotFoundError:
                    continue
            self._write(piece.digest, packs.restored(piece, older))

    def _write(self, digest: str, content: bytes) -> None:
        # Other actors of the node write the same content.
        handle, temporary = tempfile.mkstemp(dir=self._folder.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(temporary, self.path(digest))

    def keep(self, digests: set[str]) -> None:
        """Note that contents are in use."""
        for digest in digests:
            with contextlib.suppress(FileNotFoundError):
                os.utime(self.path(digest))

    def _prune(self) -> None:
        oldest = time.time() - _CONTENT_AGE
        for entry in os.scandir(self._folder):
            with contextlib.suppress(OSError):
                if entry.stat().st_mtime < oldest:
                    os.unlink(entry.path)


class Copy:
    """One actor's copy of the project, made equal to a snapshot before each run."""

    def __init__(self, contents: Contents, root: Path) -> None:
        self._contents = contents
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        # The entries of written files, with the states of these files.
        self._written: dict[str, tuple[Entry, tuple[int, int, int]]] = {}

    def become(self, tree: Tree) -> None:
        """Write the files that differ from the tree, and remove those that are not in it."""
        self._remove_others(tree)
        for name, entry in tree.items():
            path = self.root / name
            before = self._written.get(name)
            if before is not None and before[0] == entry and before[1] == _state(path):
                continue
            self._write(path, entry)
            self._written[name] = (entry, _state(path))
        for name in set(self._written) - set(tree):
            del self._written[name]

    def _write(self, path: Path, entry: Entry) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        temporary = path.with_name(f".{path.name[:64]}.lens")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        if entry[0] == "link":
            os.symlink(entry[1], temporary)
        else:
            content = self._contents.path(entry[1])
            shutil.copyfile(content, temporary)
            os.chmod(temporary, 0o755 if entry[2] else 0o644)
            os.utime(content)
        os.replace(temporary, path)

    def _remove_others(self, tree: Tree) -> None:
        folders = {""}
        for name in tree:
            parts = name.split("/")[:-1]
            folders.update("/".join(parts[: index + 1]) for index in range(len(parts)))
        self._clean("", tree, folders)

    def _clean(self, folder: str, tree: Tree, folders: set[str]) -> None:
        for entry in list(os.scandir(self.root / folder)):
            name = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_dir(follow_symlinks=False):
                if name in folders:
                    self._clean(name, tree, folders)
                elif entry.name not in _KEPT:
                    shutil.rmtree(entry.path, ignore_errors=True)
            elif name not in tree:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(entry.path)


def _state(path: Path) -> tuple[int, int, int]:
    try:
        stat = os.lstat(path)
    except OSError:
        return (0, 0, 0)
    return (stat.st_mtime_ns, stat.st_size, stat.st_ino)
