"""Records of what a test depends on, as a worker makes them (Python 3.12 and later)."""

from __future__ import annotations

import sys

import pytest
from conftest import Project
from fake_engine import Engine, Host, Message, run

pytestmark = pytest.mark.skipif(sys.version_info < (3, 12), reason="it needs sys.monitoring")

CORE = """
import functools
_kept = {}
def get():
    if "x" not in _kept:
        _kept["x"] = build()
    return _kept["x"]
def build(): return Parser().parse()
class Parser:
    def parse(self):
        def inner(): return 2
        return inner()
    def __call__(self): return 3
@functools.lru_cache
def table(): return Parser().parse()
def use(): return Parser()()
def unused(): pass
"""


class Recorded:
    """The records of one runner's tests, by id."""

    def __init__(self, host: Host, ids: list[str]) -> None:
        self._names: dict[int, str] = {}
        self.used: dict[str, set[str]] = {}
        self.calls: set[tuple[str, str]] = set()
        self.outside: set[str] = set()
        self.first: list[str] = []
        for message in host.all("inputs"):
            self._add(message, ids[message["i"]].split("::")[-1])

    def _add(self, message: Message, test: str) -> None:
        for number, *node in message["nodes"]:
            self._names[number] = ":".join(filter(None, node[1:])) or f"<{node[0]}>"
        self.used[test] = {self._names[number] for number in message["used"]}
        self.calls |= {(self._names[a], self._names[b]) for a, b in message["edges"]}
        self.outside |= {self._names[number] for number in message.get("outside", ())}
        if message["is_first"]:
            self.first.append(test)


def recorded(project: Project, files: dict[str, str], **options: object) -> Recorded:
    """Run all tests of a project in one runner, and return their records."""
    engine: Engine = project(files)
    base = engine.base()
    base.wait("ready")
    host = engine.fork(base, "collected", **{"record": True, **options})
    host.wait("collected")
    runner = engine.fork(host, "runner")
    ids = [node["id"] for node in host.nodes()]
    verdicts = run(runner, ids)
    assert {verdict["outcome"] for verdict in verdicts.values()} == {"passed"}
    return Recorded(runner, ids)


def test_functions_are_recorded_for_each_test(project: Project) -> None:
    found = recorded(
        project,
        {
            "pkg/__init__.py": "",
            "pkg/core.py": CORE,
            "test_a.py": """
            from pkg import core
            MADE = core.build()
            def test_build(): core.build()
            def test_often():
                for _ in range(100): core.build()
            def test_again(): core.build()
            def test_often_again():
                for _ in range(100): core.build()
            def test_last(): core.build()
            def test_nothing(): pass
            """,
        },
    )
    build = {"pkg/core.py:build", "pkg/core.py:Parser.parse"}
    assert found.used["test_build"] == build | {"test_a.py:test_build"}
    # A function that a test calls often is noted again in each later one.
    for test in ("test_often", "test_again", "test_often_again", "test_last"):
        assert found.used[test] == build | {f"test_a.py:{test}"}
    assert found.used["test_nothing"] == {"test_a.py:test_nothing"}
    assert found.first == ["test_build"]
    assert found.outside >= build | {"test_a.py:<module>"}, "the module calls it at import"
    assert "pkg/core.py:unused" not in set().union(*found.used.values())


def test_calls_lead_from_a_kept_result_to_the_functions_that_made_it(project: Project) -> None:
    found = recorded(
        project,
        {
            "core.py": CORE,
            "test_a.py": """
            import core
            def test_first(): core.build(), core.get(), core.table(), core.use()
            def test_get(): core.get()
            def test_table(): core.table()
            """,
        },
    )
    assert found.used["test_get"] == {"test_a.py:test_get", "core.py:get"}
    assert found.used["test_table"] == {"test_a.py:test_table"}, "the cache is not Python code"
    assert ("core.py:get", "core.py:build") in found.calls, "although the test had called it before"
    assert ("core.py:build", "core.py:Parser.parse") in found.calls
    assert ("test_a.py:test_table", "core.py:table") in found.calls
    assert ("core.py:table", "core.py:Parser.parse") in found.calls
    assert ("core.py:use", "core.py:Parser.__call__") in found.calls


def test_every_function_that_reads_a_variable_depends_on_it(project: Project) -> None:
    found = recorded(
        project,
        {
            "core.py": """
            import os
            def one(): return os.environ.get("ONE")
            def other(): return os.environ.get("ONE")
            def names(): return list(os.environ)
            """,
            "test_a.py": """
            import core
            def test_first(): core.one(), core.one(), core.other(), core.names()
            def test_other(): core.other(), core.other()
            """,
        },
    )
    assert found.used["test_first"] >= {"ONE", "*"}
    assert "ONE" in found.used["test_other"]
    assert {("core.py:one", "ONE"), ("core.py:other", "ONE"), ("core.py:names", "*")} <= found.calls


def test_a_test_function_that_runs_again_has_called_all_that_its_earlier_tests_used(
    project: Project,
) -> None:
    found = recorded(
        project,
        {
            "core.py": CORE,
            "test_a.py": """
            import core
            KEPT = []
            class Base:
                def test_kept(self):
                    if not KEPT: KEPT.append(core.build())
                    elif len(KEPT) == 1: KEPT.append(core.use())
            class TestA(Base): pass
            def test_between(): core.unused()
            class TestB(Base): pass
            class TestC(Base): pass
            """,
        },
    )
    own = "test_a.py:Base.test_kept"
    called = {called for caller, called in found.calls if caller == own}
    built, used = {"build", "Parser.parse"}, {"use", "Parser.__call__"}
    assert called - {"core.py:<module>"} == {f"core.py:{name}" for name in built | used}
    assert found.used["test_kept"] == {own}, "the last test found it"


def test_fixtures_belong_to_every_test_that_uses_them(project: Project) -> None:
    found = recorded(
        project,
        {
            "core.py": CORE + "def later(): pass\ndef asked(): pass\n",
            "conftest.py": """
            import pytest, core
            @pytest.fixture(scope="session")
            def inner(): return core.build()
            @pytest.fixture(scope="module")
            def outer(inner):
                core.unused()
                yield
                core.later()
            @pytest.fixture(scope="session")
            def on_request(): core.asked()
            """,
            "test_a.py": """
            import core
            def test_before(): core.build(), core.unused()
            def test_first(outer): pass
            def test_second(outer): pass
            def test_none(): pass
            def test_request(request): request.getfixturevalue("on_request")
            def test_later(): pass
            class TestKlass:
                @classmethod
                def setup_class(cls): core.build()
                def test_a(self): pass
                def test_b(self): pass
            """,
        },
    )
    made = {"core.py:build", "core.py:unused", "conftest.py:inner", "conftest.py:outer"}
    for test in ("test_first", "test_second"):
        assert found.used[test] >= made, test
    assert found.used["test_none"] == {"test_a.py:test_none"}
    assert "core.py:asked" in found.used["test_request"]
    assert "core.py:asked" in found.used["test_later"], "code requested it, so any test may use it"
    assert "core.py:build" in found.used["test_a"] & found.used["test_b"]
    assert "core.py:later" in found.used["test_b"], "the teardown belongs to the last test"


def test_files_variables_and_what_nobody_can_know(project: Project) -> None:
    found = recorded(
        project,
        {
            "core.py": CORE,
            "late.py": "import core\ncore.build()\n",
            "data/x.txt": "x",
            "cases.txt": "1",
            "test_a.py": """
            import multiprocessing, os, pathlib, socket, subprocess, sys, traceback
            CASES = pathlib.Path("cases.txt").read_text(), os.environ.get("CASES")
            def test_nothing(tmp_path): (tmp_path / "x").write_text("x")
            def test_file(): pathlib.Path("data/x.txt").read_text()
            def test_list(): os.listdir("data")
            def test_variable(): "OWN" in os.environ, os.getenv("OTHER")
            def test_set(monkeypatch): monkeypatch.setenv("SET", "1")
            def test_copy():
                from unittest import mock
                with mock.patch.dict(os.environ, {"PATCHED": "1"}): pass
            def test_process(): subprocess.run(["true"])
            def test_fork():
                pid = os.fork()
                if not pid: os._exit(0)
                os.waitpid(pid, 0)
            def test_spawn():
                process = multiprocessing.get_context("spawn").Process(target=int)
                process.start()
                process.join()
            def test_network():
                with socket.socket() as server, socket.socket() as client:
                    server.bind(("127.0.0.1", 0)); server.listen()
                    client.connect(server.getsockname())
            def test_lines(): traceback.format_stack()
            def test_own_line(): sys._getframe().f_lineno
            def test_import(): import late
            def test_stat(): os.path.getsize("cases.txt")
            def test_more():
                with open("data/x.txt", "a+") as file:
                    file.seek(0)
                    file.read()
            """,
        },
    )
    used = {test: inputs - {f"test_a.py:{test}"} for test, inputs in found.used.items()}
    assert used["test_nothing"] == set()
    assert used["test_file"] == {"data/x.txt"}
    assert used["test_list"] == {"data"}
    assert used["test_variable"] == {"OWN", "OTHER"}
    assert used["test_set"] == {"SET"}
    assert used["test_copy"] == set(), "mock reads all variables to put them back"
    assert "<process>" in used["test_process"] & used["test_fork"] & used["test_spawn"]
    assert "<network>" in used["test_network"]
    assert used["test_stat"] == {"<stat>"}
    assert used["test_more"] == {"data/x.txt"}
    assert "<lines>" in used["test_lines"] & used["test_own_line"]
    assert used["test_import"] == {"late.py:<module>", "core.py:<module>", "core.py:Parser"} | {
        "core.py:build",
        "core.py:Parser.parse",
    }
    assert {"cases.txt", "CASES"} <= found.outside
    assert "<process>" not in found.outside, "the worker itself forks"
    assert ("test_a.py:<module>", "cases.txt") in found.calls
    assert ("late.py:<module>", "core.py:build") in found.calls


def test_threads_that_outlive_a_test_belong_to_later_ones(project: Project) -> None:
    found = recorded(
        project,
        {
            "core.py": """
            import threading
            go, done = threading.Event(), threading.Event()
            def work():
                go.wait()
                done.set()
            """,
            "test_a.py": """
            import core, threading
            def test_begins(): threading.Thread(target=core.work, daemon=True).start()
            def test_waits():
                core.go.set()
                core.done.wait()
            """,
        },
    )
    assert "core.py:work" in found.used["test_begins"] & found.used["test_waits"]


def test_data_that_the_import_system_reads_is_the_project_s(project: Project) -> None:
    found = recorded(
        project,
        {
            "pkg/__init__.py": "",
            "pkg/core.py": """
            import pkgutil
            def text(): return pkgutil.get_data("pkg", "x.txt")
            """,
            "pkg/x.txt": "x",
            "pkg/late.py": """
            import pkgutil
            TEXT = pkgutil.get_data("pkg", "x.txt")
            """,
            "test_a.py": """
            import os, sqlite3, sys, zipfile
            from pkg import core
            sqlite3.connect("d b.sqlite").close()
            with zipfile.ZipFile("vendor.zip", "w") as archive:
                archive.writestr("vendored.py", "def value(): return 1")
            sys.path.append(os.path.abspath("vendor.zip"))
            def test_asked(): core.text()
            def test_late(): from pkg import late
            def test_uri(): sqlite3.connect("file:d%20b.sqlite?mode=ro", uri=True).close()
            def test_archive():
                import vendored
                vendored.value()
            """,
        },
    )
    assert found.used["test_asked"] >= {"pkg/core.py:text", "pkg/x.txt"}
    assert ("pkg/core.py:text", "pkg/x.txt") in found.calls
    assert "pkg/x.txt" in found.used["test_late"]
    assert found.used["test_uri"] == {"test_a.py:test_uri", "d b.sqlite"}
    assert found.used["test_archive"] == {"test_a.py:test_archive", "vendor.zip"}


def test_who_goes_through_all_variables_reads_their_names(project: Project) -> None:
    found = recorded(
        project,
        {
            "test_a.py": """
            import os
            from unittest import mock
            def test_names(): [name for name in os.environ if name.startswith("APP_")]
            def test_items(): [name for name, value in os.environ.items() if value is None]
            def test_bytes(): os.environb.get(b"RAW")
            def test_names_of_bytes(): list(os.environb)
            def test_copy():
                with mock.patch.dict(os.environ, {"PATCHED": "1"}): pass
            """,
        },
    )
    assert found.used["test_names"] == {"test_a.py:test_names", "*"}
    assert found.used["test_items"] > {"test_a.py:test_items", "*", "PATH"}
    assert found.used["test_bytes"] == {"test_a.py:test_bytes", "RAW"}
    assert found.used["test_names_of_bytes"] == {"test_a.py:test_names_of_bytes", "*"}
    assert found.used["test_copy"] == {"test_a.py:test_copy"}


def test_processes_that_outlive_a_test_belong_to_later_ones(project: Project) -> None:
    found = recorded(
        project,
        {
            "core.py": "def work(number): return number * 2",
            "conftest.py": """
            import multiprocessing, pytest
            @pytest.fixture(scope="module")
            def pools():
                made = []
                yield made
                for pool in made:
                    pool.terminate()
                    pool.join()
            """,
            "test_a.py": """
            import core, multiprocessing
            def test_begins(pools):
                pools.append(multiprocessing.get_context("fork").Pool(1))
            def test_uses(pools): assert pools[0].map(core.work, [2]) == [4]
            """,
            "test_b.py": "def test_after(): pass",
        },
    )
    assert "<process>" in found.used["test_begins"] & found.used["test_uses"]
    assert "<process>" not in found.used["test_after"]


def test_a_fixture_that_a_hook_requests_belongs_to_the_test(project: Project) -> None:
    found = recorded(
        project,
        {
            "core.py": CORE,
            "pytest.ini": "[pytest]\nmarkers = db",
            "conftest.py": """
            import pytest, core
            @pytest.fixture(scope="session")
            def database(): return core.build()
            def pytest_runtest_call(item):
                if item.get_closest_marker("db"):
                    item._request.getfixturevalue("database")
            """,
            "test_a.py": """
            import pytest
            def test_first(database): pass
            @pytest.mark.db
            def test_hook(): pass
            def test_none(): pass
            """,
        },
    )
    assert "core.py:build" in found.used["test_first"] & found.used["test_hook"]
    assert "core.py:build" not in found.used["test_none"]


def test_who_resumes_a_generator_executes_it(project: Project) -> None:
    found = recorded(
        project,
        {
            "core.py": """
            import contextlib
            def numbers():
                while True:
                    try: yield 1
                    except KeyError: pass
            async def answer(event): return await event
            class Event:
                def __await__(self): return (yield)
            """,
            "test_a.py": """
            import core
            KEPT = core.numbers()
            COROUTINE = core.answer(core.Event())
            def test_begins(): next(KEPT), COROUTINE.send(None)
            def test_next(): next(KEPT)
            def test_throw(): KEPT.throw(KeyError())
            def test_often():
                for _ in range(100): next(KEPT)
            def test_again(): next(KEPT)
            def test_send():
                try: COROUTINE.send(None)
                except StopIteration: pass
            def test_none(): pass
            """,
        },
    )
    for test in ("test_begins", "test_next", "test_throw", "test_often", "test_again"):
        assert "core.py:numbers" in found.used[test], test
    assert found.used["test_send"] >= {"core.py:answer", "core.py:Event.__await__"}
    assert found.used["test_none"] == {"test_a.py:test_none"}


def test_a_kept_result_belongs_to_whoever_names_it(project: Project) -> None:
    found = recorded(
        project,
        {
            "core.py": """
            import functools
            class Own:
                def __init__(self, function): self.function = function
                def __set_name__(self, _, name): self.name = name
                def __get__(self, instance, _):
                    return vars(instance).setdefault(self.name, self.function(instance))
            class Settings:
                @functools.cached_property
                def values(self): return make()
                @property
                @functools.lru_cache
                def table(self): return 2
                @Own
                def by_own(self): return 3
                renamed = functools.cached_property(lambda self: other())
                def method(self): return 4
            SETTINGS = Settings()
            def make(): return 1
            def other(): return 1
            @functools.lru_cache
            def square(x): return x * x
            @functools.lru_cache
            def cube(x): return x ** 3
            def user(): return SETTINGS.values
            """,
            "test_a.py": """
            import core
            from core import SETTINGS
            from core import square as renamed_square
            from functools import partial
            two_cubed = partial(core.cube, 2)
            def test_values(): SETTINGS.values
            def test_method(): SETTINGS.method()
            def test_table(): SETTINGS.table
            def test_own(): SETTINGS.by_own
            def test_renamed(): SETTINGS.renamed
            def test_map(): list(map(renamed_square, [1]))
            def test_partial(): two_cubed()
            def test_getattr(): getattr(SETTINGS, "values")
            def test_user(): core.user()
            """,
        },
    )

    def called(test: str) -> set[str]:
        own = f"test_a.py:{test}"
        return {called for caller, called in found.calls if caller == own} - {"core.py:<module>"}

    assert called("test_values") == {"core.py:Settings.values"}
    assert ("core.py:Settings.values", "core.py:make") in found.calls
    assert called("test_method") == set(), "a method is executed at each call"
    assert called("test_table") == {"core.py:Settings.table"}
    assert called("test_own") == {"core.py:Settings.by_own", "core.py:Own.__get__"}
    assert called("test_renamed") == {"core.py:Settings.<lambda>"}
    assert called("test_map") == {"core.py:square"}
    assert called("test_partial") == {"core.py:cube"}
    assert called("test_getattr") == {"core.py:Settings.values"}
    assert ("core.py:user", "core.py:Settings.values") in found.calls


def test_modules_that_were_imported_by_a_computed_name(project: Project) -> None:
    found = recorded(
        project,
        {
            "package/__init__.py": """
            import importlib
            def __getattr__(name):
                if name == "low": return importlib.import_module("package." + name)
                raise AttributeError(name)
            """,
            "package/low.py": "LIMIT = 1",
            "plug_x.py": "",
            "plug_y.py": "",
            "test_a.py": """
            import importlib, importlib.util, package
            def test_import(): importlib.import_module("plug_" + "x")
            def test_import_again(): importlib.import_module("plug_" + "x")
            def test_relative(): importlib.import_module(".low", "package").LIMIT
            def test_attribute(): package.low.LIMIT
            def test_builtin(): __import__("plug_" + "y")
            def test_builtin_again():
                for _ in range(3): __import__("plug_" + "y")
            def test_missing():
                try: importlib.import_module("plug_" + "z")
                except ImportError: pass
            def test_missing_part():
                try: from package import missing
                except ImportError: pass
            def test_asked(): assert not importlib.util.find_spec("plug_" + "w")
            def test_none(): pass
            """,
        },
    )
    used = {test: inputs - {f"test_a.py:{test}"} for test, inputs in found.used.items()}
    assert used["test_import"] == used["test_import_again"] == {"plug_x.py:<module>"}
    assert used["test_builtin"] == used["test_builtin_again"] == {"plug_y.py:<module>"}
    assert "package/low.py:<module>" in used["test_relative"]
    assert ("test_a.py:test_attribute", "package/low.py:<module>") in found.calls
    assert used["test_missing"] == {"plug_z.py", "plug_z"}
    assert used["test_missing_part"] == {"package/missing.py", "package/missing"} | {
        "package/__init__.py:__getattr__"
    }
    assert used["test_asked"] == {"plug_w.py", "plug_w"}
    assert used["test_none"] == set()


def test_nothing_is_recorded_unless_the_engine_asks(project: Project) -> None:
    files = {
        "test_a.py": """
        import os, sys
        def test_a():
            assert not any(sys.monitoring.get_tool(tool) for tool in range(6))
            assert "lens" not in os.environ.encodekey.__module__
        """
    }
    assert recorded(project, files, record=False).used == {}
