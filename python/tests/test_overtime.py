"""Tests that pytest-timeout and pytest's own faulthandler end, by their process."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Project
from fake_engine import run, start

# As much of pytest-timeout 2.4 as our plugin knows of; it is not among what these tests need.
PYTEST_TIMEOUT = """
import collections, os, threading, time
import pytest

SESSION_TIMEOUT_KEY = pytest.StashKey[float]()
SESSION_EXPIRE_KEY = pytest.StashKey[float]()
Settings = collections.namedtuple("Settings", "timeout method func_only disable_debugger_detection")

class TimeoutHooks:
    @pytest.hookspec(firstresult=True)
    def pytest_timeout_set_timer(item, settings): pass
    @pytest.hookspec(firstresult=True)
    def pytest_timeout_cancel_timer(item): pass

def is_debugging(): return False

def pytest_addhooks(pluginmanager):
    pluginmanager.add_hookspecs(TimeoutHooks)

def pytest_configure(config):
    config.addinivalue_line("markers", "timeout(timeout, method)")
    config.stash[SESSION_TIMEOUT_KEY] = 60
    config.stash[SESSION_EXPIRE_KEY] = time.time() - 1

@pytest.hookimpl(trylast=True)
def pytest_timeout_set_timer(item, settings):
    item.cancel_timeout = lambda: None
    return True

@pytest.hookimpl(trylast=True)
def pytest_timeout_cancel_timer(item):
    item.cancel_timeout()
    return True

@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    mark = item.get_closest_marker("timeout")
    if mark is not None:
        settings = Settings(mark.args[0], mark.args[1], False, False)
        item.config.hook.pytest_timeout_set_timer(item=item, settings=settings)
    yield
    if mark is not None:
        item.config.hook.pytest_timeout_cancel_timer(item=item)
    if item.config.stash[SESSION_EXPIRE_KEY] < time.time():
        item.session.shouldfail = "session-timeout: 60 sec exceeded"
"""

STUCK = """
import sys, threading, pytest
def test_first(): pass
@pytest.mark.timeout(0.5, "thread")
def test_stuck():
    print("before")
    print("worse", file=sys.stderr)
    wait()
def wait():
    threading.Event().wait()
@pytest.mark.timeout(30, "thread")
def test_quick(): pass
@pytest.mark.timeout(0.1, "signal")
def test_by_signal(): threading.Event().wait(0.3)
"""


def test_a_test_that_pytest_timeout_ends_is_told_with_its_dump(project: Project) -> None:
    engine = project(
        {
            "conftest.py": "pytest_plugins = ['pytest_timeout']",
            "pytest_timeout.py": PYTEST_TIMEOUT,
            "test_a.py": STUCK,
        }
    )
    ids = [f"test_a.py::{name}" for name in ("test_quick", "test_by_signal", "test_stuck")]
    base = engine.base()
    base.wait("ready")
    session = engine.fork(base, "session")
    session.wait("runner_ready")
    start(session, [*ids, "test_a.py::test_first"])
    base.wait("exited", host=session.name)
    session.wait_closed()  # its messages have a connection of their own
    quick, by_signal, stuck = session.all("finished")
    assert [quick["outcome"], by_signal["outcome"]] == ["passed", "passed"]
    assert stuck["outcome"] == "timed_out"
    assert stuck["message"] == "Timeout (>0.5s) from pytest-timeout."
    assert stuck["stdout"] == "before\n" and stuck["stderr"] == "worse\n"
    assert "Stack of MainThread" in stuck["longrepr"] and "    wait()\n" in stuck["longrepr"]
    assert "_pytest_lens_worker" not in stuck["longrepr"]
    assert [frame["name"] for frame in stuck["frames"][:2]] == ["test_stuck", "wait"]
    assert Path(stuck["location"]["path"]).name == "test_a.py" and stuck["location"]["line"] == 9
    assert stuck["ms"] >= 500
    assert session.all("started")[-1]["i"] == 2 and not session.all("done")


def test_the_time_of_a_session_begins_with_its_first_test(project: Project) -> None:
    engine = project(
        {
            "conftest.py": "pytest_plugins = ['pytest_timeout']",
            "pytest_timeout.py": PYTEST_TIMEOUT,
            "test_a.py": "def test_a(): pass\ndef test_b(): pass",
        }
    )
    runner = engine.go_on(engine.collected())
    assert len(run(runner, ["test_a.py::test_a", "test_a.py::test_b"])) == 2
    assert runner.all("done") == [{"t": "done", "reason": "end"}]


SLOW = """
import threading
def test_slow(): threading.Event().wait(0.4)
def test_quick(): pass
"""


def test_stacks_of_a_test_with_a_limit_of_time_are_part_of_its_output(project: Project) -> None:
    ini = "[pytest]\nfaulthandler_timeout = 0.1\n"
    engine = project({"pytest.ini": ini, "test_a.py": SLOW})
    ids = ["test_a.py::test_slow", "test_a.py::test_quick", "test_a.py::test_slow"]
    runner = engine.fork(engine.collected(), "runner")
    slow, quick = run(runner, ids[:2], timeout_ms=60_000).values()
    assert (slow["outcome"], quick["outcome"]) == ("passed", "passed")
    assert "in test_slow" in slow["stderr"]
    assert "stderr" not in quick


@pytest.mark.skipif(pytest.version_tuple < (9, 0), reason="pytest 9 can end the process")
def test_stacks_are_left_behind_where_pytest_ends_the_process(project: Project) -> None:
    ini = "[pytest]\nfaulthandler_timeout = 0.3\nfaulthandler_exit_on_timeout = true\n"
    engine = project({"pytest.ini": ini, "test_a.py": SLOW})
    host = engine.collected()
    runner = engine.fork(host, "runner")
    stacks = Path(runner.wait("runner_ready")["stacks"])
    start(runner, ["test_a.py::test_quick", "test_a.py::test_slow"])
    host.wait("exited", host=runner.name)
    runner.wait_closed()
    assert len(runner.all("finished")) == 1
    assert "in test_slow" in stacks.read_text()
