"""Turns items into messages for the engine: ids, lines, markers, keywords."""

from __future__ import annotations

import functools
import types
from typing import Any

import pytest
from _pytest.mark import KeywordMatcher

from ..unpatched import os
from ..wire import Message

_LITERALS = (str, int, bool, type(None))


class Ids:
    """Node ids relative to our root rather than to pytest's rootdir.

    pytest names files outside its rootdir after the argument that led there; these ids always begin
    with the item's own file.
    """

    def __init__(self, rootdir: str, root: str) -> None:
        self._within = os.path.join(root, "") if rootdir == root else None
        self._root = root
        self._paths: dict[str, str] = {}

    def path(self, item: Any) -> str:
        """The path part of an item's id, relative to the root, with slashes."""
        absolute = str(item.path)
        if self._is_named_by_pytest(absolute):
            known: str = item.nodeid.partition("::")[0]
            return known
        found = self._paths.get(absolute)
        if found is None:
            found = os.path.relpath(absolute, self._root).replace(os.sep, "/")
            self._paths[absolute] = found
        return found

    def id(self, item: Any) -> str:
        """A whole id."""
        nodeid: str = item.nodeid
        if self._is_named_by_pytest(str(item.path)):
            return nodeid
        _, separator, rest = nodeid.partition("::")
        return self.path(item) + separator + rest

    def _is_named_by_pytest(self, path: str) -> bool:
        """Whether pytest itself names the path as we do."""
        return self._within is not None and path.startswith(self._within)


class _Code:
    """The file and line of a function, which its items share."""

    def __init__(self, function: Any) -> None:
        real = unwrapped(function)
        code = getattr(real, "__code__", None)
        self.line: int | None = code.co_firstlineno if code is not None else None
        self.path: str | None = os.path.abspath(code.co_filename) if code is not None else None


def unwrapped(function: Any) -> Any:
    """The function inside decorators, methods and partials."""
    for _ in range(100):
        if isinstance(function, types.MethodType):
            function = function.__func__
        elif isinstance(function, functools.partial):
            function = function.func
        elif getattr(function, "__pytest_wrapped__", None) is not None:
            function = function.__pytest_wrapped__.obj
        elif isinstance(getattr(function, "__wrapped__", None), types.FunctionType):
            function = function.__wrapped__
        else:
            break
    return function


class _Inherited:
    """The marks, keywords and names of classes that an item has from the nodes around it."""

    def __init__(self, parent: Any) -> None:
        self.parent = parent  # keeps its id from being used again
        self.markers = list(parent.iter_markers())
        self.keywords = frozenset(KeywordMatcher.from_item(parent)._names)
        nodes = parent.listchain()
        self.classes = "::".join(node.name for node in nodes if isinstance(node, pytest.Class))


class NodeBuilder:
    """Turns items into messages; computes the parts that items share once."""

    def __init__(self, config: Any, root: str) -> None:
        self._ids = Ids(str(config.rootpath), root)
        self._codes: dict[int, _Code] = {}
        self._inherited: dict[int, _Inherited] = {}
        self._named: dict[int, str] = {}
        self._shared: dict[Any, Message] = {}
        self._keep: list[Any] = []  # keeps the ids in the caches from being used again

    def by_id(self, items: list[Any]) -> dict[str, list[Any]]:
        """The items of each id; more than one only with odd plugins."""
        found: dict[str, list[Any]] = {}
        named, name = self._named, self._ids.id
        for item in items:
            found.setdefault(named.get(id(item)) or name(item), []).append(item)
        return found

    def id(self, item: Any) -> str:
        """The id of an item."""
        return self._ids.id(item)

    def node(self, item: Any) -> Message:
        """The message of one item, which must stay alive; only the id if the item raises."""
        nodeid = self._named[id(item)] = self.id(item)
        try:
            return self._node(item, nodeid)
        except Exception:
            return {"id": nodeid, "path": nodeid.split("::")[0], "name": item.name, "kind": "item"}

    def _node(self, item: Any, nodeid: str) -> Message:
        function = getattr(item, "_obj", None) if hasattr(item, "callspec") else None
        if function is None or item.extra_keyword_matches:
            shared = self._facts(item)
        else:
            function = getattr(function, "__func__", function)
            # Cases may have marks of their own.
            key = (id(item.parent), id(function), *map(id, item.own_markers))
            found = self._shared.get(key)
            if found is None:
                found = self._shared[key] = self._facts(item)
                self._keep += (item.parent, function, item.own_markers)
            shared = found
        name = item.name
        node = {"id": nodeid, **shared, "name": name}
        node["keywords"] = [*shared["keywords"], name]
        return node

    def _facts(self, item: Any) -> Message:
        """All but the id and the name; the keywords lack the name, too."""
        inherited = self._inherited.get(id(item.parent))
        if inherited is None:
            inherited = self._inherited[id(item.parent)] = _Inherited(item.parent)
        markers = [*item.own_markers, *inherited.markers]
        names = dict.fromkeys([mark.name for mark in markers])
        kind = _kind(item)
        facts: Message = {
            "path": self._ids.path(item),
            "originalname": getattr(item, "originalname", None) or item.name,
            "markers": list(names),
            "keywords": sorted(_keywords(item, inherited.keywords)),
            "skip": _skips(item, markers),
            "xfail": "xfail" in names,
            "kind": kind,
            "param": hasattr(item, "callspec"),
        }
        self._add_location(item, kind, facts)
        if inherited.classes:
            facts["cls"] = inherited.classes
        arguments = [[mark.name, _literals(mark.kwargs)] for mark in markers if mark.kwargs]
        if any(kwargs for _, kwargs in arguments):
            facts["mark_args"] = [pair for pair in arguments if pair[1]]
        group = _group(markers)
        if group is not None:
            facts["group"] = group
        return facts

    def _add_location(self, item: Any, kind: str, facts: Message) -> None:
        if kind == "function":
            function = item.obj
            function = getattr(function, "__func__", function)
            code = self._codes.get(id(function))
            if code is None:
                code = self._codes[id(function)] = _Code(function)
                self._keep.append(function)
            if code.line is not None:
                facts["line"] = code.line
            if code.path is not None and code.path != str(item.path):
                facts["def_path"] = code.path
            return
        line = _doctest_line(item) if kind == "doctest" else None
        if line is None:
            line = _reported_line(item)
        if line is not None:
            facts["line"] = line


def _keywords(item: Any, inherited: frozenset[str]) -> set[str]:
    """The words that `-k` finds besides the item's name, as pytest's `KeywordMatcher` has them."""
    words = {*inherited, *item.extra_keyword_matches}
    words.update(mark.name for mark in item.own_markers)
    function = getattr(item, "function", None)
    if function:
        words.update(function.__dict__)
    words.discard(item.name)
    return words


def _kind(item: Any) -> str:
    if isinstance(item, pytest.Function):
        return "function"
    return "doctest" if hasattr(item, "dtest") else "item"


def _literals(kwargs: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in kwargs.items() if type(value) in _LITERALS}


def _group(markers: list[Any]) -> str | None:
    for mark in markers:
        if mark.name == "xdist_group":
            group = mark.kwargs.get("name", mark.args[0] if mark.args else "default")
            return str(group)
    return None


def _skips(item: Any, markers: list[Any]) -> bool:
    for mark in markers:
        if mark.name == "skip":
            return True
        if mark.name == "skipif" and _holds(item, mark):
            return True
    function = getattr(item, "obj", None)
    owner = getattr(item, "cls", None)
    return bool(
        getattr(function, "__unittest_skip__", False) or getattr(owner, "__unittest_skip__", False)
    )


def _holds(item: Any, mark: Any) -> bool:
    conditions = (mark.kwargs["condition"],) if "condition" in mark.kwargs else mark.args
    for condition in conditions:
        try:
            if isinstance(condition, str):
                from _pytest.skipping import evaluate_condition

                met = evaluate_condition(item, mark, condition)[0]
            else:
                met = bool(condition)
        except BaseException:
            continue
        if met:
            return True
    return False


def _doctest_line(item: Any) -> int | None:
    test = item.dtest
    if test is None or test.lineno is None or not test.examples:
        return None
    line: int = test.lineno + test.examples[0].lineno + 1
    return line


def _reported_line(item: Any) -> int | None:
    try:
        line = item.location[1]
    except Exception:
        return None
    return line + 1 if isinstance(line, int) else None
