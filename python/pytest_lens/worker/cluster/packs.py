"""The contents of changed files, as they travel to a node.

A file that a node has in an older version costs its changed part.
"""

from __future__ import annotations

import hashlib
import pickle
import zlib
from dataclasses import dataclass
from typing import Any, Callable

# A file's kind and content: `["file", digest, is_executable]` or `["link", target]`.
Entry = list[Any]
# Paths relative to the root, with slashes.
Tree = dict[str, Entry]


@dataclass
class Piece:
    """One content: the bytes between a head and a tail that it shares with an older one."""

    digest: str
    # The digest of the older content; empty: `middle` is all of it.
    older: str
    head: int
    tail: int
    middle: bytes


def digest_of(content: bytes) -> str:
    """Return the name of a content: its SHA-256, in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def digests(tree: Tree) -> set[str]:
    """Return the digests of a tree's contents."""
    return {entry[1] for entry in tree.values() if entry[0] == "file"}


def difference(content: bytes, older: bytes, older_digest: str) -> Piece:
    """Return a content by its difference from an older one."""
    longest = min(len(content), len(older))
    head = _common(longest, lambda size: content[:size] == older[:size])
    longest -= head
    ends = len(content), len(older)
    tail = _common(longest, lambda size: content[ends[0] - size :] == older[ends[1] - size :])
    middle = content[head : len(content) - tail]
    return Piece(digest_of(content), older_digest, head, tail, middle)


def _common(longest: int, is_common: Callable[[int], bool]) -> int:
    """The greatest size of which `is_common` is true, up to `longest`."""
    low, high = 0, longest
    while low < high:
        middle = (low + high + 1) // 2
        if is_common(middle):
            low = middle
        else:
            high = middle - 1
    return low


def restored(piece: Piece, older: bytes) -> bytes:
    """Return the content of a piece, from the older content that it names.

    Raises `ValueError` if the result is another content.
    """
    content = older[: piece.head] + piece.middle + older[len(older) - piece.tail :]
    if not piece.older:
        content = piece.middle
    if digest_of(content) != piece.digest:
        raise ValueError(f"a damaged content arrived: {piece.digest}")
    return content


def packed(value: object) -> bytes:
    """Return a value in few bytes."""
    return zlib.compress(pickle.dumps(value, protocol=5), 1)


def unpacked(data: bytes) -> Any:
    """Return the value of `packed`."""
    return pickle.loads(zlib.decompress(data))
