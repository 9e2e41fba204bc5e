"""Matches tests whose ids differ in each collection: by a random number, by the time of day.

A run names its tests as one session found them; another session finds the same tests under other
names. If a function (else a class, else a file) lacks as many tests as it has ones that the first
session did not find, they are the same tests, in the same sequence.
"""

from __future__ import annotations

from typing import Any


def match(missing: dict[int, str], unasked: list[tuple[str, Any]]) -> dict[int, Any]:
    """The item for each missing id, as far as it can be known."""
    found: dict[int, Any] = {}
    for how_far in range(max((len(_groups(name)) for name in missing.values()), default=0)):
        wanted: dict[_Group, list[int]] = {}
        for index, name in missing.items():
            if index not in found:
                wanted.setdefault(_group(name, how_far), []).append(index)
        taken = {id(item) for item in found.values()}
        there: dict[_Group, list[Any]] = {}
        for name, item in unasked:
            if id(item) not in taken:
                there.setdefault(_group(name, how_far), []).append(item)
        for group, indices in wanted.items():
            if group and len(indices) == len(there.get(group, ())):
                found.update(zip(indices, there[group]))
    return found


def _groups(node_id: str) -> list[str]:
    """The groups of an id, closest first: the function of a case, its classes, its file."""
    bare = _bare(node_id)
    groups = [bare] if bare != node_id else []
    while "::" in bare:
        bare = bare.rpartition("::")[0]
        groups.append(bare)
    return groups


def _bare(node_id: str) -> str:
    """An id without the brackets of a case; those of a folder stay."""
    bracket = node_id.find("[", max(node_id.find("::"), 0))
    return node_id if "::" not in node_id or bracket < 0 else node_id[:bracket]


_Group = tuple[Any, ...]


def _group(node_id: str, how_far: int) -> _Group:
    """One group of tests of a kind: cases do not match methods, nor methods functions."""
    groups, bare = _groups(node_id), _bare(node_id)
    if how_far >= len(groups):
        return ()
    return groups[how_far], bare.count("::"), bare != node_id
