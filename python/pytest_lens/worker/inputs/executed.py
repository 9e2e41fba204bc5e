"""Notes the functions of the project that are executed, and which of them calls which.

It uses `sys.monitoring` (Python 3.12 and later). One tool sees every code object once, when it is
first executed. A second one is armed for the project's code objects alone: each of them is noted
once in a test. One that a test calls often is disarmed until the next test, and in later tests at
its first call. To arm a code object again takes as long as a dozen notifications, and
`restart_events` arms those of the whole process.

The calls between functions serve tests that find a result which an earlier test in the process
left: they depend on what made it. A function's caller is the project's next frame on the stack;
besides, each place of a call is looked at once.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import linecache
import sys
import traceback
from _thread import get_ident
from collections.abc import Iterable
from types import CodeType, FunctionType, MethodType
from typing import Any, Callable

from .nodes import LINES, PROCESS, STAT, Nodes

_CACHED = type(functools.lru_cache(lambda: None))
# Names by which code asks for line numbers.
_LINE_NAMES = frozenset(("f_lineno", "tb_lineno", "co_firstlineno", "co_lines", "co_positions"))
# Names by which code asks for a file's existence, size or time, which raises no audit event.
_STAT_NAMES = frozenset(
    ("stat", "lstat", "access", "exists", "lexists", "samefile", "getsize", "readlink")
    + ("is_file", "is_dir", "is_symlink", "isfile", "isdir", "islink")
    + ("getmtime", "getctime", "getatime")
)
# Functions through which everything else gets to lines and texts of sources.
_LINE_READERS = (
    linecache.getlines,
    linecache.lazycache,
    inspect.findsource,
    inspect.getframeinfo,
    traceback.walk_tb,
    traceback.walk_stack,
)
# Functions that start processes without an audit event: the end of their path, and their name.
_STARTERS = (
    ("/multiprocessing/util.py", "spawnv_passfds"),
    ("/multiprocessing/forkserver.py", "connect_to_new_process"),
)
# The number of calls in a test after which a function is disarmed.
_OFTEN = 8
_ID_BITS = 24
_MASK = (1 << _ID_BITS) - 1


class Executed:
    """The functions that one process executes."""

    def __init__(self, nodes: Nodes, locate: Callable[[str], str | None]) -> None:
        """`locate`: a file's path below the root; None for files that are not the project's."""
        self._nodes = nodes
        self._locate = locate
        # By the id of a code object, as hashing one is slow; `_codes` keeps them alive.
        self._known: dict[int, int] = {}
        # Those of the project.
        self._callers: dict[int, int] = {}
        self._count = itertools.count()
        self._codes: dict[int, CodeType] = {}
        self._numbers: dict[int, tuple[int, ...]] = {}
        self._paths: dict[str, str | None] = {}
        # The code objects that were executed since the last take, by id: how many calls were seen.
        self._now: dict[int, int] = {}
        self._disarmed: set[int] = set()
        # Those that a test has called often.
        self._hot: set[int] = set()
        self._calls: set[int] = set()
        self._new_calls: set[int] = set()
        # Functions that were named by a call and not executed yet: code object, callers.
        self._pending: dict[int, tuple[CodeType, set[int]]] = {}
        self._arm: Any = None
        self._tools: list[int] = []

    def start(self) -> bool:
        """Begin; false if this Python can't, or others use what it takes."""
        monitoring: Any = getattr(sys, "monitoring", None)
        if monitoring is None:
            return False
        free = [tool for tool in (3, 4) if monitoring.get_tool(tool) is None]
        if len(free) < 2:
            return False
        for tool in free:
            monitoring.use_tool_id(tool, "pytest-lens")
        self._tools = free
        first, again = free
        events = monitoring.events
        set_local, disable = monitoring.set_local_events, monitoring.DISABLE
        known, note, getframe = self._known, self._note, sys._getframe
        caller_of, calls_of = self._callers.get, self._now.get
        now, disarmed, hot = self._now, self._disarmed, self._hot

        # It is called more often than all else here.
        def executed(code: CodeType, _offset: int) -> Any:
            key = id(code)
            calls = calls_of(key)
            if calls is None:
                note(key, getframe(1).f_back)
                if key not in hot:
                    return None
            elif calls < _OFTEN:
                now[key] = calls + 1
                return None
            else:
                hot.add(key)
            disarmed.add(key)
            return disable

        def first_executed(code: CodeType, _offset: int) -> Any:
            if id(code) in known:
                return disable
            if self._number(code):
                set_local(first, code, events.CALL)
            elif _starts_process(code):
                self._add(code, (self._nodes.number(PROCESS),))
            else:
                return disable
            set_local(again, code, events.PY_START)
            note(id(code), getframe(1).f_back)
            return disable

        def called(code: CodeType, _offset: int, function: object, _argument: object) -> Any:
            caller = caller_of(id(code))
            if caller is not None:
                for target in _codes_of(function):
                    self._called(caller, target)
            return disable

        def arm(code: CodeType) -> None:
            set_local(again, code, 0)
            set_local(again, code, events.PY_START)

        self._arm = arm
        monitoring.register_callback(first, events.PY_START, first_executed)
        monitoring.register_callback(first, events.CALL, called)
        monitoring.register_callback(again, events.PY_START, executed)
        monitoring.set_events(first, events.PY_START)
        for reader in _LINE_READERS:
            code = inspect.unwrap(reader).__code__
            self._add(code, (self._nodes.number(LINES),))
            set_local(again, code, events.PY_START)
        return True

    def take(self) -> set[int]:
        """The inputs that were executed since the last call; from now on each is noted again."""
        codes = list(self._now)
        for code in codes:
            self._now.pop(code, None)
        disarmed = list(self._disarmed)
        self._disarmed.difference_update(disarmed)
        for code in disarmed:
            self._arm(self._codes[self._known[code]])
        return self._numbers_of(map(self._known.__getitem__, codes))

    def running_elsewhere(self) -> set[int]:
        """The functions that other threads have begun and not ended."""
        own = get_ident()
        found: set[int] = set()
        for thread, frame in sys._current_frames().items():
            at: Any = frame if thread != own else None
            while at is not None:
                code = self._callers.get(id(at.f_code))
                if code is not None:
                    found.update(self._numbers[code])
                at = at.f_back
        return found

    def _numbers_of(self, codes: Iterable[int]) -> set[int]:
        """The inputs of code objects."""
        return set(itertools.chain.from_iterable(map(self._numbers.__getitem__, codes)))

    def new_calls(self) -> list[tuple[int, int]]:
        """The calls that were not reported yet: pairs of inputs."""
        if not self._new_calls:
            return []
        new = list(self._new_calls)
        self._new_calls.difference_update(new)
        pairs: set[tuple[int, int]] = set()
        for call in new:
            caller, called = self._numbers[call >> _ID_BITS], self._numbers[call & _MASK]
            pairs.update((a, b) for a in caller for b in called if a != b)
        return sorted(pairs)

    def caller(self, frame: Any) -> int | None:
        """The function of the project that is next on the stack."""
        while frame is not None:
            code = self._callers.get(id(frame.f_code))
            if code is not None:
                return self._numbers[code][0]
            frame = frame.f_back
        return None

    def _note(self, key: int, frame: Any) -> None:
        """A code object is executed; `frame`: its caller's."""
        self._now[key] = 1
        caller_of = self._callers.get
        while frame is not None:
            caller = caller_of(id(frame.f_code))
            if caller is not None:
                call = caller << _ID_BITS | self._known[key]
                if call not in self._calls:
                    self._note_call(call)
                return
            frame = frame.f_back

    def _note_call(self, call: int) -> None:
        if call not in self._calls:
            self._calls.add(call)
            self._new_calls.add(call)

    def _called(self, caller: int, target: CodeType) -> None:
        number = self._known.get(id(target))
        if number is not None:
            self._note_call(caller << _ID_BITS | number)
        elif self._path(target) is not None:
            self._pending.setdefault(id(target), (target, set()))[1].add(caller)

    def _path(self, code: CodeType) -> str | None:
        name = code.co_filename
        if not isinstance(name, str):  # at the interpreter's end
            return None
        if name not in self._paths:
            self._paths[name] = self._locate(name)
        return self._paths[name]

    def _number(self, code: CodeType) -> bool:
        """Number a code object that is executed for the first time; false if it is no input."""
        path = self._path(code)
        if path is None:
            return False
        name = str(getattr(code, "co_qualname", "")).split(".<locals>", 1)[0]
        # A template, for example, is no source.
        node = ("function", path, name) if path.endswith(".py") else ("file", path)
        numbers = [self._nodes.number(node)]
        if not _LINE_NAMES.isdisjoint(code.co_names):
            numbers.append(self._nodes.number(LINES))
        if not _STAT_NAMES.isdisjoint(code.co_names):
            numbers.append(self._nodes.number(STAT))
        number = self._callers[id(code)] = self._add(code, tuple(numbers))
        _, callers = self._pending.pop(id(code), (code, set()))
        for caller in callers:
            self._note_call(caller << _ID_BITS | number)
        return True

    def _add(self, code: CodeType, numbers: tuple[int, ...]) -> int:
        number = next(self._count)
        self._codes[number], self._numbers[number] = code, numbers
        self._known[id(code)] = number
        return number


def _starts_process(code: CodeType) -> bool:
    path = code.co_filename
    return any(code.co_name == name and path.endswith(end) for end, name in _STARTERS)


def _codes_of(function: Any) -> list[CodeType]:
    """The code that a call of an object executes, as far as it shows without running anything."""
    kind = type(function)
    if kind is MethodType:
        function = function.__func__
        kind = type(function)
    if kind is _CACHED:
        function = vars(function).get("__wrapped__")
        kind = type(function)
    if kind is FunctionType:
        return [function.__code__]
    if issubclass(kind, type):
        return _methods(function, ("__init__", "__new__"))
    return _methods(kind, ("__call__",))


def _methods(owner: Any, names: tuple[str, ...]) -> list[CodeType]:
    found = []
    for base in type.__getattribute__(owner, "__mro__"):
        held = type.__getattribute__(base, "__dict__")
        for name in names:
            method = held.get(name)
            if type(method) is staticmethod:
                method = method.__func__
            if type(method) is FunctionType:
                found.append(method.__code__)
    return found
