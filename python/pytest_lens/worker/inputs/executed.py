"""Notes the functions of the project that are executed, and which of them calls which.

It uses `sys.monitoring` (Python 3.12 and later). One tool sees every code object once, when it is
first executed. A second one is armed for the project's code objects alone: each of them is noted
once in a test. One that a test calls often is disarmed until the next test. To arm a code object
again takes as long as a dozen notifications, and `restart_events` arms those of the whole process.

The calls between functions serve tests that find a result which an earlier test in the process
left: they depend on what made it. A function's caller is the project's next frame on the stack, at
its first call in a test, and at later ones as long as they show further callers; those of
properties and operators, of which no event says the caller, at up to sixteen. Besides, each place
of a call is looked at once, one that calls caches more often. A test's own function is rarely
executed twice: of its calls only those of caches count, and if it is executed again, it has called
all that its first test used. `named` links results that code finds by a name alone.

Code that runs for each function and test does little that raises an audit event, such as `id` or
reading a frame's `f_code`: each takes longer than all else here.
"""

from __future__ import annotations

import builtins
import contextlib
import inspect
import itertools
import linecache
import sys
import traceback
import types
from _thread import _count, get_ident
from types import CodeType
from typing import Any, Callable

from . import callables, code_names, named
from .nodes import LINES, PROCESS, STAT, Nodes
from .unaudited import caller_frames, identity

# Objects of these types execute no code of the project by themselves.
_WITHOUT_CODE = frozenset(
    (
        types.BuiltinFunctionType,
        types.MethodDescriptorType,
        types.WrapperDescriptorType,
        types.MethodWrapperType,
        types.ClassMethodDescriptorType,
    )
)
# Functions through which, and through `linecache.getlines`, all else gets to lines of sources.
_LINE_READERS = (
    linecache.lazycache,
    inspect.findsource,
    inspect.getframeinfo,
    traceback.walk_tb,
    traceback.walk_stack,
)
# A code object's flags of generators and coroutines: an earlier test may have begun them.
_RESUMED = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
# The number of calls in a test after which a function is disarmed.
_OFTEN = 16
# After so many calls that show no new pair of functions, only a test's first call of a function is
# looked at for its caller, and no call of a cache.
_LOOKS = 64
# An instruction before this one, in bytes, is near the beginning of its function.
_NEAR = 400
# The number of calls in a test after which a function that gets a name is as any other.
_MOST_NAMES = 256
_ID_BITS = 24
_MASK = (1 << _ID_BITS) - 1


# A place in a module: its globals, the line and the instruction.
_Place = tuple[int, Any, int]


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
        # The ids of their frames' globals: other frames need no closer look.
        self._globals: set[int] = set()
        # The code of the present test's function, by id, and whether it runs in this test only.
        self.own: int | None = None
        self.is_only = False
        # The frame below which the present test runs.
        self.outer: Any = None
        # Such functions that were executed, by id.
        self._own: set[int] = set()
        # The inputs of those that the last takes had. Their user empties it.
        self.own_taken: set[int] = set()
        self._count = itertools.count()
        self._codes: dict[int, CodeType] = {}
        self._numbers: dict[int, tuple[int, ...]] = {}
        # The same by the id of the code object.
        self._inputs: dict[int, tuple[int, ...]] = {}
        self._paths: dict[str, str | None] = {}
        # The code objects that were executed since the last take, by id: how many calls were seen.
        self._now: dict[int, int] = {}
        self._disarmed: set[int] = set()
        # By id, how many calls after a test's first one are still looked at for another caller.
        self._looks: dict[int, int] = {}
        # Those that code executes without calling them: no event of a call names their callers.
        self._implicit: set[int] = set()
        # Those of them that were disarmed in this test: how many functions were executed before.
        self._blind: dict[int, int] = {}
        # By id, the places from which such calls came.
        self._seen: dict[int, set[_Place | None]] = {}
        # Whether a place is in a source: code that is none may have the globals of a module.
        self._is_source: dict[_Place, bool] = {}
        # Dictionaries that getters may fill: with the names from before, and the getter.
        self._filled: dict[int, tuple[dict[Any, Any], set[Any], int]] = {}
        # Those that get a name, by id, with the calls of the present test: see `named.asked_name`.
        self._getters: dict[int, int] = {}
        # The thread in which tests run.
        self._thread = get_ident()
        self._calls: set[int] = set()
        self._new_calls: set[int] = set()
        # New pairs of inputs besides.
        self._links: set[tuple[int, int]] = set()
        self._named = named.Named(lambda user, made: self._note_call(user << _ID_BITS | made))
        # By the id of a library's function, who is called with each of its frames.
        self._watched: dict[int, Callable[[Any], None]] = {}
        # Called with what `__import__` is asked for, and the frame.
        self.on_import: Callable[[object, Any], None] | None = None
        # The same with a dotted name that a library looks for.
        self.on_resolve: Callable[[object, Any], None] | None = None
        # Functions that were named by a call and not executed yet: code object, callers.
        self._pending: dict[int, tuple[CodeType, set[int]]] = {}
        self._arm: Any = None
        self._tools: list[int] = []
        self._caller_frame = caller_frames(2)
        # Functions whose calls are more than that: watched ones, and those that get a name.
        self._special: set[int] = set()
        # The places of first calls in a test whose pair of functions is known: the called one, the
        # globals, the instruction and the line of the caller, which names it at once.
        self._known_places: set[tuple[int, int, int, int | None]] = set()

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
        known, note, getframe, own = self._known, self._note, sys._getframe, self._own
        caller_of, calls_of = self._callers.get, self._now.get
        now, disarmed, callers = self._now, self._disarmed, self._callers
        looks, looks_left, look = self._looks, self._looks.get, self._look_again
        implicit, blind = self._implicit, self._blind
        special, known_places, note_first = self._special, self._known_places, self._note_first
        function_frame, add_globals = caller_frames(1), self._globals.add
        places: dict[tuple[int, int], int] = {}
        path_of, dynamic_import = self._paths.get, builtins.__import__

        # It is called more often than all else here.
        def executed(code: CodeType, _offset: int) -> Any:
            key = identity(code)
            calls = calls_of(key)
            if calls is None:
                if key in special or key == self.own:  # pytest calls that one
                    note(key)
                    return None
                try:
                    frame = function_frame()
                except ValueError:
                    frame = getframe(1)
                now[key] = 1
                add_globals(identity(frame.f_globals))
                back = frame.f_back
                if back is not None:
                    at = back.f_lasti
                    # To find the line of a far instruction takes longer than to ask for its code.
                    line = back.f_lineno if at < _NEAR else None
                    place = key, identity(back.f_globals), at, line
                    if place not in known_places:
                        note_first(key, frame, place)
                return None
            if calls < _OFTEN:
                now[key] = calls + 1
                left = looks_left(key, _LOOKS)
                if left:
                    looks[key] = left - 1
                    look(key)
                elif key in implicit:
                    look(key)
                return None
            disarmed.add(key)
            if key in implicit:
                blind.setdefault(key, len(now))
            return disable

        def thrown(code: CodeType, _offset: int, _exception: object) -> None:
            key = identity(code)
            if key in callers and calls_of(key) is None:
                note(key)

        def first_executed(code: CodeType, _offset: int) -> Any:
            # Most of it is a library's.
            if path_of(code.co_filename, "") is None and code.co_name not in code_names.STARTERS:
                if code.co_name == code_names.RESOLVER:
                    self._watch_resolver(code, getframe(1))
                elif code.co_filename[:1] == "<" and self.outer is not None:
                    self._executes_text(code, getframe(1))
                return disable
            key = identity(code)
            if key in known:
                if key not in own:
                    return disable
                note(key)
                return None
            if self._number(code):
                if not code.co_filename.endswith(".py") and self.outer is not None:
                    self._executes_text(code, getframe(1))
                if code.co_name in named.GETTERS:
                    self._getters[key] = 0
                    special.add(key)
                self._link(code, getframe(1))
                set_local(first, code, events.CALL)
                if key == self.own and self.is_only:  # it stays armed by this tool
                    own.add(key)
                    note(key)
                    return None
            elif code_names.starts_process(code):
                self._add(code, (self._nodes.number(PROCESS),))
            else:
                return disable
            set_local(again, code, local_events(code))
            note(key)
            return disable

        def called(code: CodeType, offset: int, function: object, argument: object) -> Any:
            if type(argument) is types.FunctionType:  # to `map`, say, which calls it
                passer = caller_of(identity(code))
                if passer is not None and identity(code) not in own:
                    self._called(passer, argument.__code__)
            if type(function) in _WITHOUT_CODE:
                if function is not dynamic_import:
                    return disable
                if self.on_import is not None:
                    self.on_import(argument, getframe(1))
                return None
            key = identity(code)
            caller = caller_of(key)
            passes_cache = type(argument) is callables.CACHED  # to `map`, say
            is_cached = passes_cache or callables.is_cached(function)
            if caller is not None and (key not in own or is_cached):
                targets = callables.codes_of(function)
                if passes_cache:
                    targets += callables.codes_of(argument)
                is_new = [self._called(caller, target) for target in targets]
                if is_cached:
                    # The same place may call another cache next, which executes nothing.
                    place = key, offset
                    left = places[place] = _LOOKS if any(is_new) else places.get(place, _LOOKS) - 1
                    return None if left else disable
            return disable

        def local_events(code: CodeType) -> int:
            resumed = events.PY_RESUME if code.co_flags & _RESUMED else 0
            return int(events.PY_START | resumed)

        def arm(code: CodeType) -> None:
            set_local(again, code, 0)
            set_local(again, code, local_events(code))

        self._arm = arm
        monitoring.register_callback(first, events.PY_START, first_executed)
        monitoring.register_callback(first, events.CALL, called)
        monitoring.register_callback(again, events.PY_START, executed)
        monitoring.register_callback(again, events.PY_RESUME, executed)
        monitoring.register_callback(again, events.PY_THROW, thrown)
        monitoring.set_events(first, events.PY_START)
        monitoring.set_events(again, events.PY_THROW)  # it can't be local
        for reader in _LINE_READERS:
            code = inspect.unwrap(reader).__code__
            self._add(code, (self._nodes.number(LINES),))
            set_local(again, code, events.PY_START)
        return True

    def watch(self, function: Any, callback: Callable[[Any], None]) -> None:
        """Call `callback` with the frame of each call of a library's function from now on."""
        self._watch_code(inspect.unwrap(function).__code__, callback)

    def _watch_code(self, code: CodeType, callback: Callable[[Any], None]) -> None:
        monitoring: Any = sys.monitoring  # type: ignore[attr-defined]
        self._watched[identity(code)] = callback
        self._special.add(identity(code))
        monitoring.set_local_events(self._tools[1], code, monitoring.events.PY_START)

    def _watch_resolver(self, code: CodeType, frame: Any) -> None:
        """A function of a library is executed for the first time that may be a resolver."""
        argument = code_names.resolved_argument(code)
        if argument is None:
            return

        def resolves(frame: Any) -> None:
            if self.on_resolve is not None:
                self.on_resolve(frame.f_locals.get(argument), frame)

        self._watch_code(code, resolves)
        resolves(frame)

    def _executes_text(self, code: CodeType, frame: Any) -> None:
        """Code is executed that is no source's: an example of a text, say.

        No event shows imports of modules that are loaded.
        """
        if self.on_import is not None and not code.co_filename.startswith("<frozen "):
            for module in code_names.modules_in(code):
                self.on_import(module, frame)

    def take(self) -> set[int]:
        """The inputs that were executed since the last call; from now on each is noted again."""
        if not self._now and not self._disarmed and not any(self._getters.values()):
            return set()
        for held, known, getter in list(self._filled.values()):
            for name in filter(named.is_name, set(held) - known):
                self._named.add_result(name, getter)
        self._filled.clear()
        # Other threads note more meanwhile: what is taken is what was there.
        taken = list(self._now)
        getters = [key for key, calls in list(self._getters.items()) if calls]
        for key in getters:
            self._getters[key] = 0
        for _ in map(self._now.pop, taken):
            pass
        for key, before in list(self._blind.items()):
            self._note_later_callers(key, taken[before:])
        self._blind.clear()
        found: set[int] = set().union(*map(self._inputs.__getitem__, (*taken, *getters)))
        for key in self._own.intersection(taken):
            self.own_taken.add(self._inputs[key][0])
        disarmed = list(self._disarmed)
        self._disarmed.difference_update(disarmed)
        for key in disarmed:
            self._arm(self._codes[self._known[key]])
        return found

    def _note_later_callers(self, key: int, later: list[int]) -> None:
        """Functions that a test executed after nobody saw this one's calls any more may call it."""
        number = self._known[key]
        for caller in later:
            if caller in self._callers and caller not in self._own:
                self._note_call(self._callers[caller] << _ID_BITS | number)

    def add_names_of_own(self, names: set[str]) -> None:
        """Names in the parameters of the present test, by which its function may find results."""
        number = self._known.get(self.own) if self.own is not None else None
        if number is not None and names:
            self._named.add_names(names, number)

    def is_in_other_thread(self) -> bool:
        """Whether this is another thread than the one in which tests run."""
        return get_ident() != self._thread

    def running_elsewhere(self) -> set[int]:
        """The functions that other threads have begun and not ended."""
        own = get_ident()
        found: set[int] = set()
        if not _count():  # there are none
            return found
        for thread, frame in sys._current_frames().items():
            at: Any = frame if thread != own else None
            while at is not None:
                if self.is_project(at):
                    code = self._callers.get(identity(at.f_code))
                    if code is not None:
                        found.update(self._numbers[code])
                at = at.f_back
        return found

    def new_calls(self) -> list[tuple[int, int]]:
        """The calls that were not reported yet: pairs of inputs."""
        new = list(self._new_calls)
        self._new_calls.difference_update(new)
        pairs, self._links = self._links, set()
        for call in new:
            caller = self._numbers[call >> _ID_BITS][0]
            for called in self._numbers[call & _MASK]:
                if called != caller:
                    pairs.add((caller, called))
        return list(pairs)

    def caller(self, frame: Any) -> int | None:
        """The function of the project that is next on the stack.

        In another thread it may be the one for which the thread of the tests waits.
        """
        key = self._next_caller(frame)
        if key is None and self.is_in_other_thread():
            key = self._next_caller(sys._current_frames().get(self._thread))
        return None if key is None else self._numbers[self._callers[key]][0]

    def input_of(self, code: CodeType) -> int | None:
        """The input of a function of the project that was executed."""
        number = self._callers.get(identity(code))
        return None if number is None else self._numbers[number][0]

    def is_project(self, frame: Any) -> bool:
        """Whether a frame executes code of the project."""
        return identity(frame.f_globals) in self._globals

    def _next_caller(self, frame: Any) -> int | None:
        """The id of the code of the project's next frame on the stack, within the test."""
        known, callers, outer = self._globals, self._callers, self.outer
        while frame is not None and frame is not outer:
            if identity(frame.f_globals) in known:
                key = identity(frame.f_code)
                if key in callers:
                    return key
            frame = frame.f_back
        return None

    def _note(self, key: int) -> None:
        """The code object that the caller of this function's caller executes is noted."""
        try:
            frame = self._caller_frame()
        except ValueError:
            frame = sys._getframe(2)
        if key in self._watched:
            self._watched[key](frame)
            return
        if key in self._getters:
            self._got(key, frame)
        else:
            self._now[key] = 1
        self._globals.add(identity(frame.f_globals))
        if key != self.own:  # that one is called by pytest
            self._note_caller(key, frame)

    def _look_again(self, key: int) -> None:
        """A function is called once more in a test, perhaps by another one.

        No event names the two together if C code calls it: `map`, an operator, a property.
        """
        try:
            frame = self._caller_frame()
        except ValueError:
            frame = sys._getframe(2)
        back = frame.f_back
        if back is None:
            return
        # Nearly always the same function; to ask for it takes longer than all else here.
        at = back.f_lasti
        if at < _NEAR and (key, identity(back.f_globals), at, back.f_lineno) in self._known_places:
            return
        place = self._source_place(back)
        seen = self._seen.setdefault(key, set())
        if place not in seen:
            seen.add(place)
            if self._note_caller(key, frame):
                self._looks[key] = _LOOKS

    def _source_place(self, frame: Any) -> _Place | None:
        """The place of the project's next frame on the stack: a library's calls back for many."""
        known, outer, is_source = self._globals, self.outer, self._is_source
        while frame is not None and frame is not outer:
            if identity(frame.f_globals) in known:
                place = identity(frame.f_globals), frame.f_lineno, frame.f_lasti
                if place not in is_source:
                    is_source[place] = identity(frame.f_code) in self._callers
                if is_source[place]:
                    return place
            frame = frame.f_back
        return None

    def _note_first(self, key: int, frame: Any, place: tuple[int, int, int, int | None]) -> None:
        """Note who calls a function for the first time in a test, at a place that is not known."""
        self._note_caller(key, frame)
        line, back = place[3], frame.f_back
        is_near = line is not None and place[1] in self._globals
        # Code that is no source's, of the same module, has lines of its own.
        if is_near and identity(back.f_code) in self._callers:
            self._known_places.add(place)

    def _note_caller(self, key: int, frame: Any) -> bool:
        """Note who calls a function, whose frame this is; whether that is new."""
        caller = self._next_caller(frame.f_back)
        is_elsewhere = caller is None and self.is_in_other_thread()
        is_free = caller is None or caller in self._own
        code = self._codes[self._known[key]] if is_free else None
        if code is not None and (is_elsewhere or code.co_flags & _RESUMED):
            # Code that names it may have passed it to this thread or to an event loop, and may keep
            # what it returns.
            with contextlib.suppress(Exception):  # it would be raised in the project's code
                self._named.add_result(code.co_name, self._known[key])
                if is_elsewhere:
                    self._note_waiting(key)
        elif caller is not None and caller not in self._own:
            return self._note_call(self._callers[caller] << _ID_BITS | self._known[key])
        return False

    def _note_waiting(self, key: int) -> None:
        """A function begins in another thread: the thread of the tests may wait for its result."""
        frame = sys._current_frames().get(self._thread)
        while frame is not None and frame is not self.outer:
            if self.is_project(frame):
                waiting = identity(frame.f_code)
                if waiting in self._callers and waiting not in self._own:
                    self._note_call(self._callers[waiting] << _ID_BITS | self._known[key])
            frame = frame.f_back

    def _got(self, key: int, frame: Any) -> None:
        """Each call gets another name, and what it returns may be found by the name from now on."""
        calls = self._getters[key] = self._getters[key] + 1
        if calls == _MOST_NAMES:
            self._now[key] = 1  # an ordinary one until the next test
        with contextlib.suppress(Exception):  # it would be raised in the project's code
            self._named.add_result(named.asked_name(frame), self._known[key])
            held = named.filled_by(frame)
            if held is not None and identity(held) not in self._filled:
                self._filled[identity(held)] = held, set(held), self._known[key]

    def _link(self, code: CodeType, frame: Any) -> None:
        """Link a function to what it may find without calling anything."""
        number = self._known[identity(code)]
        with contextlib.suppress(Exception):  # it would be raised in the project's code
            if callables.is_implicit(code, frame):
                self._implicit.add(identity(code))
            names = named.names_in(code)
            self._named.add(code, names, number, frame)
            if code.co_name == "<module>" and self.outer is not None:
                # A later import of it executes nothing.
                for name in named.names_of_import(frame):
                    self._named.add_result(name, number)
            codes, files = named.caches_and_modules(names, frame.f_globals, self._is_own)
            for target in codes:
                self._called(number, target)
            for path in filter(None, map(self._path_of, files)):
                node = self._nodes.number(("function", path, "<module>"))
                self._links.add((self._numbers[number][0], node))

    def _note_call(self, call: int) -> bool:
        """Note a pair of functions; whether it is new."""
        if call in self._calls:
            return False
        self._calls.add(call)
        self._new_calls.add(call)
        return True

    def _called(self, caller: int, target: CodeType) -> bool:
        number = self._known.get(identity(target))
        if number is not None:
            return self._note_call(caller << _ID_BITS | number)
        if self._path(target) is not None:
            self._pending.setdefault(identity(target), (target, set()))[1].add(caller)
        return False

    def _path(self, code: CodeType) -> str | None:
        name = code.co_filename
        return self._path_of(name) if isinstance(name, str) else None  # at the interpreter's end

    def _is_own(self, file: str) -> bool:
        return self._path_of(file) is not None

    def _path_of(self, name: str) -> str | None:
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
        if code_names.asks_for_lines(code):
            numbers.append(self._nodes.number(LINES))
        if code_names.asks_for_files(code):
            numbers.append(self._nodes.number(STAT))
        number = self._callers[identity(code)] = self._add(code, tuple(numbers))
        _, callers = self._pending.pop(identity(code), (code, set()))
        for caller in callers:
            self._note_call(caller << _ID_BITS | number)
        return True

    def _add(self, code: CodeType, numbers: tuple[int, ...]) -> int:
        number = next(self._count)
        self._codes[number], self._numbers[number] = code, numbers
        key = identity(code)
        self._known[key], self._inputs[key] = number, numbers
        return number
