"""Records of what a test depends on without a trace: kept values, kept texts, looks at the disk."""

from __future__ import annotations

import sys

import pytest
from conftest import Project
from fake_engine import run
from test_inputs import Recorded, recorded

pytestmark = pytest.mark.skipif(sys.version_info < (3, 12), reason="it needs sys.monitoring")


def _made_by(found: Recorded, test: str) -> set[str]:
    """The functions that a test uses, and those that they called in the tests before it."""
    calls = [(user, called) for user, called in found.calls if not called.endswith("<module>")]
    used = set(found.used[test])
    while further := {called for user, called in calls if user in used} - used:
        used |= further
    return {name.partition(":")[2] or name for name in used}


def test_values_that_are_kept_under_a_name_belong_to_who_names_them(project: Project) -> None:
    found = recorded(
        project,
        {
            "core.py": """
            from collections import defaultdict
            from concurrent.futures import ThreadPoolExecutor
            pool, futures = ThreadPoolExecutor(1), {}
            def thread(): return 0
            def ask(): return futures.setdefault("x", None) or futures.update(x=pool.submit(thread))
            def module(): return 1
            def instance(): return 2
            def key(): return 3
            def descriptor(): return 4
            def missing(): return 5
            def other(): return 6
            class Instance:
                def __getattr__(self, name):
                    self.__dict__[name] = value = other() if name == "another" else instance()
                    return value
            class Keys(dict):
                def __missing__(self, name):
                    self[name] = value = key()
                    return value
            class Lazy:
                def __init__(self, make): self.make = make
                def __set_name__(self, owner, name): self.name = name
                def __get__(self, instance, owner):
                    instance.__dict__[self.name] = value = self.make()
                    return value
            class Owner:
                lazy = Lazy(lambda: descriptor())
            one, keys, owner, table = Instance(), Keys(), Owner(), defaultdict(missing)
            def __getattr__(name):
                if name != "LATE":
                    raise AttributeError(name)
                globals()[name] = value = module()
                return value
            """,
            "test_a.py": """
            import core
            def test_another(): core.one.another
            def test_first():
                core.LATE, core.one.attribute, core.keys["an entry"], core.owner.lazy
                core.table["x"], core.ask()
                core.pool.shutdown()
            def test_thread(): core.ask()
            def test_module(): core.LATE
            def test_instance(): core.one.attribute
            def test_key(): core.keys["an entry"]
            def test_descriptor(): core.owner.lazy
            def test_missing(): core.table["x"]
            def test_none(): core.one
            """,
        },
    )
    for name in ("thread", "module", "instance", "key", "descriptor", "missing"):
        assert name in _made_by(found, f"test_{name}"), name
    assert _made_by(found, "test_none") == {"test_none"}
    assert "module" not in _made_by(found, "test_instance")


def test_a_getter_that_a_test_calls_often_is_noted_in_the_next_one(project: Project) -> None:
    found = recorded(
        project,
        {
            "core.py": """
            class Proxy:
                def __getattr__(self, name): return len(name)
            """,
            "test_a.py": """
            import core
            def test_often():
                for number in range(1000): getattr(core.Proxy(), f"x{number}")
            def test_again(): core.Proxy().once
            def test_none(): pass
            """,
        },
    )
    getter = "core.py:Proxy.__getattr__"
    assert getter in found.used["test_often"] & found.used["test_again"]
    assert getter not in found.used["test_none"]


def test_a_path_for_which_a_library_looks_is_known(project: Project) -> None:
    found = recorded(
        project,
        {
            "plugs/a/plug.toml": "",
            "plugs/b/other.toml": "",
            "core.py": """
            import gettext
            def language(): return gettext.find("app", "locale", ["de"])
            """,
            "test_a.py": """
            import glob, os, pathlib
            import core
            def test_catalog(): assert core.language() is None
            def test_glob(): assert len(glob.glob("plugs/*/plug.toml")) == 1
            def test_path(): assert len(list(pathlib.Path("plugs").glob("*/plug.toml"))) == 1
            def test_listed(): list(pathlib.Path().glob("plugs/*/*.toml"))
            def test_own(): assert os.path.isdir("plugs")
            def test_none(tmp_path): assert tmp_path.exists()
            """,
        },
    )
    assert "locale/de/LC_MESSAGES/app.mo" in found.used["test_catalog"]
    assert "plugs/b/plug.toml" in found.used["test_glob"]
    assert "<stat>" in found.used["test_path"]
    assert "<stat>" not in found.used["test_listed"]
    assert found.used["test_own"] >= {"plugs", "<stat>"}
    assert found.used["test_none"] == {"test_a.py:test_none", "<stat>"}


def test_a_module_that_would_hide_one_with_a_computed_name_is_looked_for(project: Project) -> None:
    found = recorded(
        project,
        {
            "pytest.ini": "[pytest]\npythonpath = over src\n",
            "over/other.py": "",
            "src/core.py": "",
            "src/pkg/__init__.py": "",
            "src/pkg/low.py": "",
            "test_a.py": """
            import importlib
            def test_top(): importlib.import_module("co" + "re")
            def test_again(): importlib.import_module("co" + "re")
            def test_below(): importlib.import_module("pkg.l" + "ow")
            """,
        },
    )
    assert "over/core.py" in found.used["test_again"]
    assert "src/core.py" not in found.used["test_again"]
    assert found.used["test_below"] >= {"over/pkg.py", "over/pkg"}
    assert "src/pkg.py" not in found.used["test_below"]


def test_the_end_of_a_fixture_is_told_with_its_function(project: Project) -> None:
    engine = project(
        {
            "core.py": "def close(): pass\n",
            "conftest.py": """
            import core, pytest
            @pytest.fixture(scope="session")
            def kept():
                yield
                core.close()
            """,
            "test_a.py": "def test_first(kept): pass\ndef test_last(): pass\n",
        }
    )
    base = engine.base()
    base.wait("ready")
    host = engine.fork(base, "collected", record=True)
    host.wait("collected")
    runner = engine.fork(host, "runner")
    run(runner, [node["id"] for node in host.nodes()])
    messages = runner.all("inputs")
    names = {node[0]: node[3] for message in messages for node in message["nodes"]}
    assert "finalized" not in messages[0]
    [[function, used]] = messages[1]["finalized"]
    assert names[function] == "kept"
    assert {names[number] for number in used} == {"kept", "close"}


def test_texts_of_sources_are_data(project: Project) -> None:
    found = recorded(
        project,
        {
            "low.py": "def f(): return 1\n",
            "pkg/__init__.py": "",
            "pkg/made.py": "X = 1\n",
            "core.py": """
            import inspect
            def text(function): return inspect.getsource(function)
            """,
            "test_a.py": """
            import inspect, pkgutil, low, core
            def test_first(): inspect.getsource(low.f)
            def test_kept(): inspect.getsource(low.f)
            def test_helper(): core.text(low.f)
            def test_loader(): low.__loader__.get_source("low")
            def test_data(): pkgutil.get_data("pkg", "made.py")
            def test_late(): from pkg import made
            def test_none(): low.f()
            """,
        },
    )
    for test in ("test_first", "test_kept", "test_helper", "test_loader"):
        assert "low.py" in found.used[test], test
    assert "pkg/made.py" in found.used["test_data"]
    assert "pkg/made.py" not in found.used["test_late"], "it is executed"
    assert found.used["test_none"] == {"test_a.py:test_none", "low.py:f"}


def test_bytecode_without_a_source_and_tests_that_are_no_source_are_data(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    found = recorded(
        project,
        {
            "alone_source.txt": "X = 1\n",
            "ready.py": "",
            "test_a.py": """
            import py_compile
            py_compile.compile("alone_source.txt", "alone.pyc", dfile="alone.py")
            def test_alone():
                import alone
            def test_ready():
                import ready
            """,
            "test_doc.txt": ">>> 1\n1\n",
        },
    )
    assert "alone.pyc" in found.used["test_alone"]
    assert not any(name.endswith(".pyc") for name in found.used["test_ready"])
    assert "test_doc.txt" in found.used["test_doc.txt"]


def test_each_caller_is_known_of_a_function_that_the_test_has_called_before(
    project: Project,
) -> None:
    found = recorded(
        project,
        {
            "core.py": """
            from dataclasses import dataclass
            kept = {}
            def parse(text): return text.upper()
            def add(number): return number + 1
            class Sum:
                def __init__(self, number): self.number = number
                def __add__(self, other): return Sum(add(self.number) + add(other.number))
            @dataclass
            class Point:
                x: int
                def __post_init__(self): add(self.x)
            def table(): return kept.get("table") or kept.update(table=list(map(parse, "ab")))
            def total(): return kept.get("total") or kept.update(total=Sum(1) + Sum(2))
            def point(): return kept.get("point") or kept.update(point=Point(1))
            """,
            "test_a.py": """
            import core
            def test_first():
                core.parse("a"), core.Sum(1) + core.Sum(2), core.Point(3)
                core.table(), core.total(), core.point()
            def test_table(): core.table()
            def test_total(): core.total()
            def test_point(): core.point()
            """,
        },
    )
    assert "parse" in _made_by(found, "test_table")
    assert {"Sum.__add__", "add"} <= _made_by(found, "test_total")
    assert {"Point.__post_init__", "add"} <= _made_by(found, "test_point")
    assert "parse" not in _made_by(found, "test_point")


def test_each_cache_is_known_that_a_place_calls(project: Project) -> None:
    found = recorded(
        project,
        {
            "core.py": """
            import functools
            @functools.lru_cache
            def one(number): return number
            @functools.lru_cache
            def two(number): return number
            class Service:
                def __init__(self): self.find = functools.lru_cache(self.search)
                def search(self, number): return number
                def all(self, numbers): return list(map(self.find, numbers))
            service, by_name = Service(), {"one": one, "two": two}
            def call(name): return by_name[name](1)
            """,
            "test_a.py": """
            import core
            def test_fill(): core.one(1), core.two(1), core.service.find(1)
            def test_one(): core.call("one")
            def test_two(): core.call("two")
            def test_map(): core.service.all([1])
            """,
        },
    )
    assert "two" in _made_by(found, "test_two")
    assert "Service.search" in _made_by(found, "test_map")


def test_a_module_that_a_function_imports_late_belongs_to_each_that_does(project: Project) -> None:
    found = recorded(
        project,
        {
            "app/__init__.py": "",
            "app/core.py": """
            def absolute():
                import app.late as late
                return late.MADE
            def relative():
                from . import late
                return late.MADE
            def name():
                from .late import MADE
                return MADE
            def other(): return 1
            """,
            "app/late.py": """
            from app.tools import make
            MADE = make()
            """,
            "app/tools.py": "def make(): return 1",
            "test_a.py": """
            from app import core
            def test_first(): core.absolute(), core.other()
            def test_absolute(): core.absolute()
            def test_relative(): core.relative()
            def test_name(): core.name()
            def test_other(): core.other()
            """,
        },
    )
    after: dict[str, set[str]] = {}
    for user, called in found.calls:
        after.setdefault(user, set()).add(called)
    for name in ("absolute", "relative", "name"):
        assert "app/late.py:<module>" in after[f"app/core.py:{name}"], name
    assert "app/tools.py:make" in after["app/late.py:<module>"]
    assert "app/core.py:other" not in after


def test_recording_keeps_nothing_alive(project: Project) -> None:
    recorded(
        project,
        {
            "core.py": """
            class Resource:
                def __init__(self): self.is_open = True
                def close(self, other): return other
            """,
            "test_a.py": """
            import weakref
            from core import Resource
            def test_after_its_last_use():
                one, other = Resource(), Resource()
                left = weakref.ref(one), weakref.ref(other)
                one.close(other)
                del one, other
                assert [ref() for ref in left] == [None, None]
            """,
        },
    )


def test_what_the_interpreter_calls_for_a_tracer_is_unknown(project: Project) -> None:
    found = recorded(
        project,
        {
            "core.py": """
            import sys
            class Tracer:
                def __init__(self): self.seen = []
                def trace(self, frame, event, argument): self.seen.append(frame.f_code.co_name)
                def run(self, function):
                    before = sys.gettrace()
                    sys.settrace(self.trace)
                    try: function()
                    finally: sys.settrace(before)
            """,
            "test_a.py": """
            import core
            def traced(): pass
            def test_traced():
                tracer = core.Tracer()
                tracer.run(traced)
                assert "traced" in tracer.seen
            def test_none(): traced()
            """,
        },
    )
    assert "<tracing>" in found.used["test_traced"]
    assert "<tracing>" not in found.used["test_none"]


def test_reads_in_threads_and_in_opened_folders_are_seen(project: Project) -> None:
    found = recorded(
        project,
        {
            "data/one.txt": "1",
            "core.py": """
            import os, pathlib
            from concurrent.futures import ThreadPoolExecutor
            with ThreadPoolExecutor(1) as pool:
                DATA = list(pool.map(pathlib.Path.read_text, [pathlib.Path("data/one.txt")]))
            def read():
                folder = os.open("data", os.O_RDONLY)
                file = os.open("one.txt", os.O_RDONLY, dir_fd=folder)
                try: return os.read(file, 10)
                finally: os.close(file), os.close(folder)
            """,
            "test_a.py": """
            import core
            def test_folder(): assert core.read() == b"1"
            def test_none(): pass
            """,
        },
    )
    assert "data/one.txt" in found.outside
    # Nobody sees in which folder it is: any data may be what the test reads.
    assert "<stat>" in found.used["test_folder"]
    assert "<stat>" not in found.used["test_none"]


def test_results_behind_parameters_and_registries_are_found(project: Project) -> None:
    found = recorded(
        project,
        {
            "core.py": """
            import abc, enum
            class Words(dict):
                def __missing__(self, key):
                    self[key] = value = key.upper()
                    return value
            class Colour(enum.Enum):
                RED = 1
                @classmethod
                def _missing_(cls, value):
                    member = object.__new__(cls)
                    member._name_, member._value_ = value, value
                    return cls._value2member_map_.setdefault(value, member)
            class Drawable(abc.ABC):
                @classmethod
                def __subclasshook__(cls, other): return hasattr(other, "draw")
            class Square:
                def draw(self): pass
            words = Words()
            """,
            "test_a.py": """
            import pytest, core
            def test_first():
                core.words["en-us"], core.words["de"], core.Colour("odd")
                assert isinstance(core.Square(), core.Drawable)
            @pytest.mark.parametrize("key", ["en-us", "de"])
            def test_key(key): core.words[key]
            def test_colour(): core.Colour("odd")
            def test_drawn(): assert isinstance(core.Square(), core.Drawable)
            def test_none(): core.words
            """,
        },
    )
    assert "Words.__missing__" in _made_by(found, "test_key[de]")
    assert "Words.__missing__" in _made_by(found, "test_key[en-us]")
    assert "Colour._missing_" in _made_by(found, "test_colour")
    assert "Drawable.__subclasshook__" in _made_by(found, "test_drawn")
    assert _made_by(found, "test_none") == {"test_none"}
