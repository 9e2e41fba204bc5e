"""Feeding a runner: order, lookahead, stop, limits, missing ids, posing as one of several."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Project
from fake_engine import run, start

from pytest_lens.worker.running import match_ids

pytestmark = pytest.mark.core

SCOPES = {
    "conftest.py": """
    import pytest

    LOG = []

    @pytest.fixture(scope="module")
    def module(request):
        LOG.append("up " + request.module.__name__)
        yield
        LOG.append("down " + request.module.__name__)

    @pytest.fixture
    def log():
        return LOG
    """,
    "test_a.py": """
    def test_one(module, log): print(log)
    def test_two(module, log): print(log)
    """,
    "test_b.py": """
    def test_one(module, log): print(log)
    """,
}


def test_order_is_the_engine_s_and_nextitem_decides_teardown(project: Project) -> None:
    engine = project(SCOPES)
    ids = ["test_b.py::test_one", "test_a.py::test_two", "test_a.py::test_one"]
    verdicts = run(engine.fork(engine.collected(), "runner"), ids)
    assert list(verdicts) == ids
    assert verdicts[ids[1]]["stdout"] == "['up test_b', 'down test_b', 'up test_a']\n"
    assert verdicts[ids[2]]["stdout"] == "['up test_b', 'down test_b', 'up test_a']\n"


def test_items_wait_until_the_next_one_is_known(project: Project) -> None:
    engine = project({"test_a.py": "def test_a(): pass\ndef test_b(): pass\ndef test_c(): pass"})
    runner = engine.fork(engine.collected(), "runner")
    runner.wait("runner_ready")
    start(runner, [f"test_a.py::test_{x}" for x in "abc"], feed=[2], end=False)
    runner.send(t="feed", indices=[0], end=False)
    assert runner.wait("started")["i"] == 2
    assert runner.wait("finished")["i"] == 2
    assert len(runner.all("started")) == 1
    runner.send(t="feed", indices=[1], end=False)
    assert runner.wait("finished")["i"] == 0
    assert len(runner.all("started")) == 2
    runner.send(t="feed", indices=[], end=True)
    assert runner.wait("finished")["i"] == 1
    assert runner.wait("done") == {"t": "done", "reason": "end"}
    runner.wait("bye")


def test_an_end_alone_is_enough(project: Project) -> None:
    engine = project(SCOPES)
    runner = engine.fork(engine.collected(), "runner")
    runner.wait("runner_ready")
    start(runner, [])
    assert runner.wait("done")["reason"] == "end"
    runner.wait("bye")


def test_null_ids_are_all_items_in_their_order(project: Project) -> None:
    engine = project(SCOPES)
    host = engine.collected()
    verdicts = run(engine.fork(host, "runner"), None, count=3)
    assert list(verdicts) == ["0", "1", "2"]
    assert verdicts["2"]["stdout"].endswith("'up test_b']\n")


def test_missing_ids_are_told_and_the_rest_runs(project: Project) -> None:
    engine = project(SCOPES)
    base = engine.base()
    base.wait("ready")
    session = engine.fork(base, "session", args=["test_a.py"])
    ids = ["test_a.py::test_gone", "test_a.py::test_two", "test_b.py::test_one"]
    verdicts = run(session, ids)
    assert list(verdicts) == ["test_a.py::test_two"]
    assert session.all("missing") == [{"t": "missing", "indices": [0, 2]}]


def test_stop_finishes_what_runs_and_starts_nothing(project: Project) -> None:
    engine = project(
        {
            "conftest.py": """
            import pytest

            @pytest.fixture(scope="session", autouse=True)
            def torn_down(request):
                yield
                (request.config.rootpath / "torn").write_text("yes")
            """,
            "test_a.py": """
            import pathlib, select, os

            def test_a():
                os.mkfifo("gate")
                with open("gate") as gate:
                    gate.read()

            def test_b(): pass
            """,
        }
    )
    runner = engine.fork(engine.collected(), "runner")
    runner.wait("runner_ready")
    start(runner, ["test_a.py::test_a", "test_a.py::test_b"])
    runner.wait("started")
    runner.send(t="stop")
    open_gate(engine.root / "gate")
    assert runner.wait("finished")["outcome"] == "passed"
    assert runner.wait("done")["reason"] == "stop"
    runner.wait("bye")
    assert len(runner.all("started")) == 1
    assert (engine.root / "torn").read_text() == "yes"


def open_gate(path: Path) -> None:
    """Let a test go on that reads from a FIFO of its own making."""
    import os
    import time

    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:
            continue
        return
    raise AssertionError(f"nobody reads {path}")


FAILING = {
    "test_a.py": """
    def test_a(): assert 0
    def test_b(): pass
    def test_c(): assert 0
    def test_d(): pass
    """
}


def test_maxfail_of_the_run(project: Project) -> None:
    engine = project(FAILING)
    ids = [f"test_a.py::test_{x}" for x in "abcd"]
    runner = engine.fork(engine.collected(), "runner")
    assert list(run(runner, ids, maxfail=2)) == ids[:3]
    (done,) = runner.all("done")
    # pytest itself may have earned warnings: an old one on a new Python.
    assert (done["reason"], done["message"]) == ("maxfail", "stopping after 2 failures")
    assert runner.wait("bye")["exitstatus"] == 1


def test_exitfirst_of_the_project(project: Project) -> None:
    engine = project({**FAILING, "pytest.ini": "[pytest]\naddopts = -x"})
    ids = [f"test_a.py::test_{x}" for x in "abcd"]
    runner = engine.fork(engine.collected(), "runner")
    assert list(run(runner, ids)) == ids[:1]
    assert runner.all("done")[0]["reason"] == "maxfail"


def test_maxfail_does_not_count_collection_errors(project: Project) -> None:
    engine = project({**FAILING, "test_bad.py": "1 / 0"})
    ids = [f"test_a.py::test_{x}" for x in "abcd"]
    runner = engine.fork(engine.collected(), "runner")
    assert list(run(runner, ids, maxfail=2)) == ids[:3]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("import pytest; pytest.exit('enough of this')", "enough of this"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGINT)", "KeyboardInterrupt"),
    ],
)
def test_interruptions(project: Project, body: str, message: str) -> None:
    engine = project({"test_a.py": f"def test_a(): {body}\ndef test_b(): pass"})
    ids = ["test_a.py::test_a", "test_a.py::test_b"]
    runner = engine.fork(engine.collected(), "runner")
    verdicts = run(runner, ids)
    assert list(verdicts) == ids[:1]
    assert verdicts[ids[0]]["outcome"] == "error"
    assert message in verdicts[ids[0]]["message"]
    done = runner.all("done")[0]
    assert (done["reason"], message in done["message"]) == ("interrupted", True)
    assert runner.wait("bye")["exitstatus"] == 2


def test_a_stop_asked_for_by_a_plugin(project: Project) -> None:
    engine = project(
        {
            "conftest.py": """
            import pytest
            def pytest_runtest_logfinish(nodeid):
                pass
            @pytest.fixture
            def stop(request):
                request.session.shouldstop = "had enough"
            """,
            "test_a.py": "def test_a(stop): pass\ndef test_b(): pass",
        }
    )
    runner = engine.fork(engine.collected(), "runner")
    assert len(run(runner, ["test_a.py::test_a", "test_a.py::test_b"])) == 1
    assert runner.all("done")[0] == {"t": "done", "reason": "interrupted", "message": "had enough"}


def test_timeout_leaves_the_stacks_behind(project: Project) -> None:
    engine = project(
        {
            "test_a.py": """
            import threading
            def test_quick(): pass
            def test_stuck(): threading.Event().wait()
            """
        }
    )
    host = engine.collected()
    runner = engine.fork(host, "runner")
    stacks = Path(runner.wait("runner_ready")["stacks"])
    start(runner, ["test_a.py::test_quick", "test_a.py::test_stuck"], timeout_ms=500)
    assert runner.wait("finished")["i"] == 0
    assert runner.wait("started", i=1)
    host.wait("exited", host=runner.name)
    runner.wait_closed()
    assert "in test_stuck" in stacks.read_text()
    assert len(runner.all("finished")) == 1


def test_a_child_of_a_test_inherits_no_clock(project: Project) -> None:
    # pytest stops the clock when a test fails, and a child has no thread that would confirm it.
    engine = project(
        {
            "test_a.py": """
            import os
            def test_forks():
                if os.fork() == 0:
                    raise AssertionError("in the child")
                os.wait()
            """
        }
    )
    runner = engine.fork(engine.collected(), "runner")
    verdicts = run(runner, ["test_a.py::test_forks"], timeout_ms=30_000)
    assert [verdict["outcome"] for verdict in verdicts.values()] == ["passed"]


@pytest.mark.parametrize("happens", ["raise AssertionError", "os.fork() or os._exit(0)"])
def test_the_clock_goes_on_after_failures_and_forks(project: Project, happens: str) -> None:
    engine = project(
        {
            "test_a.py": f"""
            import os, threading, pytest
            @pytest.fixture
            def stuck():
                yield
                threading.Event().wait()
            def test_a(stuck): {happens}
            """
        }
    )
    host = engine.collected()
    runner = engine.fork(host, "runner")
    stacks = Path(runner.wait("runner_ready")["stacks"])
    start(runner, ["test_a.py::test_a"], timeout_ms=500)
    host.wait("exited", host=runner.name)
    runner.wait_closed()
    assert "in stuck" in stacks.read_text()
    assert not runner.all("finished")


def test_the_clock_starts_anew_for_each_test(project: Project) -> None:
    engine = project(
        {
            "test_a.py": """
            import threading, pytest
            @pytest.mark.parametrize("n", range(6))
            def test_a(n): threading.Event().wait(0.3)
            """
        }
    )
    ids = [f"test_a.py::test_a[{n}]" for n in range(6)]
    verdicts = run(engine.fork(engine.collected(), "runner"), ids, timeout_ms=1500)
    assert {verdict["outcome"] for verdict in verdicts.values()} == {"passed"}


DISABLED = {
    "test_a.py": """
    import unittest
    import pytest

    @pytest.mark.skip
    def test_marked(): pass

    @pytest.mark.skipif(True, reason="always")
    def test_if(): assert 0

    @unittest.skip("class")
    class CaseA(unittest.TestCase):
        def test_it(self): pass

    class CaseB(unittest.TestCase):
        @unittest.skip("method")
        def test_it(self): pass

    def test_by_itself(): pytest.skip("still")
    """
}


@pytest.mark.parametrize("how", ["run", "options", "off"])
def test_disabled_tests(project: Project, how: str) -> None:
    engine = project(DISABLED)
    base = engine.base()
    base.wait("ready")
    if how == "options":
        host = engine.fork(base, "session", run_disabled=True)
        count, settings = 5, {}
    else:
        parked = engine.fork(base, "collected")
        host = engine.fork(parked, "runner")
        count, settings = 5, {"run_disabled": how == "run"}
    verdicts = run(host, None, count=count, **settings)
    skipped = ["skipped"] * 4
    # Whether a unittest class is skipped as a whole is settled when it is collected.
    outcomes = [verdict["outcome"] for verdict in verdicts.values()]
    if how == "run":
        del outcomes[2]
        assert outcomes == ["passed", "failed", "passed", "skipped"]
    else:
        wanted = ["passed", "failed", "passed", "passed"] if how == "options" else skipped
        assert outcomes == [*wanted, "skipped"]


WORKERS = {
    "conftest.py": """
    import os
    def pytest_configure(config):
        config.seen = getattr(config, "workerinput", None)
    """,
    "test_a.py": """
    import os, sys
    def test_a(request):
        print(os.environ.get("PYTEST_XDIST_WORKER"), os.environ.get("PYTEST_XDIST_WORKER_COUNT"),
              os.environ.get("PYTEST_XDIST_TESTRUNUID"))
        given = dict(getattr(request.config, "workerinput", {}))
        assert given.pop("mainargv", sys.argv) == sys.argv
        print(sorted(given.items()))
        print(request.config.seen is not None)
    """,
}
TWO = {"index": 1, "count": 2, "run": "abc"}
POSED = "gw1 2 abc\n[('testrunuid', 'abc'), ('workercount', 2), ('workerid', 'gw1')]\n"


def test_several_runners_pose_as_xdist_workers(project: Project) -> None:
    engine = project(WORKERS)
    base = engine.base()
    base.wait("ready")
    host = engine.fork(base, "collected")
    host.wait("collected")
    name = "test_a.py::test_a"
    runner = engine.fork(host, "runner")
    assert run(runner, [name], worker=TWO)[name]["stdout"] == POSED + "False\n"
    alone = engine.fork(host, "runner")
    assert run(alone, [name])[name]["stdout"] == "None None None\n[]\nFalse\n"
    session = engine.fork(base, "session", worker=TWO)
    assert run(session, [name], worker=TWO)[name]["stdout"] == POSED + "True\n"


def test_started_arrives_before_user_code_runs(project: Project) -> None:
    engine = project(
        {
            "test_a.py": """
            import os, pytest
            @pytest.fixture
            def dies(): os._exit(9)
            def test_a(dies): pass
            """
        }
    )
    host = engine.collected()
    runner = engine.fork(host, "runner")
    runner.wait("runner_ready")
    start(runner, ["test_a.py::test_a"])
    assert runner.wait("started")["i"] == 0
    assert host.wait("exited", host=runner.name)["code"] == 9


def test_pytest_s_marks_in_the_environment(project: Project) -> None:
    engine = project(
        {
            "test_a.py": """
            import os, pytest
            def test_a():
                assert os.environ["PYTEST_CURRENT_TEST"] == "test_a.py::test_a (call)"
                if int(pytest.__version__.split(".")[0]) > 8:
                    assert os.environ["PYTEST_VERSION"] == pytest.__version__
                assert not any("LENS" in name for name in os.environ)
            """
        }
    )
    name = "test_a.py::test_a"
    verdict = run(engine.fork(engine.collected(), "runner"), [name])[name]
    assert verdict["outcome"] == "passed", verdict


NAMED_ANEW = """
import pytest, uuid
@pytest.mark.parametrize("name, good", [(uuid.uuid4().hex, good) for good in (True, False, True)])
def test_drawn(name, good): assert good
def make(good):
    def test(self): assert good
    return test
class TestMade:
    for good in (False, True):
        locals()[f"test_{uuid.uuid4().hex}"] = make(good)
    def test_kept(self): pass
@pytest.mark.parametrize("n", range(uuid.uuid4().int % 99 + 1))
def test_many(n): pass
"""


def test_p15_tests_that_each_collection_names_anew_are_run(project: Project) -> None:
    engine = project({"test_a.py": NAMED_ANEW})
    host = engine.collected()
    ids = [node["id"] for node in host.nodes() if "test_many" not in node["id"]]
    assert len(set(ids)) == 6
    own = list(run(engine.go_on(host), ids).values())
    told = [verdict["outcome"] for verdict in own]
    assert sorted(told) == ["failed"] * 2 + ["passed"] * 4
    base = engine.base()
    base.wait("ready")
    other = engine.fork(base, "session")
    verdicts = run(other, ids, same_files=True)
    assert [verdicts[name]["outcome"] for name in ids] == told
    assert other.all("missing") == [{"t": "missing", "indices": []}]
    # Another file has other tests.
    other = engine.fork(base, "session")
    assert len(run(other, ids)) == 1


def test_p15_a_test_that_the_run_does_not_want_is_none_of_its_own(project: Project) -> None:
    engine = project({"test_a.py": "def test_1(): pass\ndef test_2(): pass"})
    ids = ["test_a.py::test_1", "test_a.py::test_3"]
    for unwanted, missing in ([], []), (["test_a.py::test_2"], [1]):
        base = engine.base()
        base.wait("ready")
        other = engine.fork(base, "session")
        run(other, ids, same_files=True, unwanted=unwanted)
        assert other.all("missing") == [{"t": "missing", "indices": missing}]


def test_p15_where_the_numbers_differ_nothing_is_guessed() -> None:
    cases = {0: "a.py::test[1]", 1: "a.py::test[2]", 2: "a.py::A::test_b", 3: "a.py::test[5]"}
    spare = [("a.py::test[3]", "x"), ("a.py::test[4::[]", "y"), ("a.py::A::test_c", "z")]
    assert match_ids.match({0: cases[0], 1: cases[1]}, spare) == {0: "x", 1: "y"}
    assert match_ids.match({2: cases[2]}, spare) == {2: "z"}
    assert match_ids.match({0: cases[0], 1: cases[1], 3: cases[3]}, spare) == {}
    assert match_ids.match({0: "b.py::test[1]"}, spare) == {}
    assert match_ids.match({0: "[x]/a.py::T::test[1]"}, [("[x]/a.py::U::test[1]", "v")]) == {0: "v"}
