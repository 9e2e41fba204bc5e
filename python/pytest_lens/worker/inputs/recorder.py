"""The inputs of each test of a process, reported with its outcome.

Inputs of a fixture that outlives a test belong to every test that uses it. Inputs from before the
first test, read while tests were collected, are reported apart.
"""

from __future__ import annotations

import contextlib
import importlib
import linecache
import sys
from collections.abc import Iterator
from types import FunctionType, MethodType
from typing import Any

import pytest

from .. import own_code, site_paths
from ..unpatched import os, tempfile, time
from ..watching import audit_hook, file_reads
from ..wire import Message
from . import configuration, existence, named, readers, variables
from .executed import Executed
from .imports import BY_NAME, Imports
from .libraries import Libraries
from .nodes import EXTENSION, LINES, NETWORK, PROCESS, STAT, TRACING, Nodes
from .unaudited import exists, identity, is_file

_PROCESSES = (
    "subprocess.Popen",
    "os.posix_spawn",
    "os.system",
    "os.fork",
    "os.forkpty",
    "os.exec",
    # Nobody sees what another interpreter executes.
    "cpython.PyInterpreterState_New",
)
# No event is raised for the functions that the interpreter calls then, nor for what they call.
_TRACING = (
    "sys.settrace",
    "sys.setprofile",
    "sys.addaudithook",
    "sys.monitoring.register_callback",
)
_NETWORK = ("socket.connect", "socket.sendto", "socket.sendmsg")
_WATCHED = (
    "open",
    "os.listdir",
    "os.scandir",
    "sqlite3.connect",
    "import",
    "exec",
    "ctypes.dlopen",
    "pickle.find_class",
    *existence.GLOBS,
    *_PROCESSES,
    *_NETWORK,
    *_TRACING,
)
_EXTENSIONS = (".so", ".pyd", ".dylib")


class Inputs:
    """Records what the tests of one process depend on, once it was started."""

    def __init__(self, root: str, cache: str) -> None:
        """`cache`: the folder for compiled sources."""
        self._root = os.path.join(root, "")
        self._own = (own_code.FOLDER, os.path.join(cache, ""))
        self._nodes = Nodes()
        self._executed = Executed(self._nodes, self._locate)
        self._imports = Imports(self._locate, self._use)
        self._libraries = Libraries(self._root, self._is_left_by_tests)
        # Inputs of the present test, or of the collection, that are not functions.
        self._read: set[int] = set()
        self._edges: set[tuple[int, int]] = set()
        # Inputs of fixtures that outlive a test: by the definition, its name and inputs.
        self._fixtures: dict[int, tuple[Any, str | None, set[int]]] = {}
        self._gone: list[int] = []
        # Inputs of the present test's teardown.
        self._torn_down: set[int] = set()
        self._item: Any = None
        # By name, the fixtures that the present test has requested in any way.
        self._requested: list[dict[str, Any]] = []
        # Inputs of the present test so far, without those that are noted since.
        self._used: set[int] = set()
        # The inputs of the tests whose own functions ran, by the function: those that are reported
        # as its calls, and those that are if it runs again.
        self._by_own: dict[int, tuple[frozenset[int], tuple[int, ...]]] = {}
        self._outside: set[int] | None = None
        # Those of the libraries that were loaded before the first test.
        self._loaded_libraries: set[int] = set()
        self._tests = 0
        self._began = 0.0
        self.is_on = False

    def start(self) -> None:
        """Begin to record, if this Python can."""
        if self.is_on or not self._executed.start():
            return
        self.is_on = True
        self._began = time.time()
        audit_hook.watch(_WATCHED, self._audited, audit_hook.OwnWork())
        variables.watch(self._variable)
        existence.watch(self._executed.watch, self._looked_for)
        self._executed.on_import = self._asked
        self._executed.on_resolve = self._resolved
        for function in BY_NAME:
            self._executed.watch(function, self._asked_by_library)
        self._executed.watch(linecache.getlines, self._read_line)

    def stop(self) -> None:
        """Report nothing from now on."""
        self.is_on = False

    def begin(self, item: Any) -> None:
        """A test begins."""
        if not self.is_on:
            return
        before = self._take()
        if self._outside is None:
            self._outside = before
            for path in configuration.files(item.config):
                located = self._locate_any(path)
                if located is not None:
                    self._outside.add(self._nodes.number(("file", located)))
        self._item = item
        self._requested = []
        if self._tests and _has_children():
            self._note(PROCESS)
        self._executed.own = _own_code(item)
        self._executed.is_only = getattr(item, "callspec", None) is None
        self._executed.outer = sys._getframe(1)
        self._used = self._executed.running_elsewhere()

    def end(self, index: int) -> Message | None:
        """The test has ended: the message on its inputs."""
        if not self.is_on:
            return None
        used = self._used | self._take()
        used.update(self._own_file())
        self._executed.add_names_of_own(_names_in_parameters(self._item))
        names = getattr(self._item, "fixturenames", None)
        is_any = names is None or "request" in names or self._asked_for_more(names)
        for _, name, inputs in self._fixtures.values():
            if is_any or name is None or name in (names or ()):
                used |= inputs
        finalized = self._finalized()
        self._gone.clear()
        self._item = self._executed.own = self._executed.outer = None
        self._tests += 1
        edges, self._edges = self._edges, set()
        edges.update(self._executed.new_calls())
        for own in self._executed.own_taken:
            edges.update(self._calls_of_own(own, used))
        self._executed.own_taken.clear()
        message: Message = {
            "t": "inputs",
            "i": index,
            "used": list(used),
            "edges": list(edges),
            # Nothing that an earlier test left can have spared it anything.
            "is_first": self._tests == 1,
        }
        if finalized:
            message["finalized"] = finalized
        outside = self._outside or set()
        outside.update(self._loaded_libraries, map(self._nodes.number, self._libraries.new()))
        if outside:
            message["outside"] = sorted(outside)
            self._outside = set()
            self._loaded_libraries.clear()
        message["nodes"] = self._nodes.new()
        return message

    def _own_file(self) -> list[int]:
        """The file of a test that is no source, which pytest or a plugin read to collect it."""
        path = getattr(self._item, "path", None)
        if path is None or str(path).endswith(".py"):
            return []
        located = self._locate_any(os.path.abspath(path))
        return [] if located is None else [self._nodes.number(("file", located))]

    def _asked_for_more(self, names: Any) -> bool:
        """Whether other code than the test and its fixtures requested a fixture: a hook."""
        return any(one and not one.keys() <= set(names) for one in self._requested)

    def _calls_of_own(self, own: int, used: set[int]) -> list[tuple[int, int]]:
        """The new possible calls of a test's own function, which earlier tests executed, too."""
        if own not in self._by_own:
            self._by_own[own] = (frozenset(), tuple(used))
            return []
        reported, earlier = self._by_own[own]
        reported = reported.union(earlier)
        self._by_own[own] = (reported, tuple(used - reported))
        return [(own, number) for number in earlier if number != own]

    def pytest_collection_finish(self) -> None:
        """Look at the libraries before the process is forked: most tests load no others."""
        if self.is_on:
            self._loaded_libraries.update(map(self._nodes.number, self._libraries.new()))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: Any) -> None:
        """Keep what pytest has under way for the fixtures of a test; it drops it at the end."""
        requested = getattr(getattr(item, "_request", None), "_fixture_defs", None)
        if self.is_on and isinstance(requested, dict):
            self._requested.append(requested)

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Iterator[None]:
        """Keep the inputs of a fixture that outlives its test."""
        if not self.is_on or fixturedef.scope == "function" or self._item is None:
            yield
            return
        with self._own_inputs(fixturedef):
            yield

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self) -> Iterator[None]:
        """Keep the inputs of the teardown apart: fixtures of earlier tests may end in it."""
        self._torn_down = set()
        if not self.is_on or self._item is None:
            yield
            return
        before = self._used | self._take()
        self._used = set()
        try:
            yield
        finally:
            self._torn_down = self._used | self._take()
            self._used = before | self._torn_down

    def _finalized(self) -> list[list[Any]]:
        """The functions of the fixtures that ended, with the inputs of that."""
        found = []
        for definition in self._gone:
            fixturedef, *_ = self._fixtures.pop(definition, (None,))
            code = getattr(getattr(fixturedef, "func", None), "__code__", None)
            function = None if code is None else self._executed.input_of(code)
            if function is not None and self._torn_down:
                found.append([function, list(self._torn_down)])
        return found

    def pytest_fixture_post_finalizer(self, fixturedef: Any) -> None:
        """A fixture is torn down: the test that runs is the last one that uses it."""
        if self.is_on and id(fixturedef) in self._fixtures:
            self._gone.append(id(fixturedef))

    @contextlib.contextmanager
    def _own_inputs(self, fixturedef: Any) -> Iterator[None]:
        self._used |= self._take()
        outer, self._used = self._used, set()
        try:
            yield
        finally:
            inputs = self._used | self._take()
            self._used = outer | inputs
            names = getattr(self._item, "fixturenames", ())
            # A fixture that is requested by code may serve any later test.
            name = fixturedef.argname if fixturedef.argname in names else None
            self._fixtures[id(fixturedef)] = (fixturedef, name, inputs)
            if id(fixturedef) in self._gone:
                self._gone.remove(id(fixturedef))

    def _take(self) -> set[int]:
        self._imports.end()
        read = list(self._read)
        self._read.difference_update(read)
        return self._executed.take().union(read)

    def _note(self, node: tuple[str, ...], depth: int = 2) -> None:
        self._use(node, self._executed.caller(sys._getframe(depth)))

    def _use(self, node: tuple[str, ...], caller: int | None) -> None:
        number = self._nodes.number(node)
        self._read.add(number)
        if caller is not None:
            self._edges.add((caller, number))

    def _asked(self, name: object, frame: Any, package: object = None) -> None:
        """Code asks for a module by its name."""
        caller = self._executed.caller(frame)
        if caller is not None or self._item is not None:
            with contextlib.suppress(Exception):  # it would be raised in the project's code
                self._imports.asked(name, package, caller)

    def _asked_by_library(self, frame: Any) -> None:
        arguments = frame.f_locals
        self._asked(arguments.get("name"), frame.f_back, arguments.get("package"))

    def _resolved(self, name: object, frame: Any) -> None:
        """A library looks for what a dotted name means: modules, then what is in them."""
        module = name if isinstance(name, str) else ""
        while module and module not in sys.modules:
            module = module.rpartition(".")[0]
        if module:
            self._asked(module, frame)

    def _imported(self, name: str) -> None:
        """A module that is not loaded is about to be imported, perhaps by the project."""
        frame: Any = sys._getframe(1)
        while frame is not None and identity(frame.f_globals) in _IMPORTERS:
            frame = frame.f_back
        if frame is not None and self._executed.is_project(frame):
            self._imports.begins(name, self._executed.caller(frame))

    def _variable(self, name: str) -> None:
        node = ("variable", name)
        number, caller = self._nodes.known(node), self._executed.caller(sys._getframe(1))
        # A reader of all variables asks once for each.
        is_known = number in self._read and (caller is None or (caller, number) in self._edges)
        if not is_known and self._counts(readers.reader()):
            self._use(node, caller)

    def _looked_for(self, path: str, frame: Any) -> None:
        with contextlib.suppress(Exception):  # it would be raised in the project's code
            located = self._locate_any(path)
            if located is not None:
                self._use(("exists", located), self._executed.caller(frame))

    def _read_line(self, frame: Any) -> None:
        """Code reads lines of a source, which may be kept from an earlier time."""
        caller = self._executed.caller(frame)
        self._use(LINES, caller)
        with contextlib.suppress(Exception):  # it would be raised in the project's code
            located = self._locate_any(os.path.abspath(frame.f_locals["filename"]))
            if located is not None and self._counts(readers.reader()):
                self._use(("file", located), caller)

    def _audited(self, event: str, args: tuple[Any, ...]) -> None:
        if event in _PROCESSES:
            if self._item is not None or self._starts_project_code(event, args):
                self._note(PROCESS)
        elif event == "pickle.find_class":
            self._asked(args[0], sys._getframe(1))
        elif event == "exec":
            self._libraries.loaded(getattr(args[0], "co_filename", None))
        elif event in _NETWORK:
            if isinstance(args[1], tuple):  # not the path of a Unix socket
                self._note(NETWORK)
        elif event in _TRACING:
            if readers.reader() == "project":
                self._note(TRACING)
        elif event in existence.GLOBS:
            if existence.looks_for_name(event, args[1]) and readers.reader() == "project":
                self._note(STAT)
        elif event in ("import", "ctypes.dlopen"):
            if event == "import" and args[1] is None:
                self._libraries.searched(args[2])
                self._imported(args[0])
            path = args[1] if event == "import" else args[0]
            is_extension = isinstance(path, str) and path.endswith(_EXTENSIONS)
            if is_extension:
                self._libraries.loaded(path)
                if self._locate(path) is not None:
                    self._note(EXTENSION)
        else:
            self._read_file(event, args)

    def _starts_project_code(self, event: str, args: tuple[Any, ...]) -> bool:
        """Whether the project starts a process while tests are collected that may run its code.

        A library that asks a compiler for its version then is harmless.
        """
        if event == "os.system":
            return readers.reader() == "project"
        if event not in ("subprocess.Popen", "os.posix_spawn"):
            return False
        program = os.fsdecode(args[0])
        is_own = os.sep in program and self._locate_any(os.path.abspath(program)) is not None
        return (is_own or file_reads.may_read_any(program)) and readers.reader() == "project"

    def _read_file(self, event: str, args: tuple[Any, ...]) -> None:
        kind = "folder" if event in ("os.listdir", "os.scandir") else "file"
        for path in file_reads.paths(event, args):
            absolute = _absolute(os.fsdecode(path))
            located = self._locate_any(absolute)
            if located is None:
                self._read_library(kind, absolute)
                continue
            is_data = kind == "file" and not file_reads.is_executed(path)
            if self._counts(readers.reader(is_data)):
                self._note((kind, located))
                # It may be in another folder, which the caller has opened.
                if not os.path.isabs(path) and not exists(absolute):
                    self._note(STAT)

    def _read_library(self, kind: str, path: str) -> None:
        """A file that is not the project's is read: an installed package may have data."""
        if kind != "file" or not site_paths.is_third_party(path):
            return
        if site_paths.is_cached_bytecode(path) or path.startswith(self._own):
            return
        if readers.reader(not file_reads.is_executed(path)) == "project":
            self._note(("library", os.path.dirname(path), os.path.basename(path)), depth=3)

    def _counts(self, reader: str) -> bool:
        """Whether reads matter: the sources that are imported are executed."""
        if reader == "pytest":  # or a thread that somebody has passed a function to
            return self._item is not None or self._executed.is_in_other_thread()
        return reader == "project"

    def _locate(self, path: str) -> str | None:
        """A source's path below the root, or its archive's; None if it is not the project's."""
        if not path.startswith("<") and not os.path.isabs(path):
            path = os.path.abspath(path)
        if not path.startswith(self._root):
            return None
        holder = path
        while len(holder) > len(self._root) and not exists(holder):
            holder = os.path.dirname(holder)
        return self._locate_any(holder if is_file(holder) else path)

    def _locate_any(self, path: str) -> str | None:
        """A file's path, relative if it is below the root; None if it can't change."""
        if site_paths.is_cached_bytecode(path) or path.startswith(self._own):
            return None
        if not file_reads.is_of_project(path):
            return None
        if path.startswith(self._root):
            return path[len(self._root) :]
        if path.startswith(("/proc/", "/sys/", "/dev/")):
            return None
        return None if self._is_left_by_tests(path) else path

    def _is_left_by_tests(self, path: str) -> bool:
        """Whether a file or folder is a temporary one that this process has made."""
        return path.startswith(("/tmp/", _TEMPORARY)) and not self._was_there(path)

    def _was_there(self, path: str) -> bool:
        """Whether a temporary file is older than this process, and so not made by its tests."""
        try:
            return bool(os.stat(path).st_mtime < self._began)
        except OSError:
            return False


# The globals of the code that is between an import and the audit event, by id.
_IMPORTERS = frozenset(
    identity(vars(module))
    for module in (
        importlib,
        sys.modules["_frozen_importlib"],
        sys.modules["_frozen_importlib_external"],
        sys.modules[__name__],
        audit_hook,
    )
)
_TEMPORARY = os.path.join(tempfile.gettempdir(), "")


def _absolute(path: str) -> str:
    """An absolute path without `..`, which leads out of the place to which a link leads."""
    return os.path.realpath(path) if os.pardir in path else os.path.abspath(path)


def _own_code(item: Any) -> int | None:
    """The id of the code of a test's function."""
    # `item.obj` may make an instance; `vars` would give each item a dictionary of its own.
    try:
        function = item._obj
    except Exception:  # it is no function's item
        return None
    if type(function) is MethodType:
        function = function.__func__
    return identity(function.__code__) if type(function) is FunctionType else None


def _names_in_parameters(item: Any) -> set[str]:
    """The texts among a test's parameters, which may be keys or names of attributes."""
    callspec = getattr(item, "callspec", None)
    values = getattr(callspec, "params", {}).values()
    return {value for value in values if type(value) is str and len(value) <= named.LONGEST_NAME}


def _has_children() -> bool:
    """Whether processes of `multiprocessing` live on, which later tests may use."""
    module = sys.modules.get("multiprocessing.process")
    return bool(module is not None and vars(module).get("_children"))
