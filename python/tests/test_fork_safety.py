"""Hosts that must not be forked, and plugins that would get in the way."""

from __future__ import annotations

import ctypes

import pytest
from conftest import Project
from fake_engine import run

from pytest_lens.worker.sharing import open_resources

TEST = {"test_a.py": "def test_a(): pass"}


def reasons(project: Project, files: dict[str, str], **boot: object) -> list[str]:
    """Return the reason why a project's host can't be forked; the host must then run the tests
    itself.
    """
    engine = project({**TEST, **files})
    base = engine.base(env={"PYTHONPATH": "lib"}, **boot)
    base.wait("ready")
    host = engine.fork(base, "collected")
    collected = host.wait("collected")
    name = "test_a.py::test_a"
    runner = engine.go_on(host) if collected["reasons"] else engine.fork(host, "runner")
    assert run(runner, [name])[name]["outcome"] == "passed"
    found: list[str] = collected["reasons"]
    return found


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("def pytest_sessionstart(): pass", "conftest.py implements pytest_sessionstart"),
        ("def pytest_sessionfinish(): pass", "conftest.py implements pytest_sessionfinish"),
        ("def pytest_unconfigure(): pass", "conftest.py implements pytest_unconfigure"),
        ("def pytest_runtestloop(): pass", "conftest.py implements pytest_runtestloop"),
        (
            "def pytest_configure(config): config.add_cleanup(print)",
            None,
        ),
        (
            "def done(): pass\ndef pytest_configure(config): config.add_cleanup(done)",
            "conftest registered a clean-up with config.add_cleanup",
        ),
        (
            "import threading\n"
            "threading.Thread(target=threading.Event().wait, daemon=True, name='bg').start()",
            "the thread 'bg' is alive",
        ),
        ("import polars", "polars does not survive a fork"),
        ("import gevent.monkey", "gevent has patched the standard library"),
        ("import eventlet.patcher", "eventlet has patched the standard library"),
        ("import torch.cuda", "torch has initialised CUDA"),
        (
            "import asyncio\nloop = asyncio.new_event_loop()\nasyncio.set_event_loop(loop)",
            "an asyncio event loop is alive",
        ),
        ("def pytest_configure(): pass", None),
    ],
)
def test_reasons_against_forking(project: Project, source: str, reason: str | None) -> None:
    lib = {
        "lib/polars.py": "",
        "lib/gevent/__init__.py": "",
        "lib/gevent/monkey.py": "saved = {'os': 1}",
        "lib/eventlet/__init__.py": "",
        "lib/eventlet/patcher.py": "already_patched = {'os': True}",
        "lib/torch/__init__.py": "",
        "lib/torch/cuda.py": "def is_initialized(): return True",
    }
    found = reasons(project, {"conftest.py": source, **lib})
    if reason is None:
        assert found in ([], ["builtins registered a clean-up with config.add_cleanup"])
    else:
        assert reason in found


def test_a_plugin_may_be_declared_harmless(project: Project) -> None:
    files = {
        "conftest.py": "pytest_plugins = ['pytest_extra']",
        "lib/pytest_extra.py": "def pytest_sessionfinish(): pass",
    }
    assert reasons(project, files) == ["lib/pytest_extra.py implements pytest_sessionfinish"]


def test_and_is_then_forked(project: Project) -> None:
    files = {
        "conftest.py": "pytest_plugins = ['pytest_extra']",
        "lib/pytest_extra.py": "def pytest_sessionfinish(): pass",
    }
    assert reasons(project, files, harmless=["pytest-extra"]) == []


def test_session_hooks_run_once_in_a_session(project: Project) -> None:
    engine = project(
        {
            **TEST,
            "conftest.py": """
            def note(text):
                with open("log", "a") as file:
                    file.write(text + "\\n")
            def pytest_sessionstart(): note("start")
            def pytest_sessionfinish(exitstatus): note(f"finish {int(exitstatus)}")
            def pytest_unconfigure(): note("unconfigure")
            """,
        }
    )
    base = engine.base()
    base.wait("ready")
    session = engine.fork(base, "session")
    run(session, ["test_a.py::test_a"])
    session.wait("bye")
    assert (engine.root / "log").read_text() == "start\nfinish 0\nunconfigure\n"


def test_a_base_starts_again_without_a_module_that_makes_it_unsafe(project: Project) -> None:
    engine = project(
        {
            **TEST,
            "lib/good.py": "",
            "lib/starts.py": """
            import threading
            threading.Thread(target=threading.Event().wait).start()
            """,
            "lib/better.py": "",
        }
    )
    base = engine.base(env={"PYTHONPATH": "lib"}, preload=["good", "starts", "grpc", "better"])
    ready = base.wait("ready")
    assert (ready["preloaded"], ready["hazards"]) == (["good", "better"], [])
    assert list(engine.hosts) == [base.name]  # it is the same process, on the same connection
    host = engine.fork(base, "collected")
    host.wait("collected")
    name = "test_a.py::test_a"
    assert run(engine.fork(host, "runner"), [name])[name]["outcome"] == "passed"


def test_a_base_that_starts_again_has_no_variable_of_the_module_that_it_leaves_out(
    project: Project,
) -> None:
    engine = project(
        {
            "test_a.py": "import os\ndef test_a(): assert 'FROM_STARTS' not in os.environ\n",
            "lib/starts.py": """
            import os, threading
            os.environ["FROM_STARTS"] = "1"
            threading.Thread(target=threading.Event().wait).start()
            """,
        }
    )
    base = engine.base(env={"PYTHONPATH": "lib"}, preload=["starts"])
    assert base.wait("ready")["unfit"] == ["starts"]
    host = engine.fork(base, "collected")
    host.wait("collected")
    name = "test_a.py::test_a"
    assert run(engine.fork(host, "runner"), [name])[name]["outcome"] == "passed"


XDIST = """
import pytest

def pytest_addoption(parser):
    parser.getgroup("dist")._addoption("-n", "--numprocesses", dest="numprocesses", type=int)
    parser.addoption("--dist", dest="dist", default="no")
    parser.addoption("--tx", dest="tx", action="append", default=[])

@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    if config.option.numprocesses:
        config.option.dist = "load"
        config.option.tx = ["popen"] * config.option.numprocesses

@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    if config.option.dist != "no":
        raise RuntimeError("would distribute")
"""

COV = """
import pytest

def pytest_addoption(parser):
    parser.addoption("--cov", action="append", default=[], dest="cov_source")
    parser.addoption("--no-cov", action="store_true", dest="no_cov")

@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config):
    if early_config.known_args_namespace.cov_source:
        early_config.pluginmanager.register(Plugin(), "_cov")

def pytest_configure(config):
    if config.option.cov_source and not config.option.no_cov:
        raise RuntimeError("would measure")

class Plugin:
    def pytest_sessionstart(self):
        raise RuntimeError("measures")
"""


@pytest.mark.parametrize(
    "files",
    [
        {"pytest.ini": "[pytest]\naddopts = -p fakedist -n 4", "lib/fakedist.py": XDIST},
        {"pytest.ini": "[pytest]\naddopts = -p no:xdist"},
        {"pytest.ini": "[pytest]\naddopts = -p no:cacheprovider -p no:terminal"},
        {"pytest.ini": "[pytest]\naddopts = -p no:capture -p no:logging -p no:tmpdir"},
        {"pytest.ini": "[pytest]\naddopts = -p fakecov --cov=src", "lib/fakecov.py": COV},
        {"pytest.ini": "[pytest]\naddopts = --strict-markers --strict-config -W error"},
        {"pytest.ini": "[pytest]\naddopts = --junitxml=report.xml -v -ra --durations=3"},
        {"pytest.ini": "[pytest]\naddopts = --assert=plain --tb=no -q"},
        {"pytest.ini": "[pytest]\naddopts = --tb=native --showlocals"},
    ],
    ids=lambda files: files["pytest.ini"].split("=", 1)[1].strip(),
)
def test_options_of_the_project_that_would_get_in_the_way(
    project: Project, files: dict[str, str]
) -> None:
    engine = project({**files, "test_a.py": "def test_a(): pass\ndef test_b(): assert 1 == 2"})
    base = engine.base(env={"PYTHONPATH": "lib"})
    base.wait("ready")
    host = engine.fork(base, "collected")
    collected = host.wait("collected")
    assert collected["reasons"] == []
    # A project that asks for several processes works well in several.
    assert collected["processes"] == (4 if "-n 4" in files["pytest.ini"] else 0)
    verdicts = run(engine.fork(host, "runner"), ["test_a.py::test_a", "test_a.py::test_b"])
    assert [verdict["outcome"] for verdict in verdicts.values()] == ["passed", "failed"]
    assert verdicts["test_a.py::test_b"]["location"]["line"] == 2
    assert not (engine.root / "report.xml").exists()


def test_coverage_that_was_asked_for_is_not_switched_off(project: Project) -> None:
    engine = project(
        {
            "pytest.ini": "[pytest]\naddopts = -p fakecov --cov=src",
            "lib/fakecov.py": COV,
            **TEST,
        }
    )
    base = engine.base(env={"PYTHONPATH": "lib"})
    base.wait("ready")
    session = engine.fork(base, "session", no_cov=False)
    assert "would measure" in session.wait("usage_error")["message"]


PARALLEL = """
import ctypes
gomp = ctypes.CDLL("libgomp.so.1")
@ctypes.CFUNCTYPE(None, ctypes.c_void_p)
def body(_): pass
def parallel(): gomp.GOMP_parallel(body, None, 4, 0)
"""


def _has_gomp() -> bool:
    try:
        return hasattr(ctypes.CDLL("libgomp.so.1"), "omp_pause_resource_all")
    except OSError:
        return False


@pytest.mark.skipif(not _has_gomp(), reason="needs libgomp.so.1")
def test_p3_threads_of_openmp_at_import_do_not_hang_tests(project: Project) -> None:
    engine = project(
        {
            "work.py": PARALLEL,
            "conftest.py": "import work\nwork.parallel()",
            "test_a.py": "import work\ndef test_a(): work.parallel()",
        }
    )
    host = engine.collected()
    name = "test_a.py::test_a"
    for _ in range(2):
        runner = engine.fork(host, "runner")
        assert run(runner, [name])[name]["outcome"] == "passed"
        runner.wait("bye")


@pytest.mark.parametrize(
    ("library", "is_one"),
    [
        ("/usr/lib/libgomp.so.1.0.0", True),
        ("/site packages/sklearn.libs/libgomp-a34b3233.so.1", True),
        ("/lib/libiomp5.so", True),
        ("/lib/libomp.so", True),
        ("/lib/libtbb.so.12", True),
        ("/lib/libtbbmalloc.so.2", False),
        ("/lib/libc.so.6", False),
    ],
)
def test_p3_mappings_tell_of_libraries_with_threads(library: str, is_one: bool) -> None:
    line = f"7f00-7f01 r-xp 00000000 08:01 123        {library}\n"
    found = open_resources.libraries_in(["7f00-7f01 rw-p 00000000 00:00 0 \n", line, line])
    assert found == ([library] if is_one else [])


@pytest.mark.parametrize(
    ("library", "reason"),
    [
        ("/nowhere/libiomp5.so", "threads of libiomp5.so (OpenMP) are alive"),
        ("/nowhere/libtbb.so.12", "threads of libtbb.so.12 may be alive"),
    ],
)
def test_p3_threads_that_can_not_be_put_to_rest_are_a_reason(
    monkeypatch: pytest.MonkeyPatch, library: str, reason: str
) -> None:
    monkeypatch.setattr(open_resources, "_libraries", lambda: [library])
    monkeypatch.setattr(open_resources, "_tasks", lambda: 2)
    assert open_resources.native_threads() == [reason]
    monkeypatch.setattr(open_resources, "_tasks", lambda: 1)
    assert open_resources.native_threads() == []
