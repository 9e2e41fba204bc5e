"""Forks of one host see nothing of each other, and state that the project set up once stays."""

from __future__ import annotations

import pytest
from conftest import Project
from fake_engine import Engine, Host, Message, run, start


def one(engine: Engine, host: Host, name: str, **settings: object) -> Message:
    """Run one test in a new runner, which may do anything to its process."""
    runner = engine.fork(host, "runner")
    verdict = run(runner, [name], **settings)[name]
    runner.wait("bye")
    return verdict


@pytest.mark.parametrize("method", ["fd", "sys", "tee-sys"])
def test_siblings_capture_their_own_output_only(project: Project, method: str) -> None:
    engine = project(
        {
            "pytest.ini": f"[pytest]\naddopts = --capture={method}",
            "conftest.py": "import sys\nsaved = sys.stdout\nprint('while importing')\n",
            "test_a.py": """
            import os, sys
            from conftest import saved

            print("collecting")

            def test_a():
                print("a says hello")
                print("through the saved stream", file=saved)

            def test_b():
                print("b says hello")
            """,
        }
    )
    host = engine.collected()
    first = engine.fork(host, "runner")
    second = engine.fork(host, "runner")
    for runner in (first, second):
        runner.wait("runner_ready")
    start(first, ["test_a.py::test_a"])
    a = first.wait("finished")
    start(second, ["test_a.py::test_b"])
    b = second.wait("finished")
    assert a["outcome"] == "passed", a
    assert b["stdout"] == "b says hello\n"
    assert a["stdout"] == "a says hello\nthrough the saved stream\n"


def test_a_logging_handler_made_at_import_keeps_working(project: Project) -> None:
    engine = project(
        {
            "conftest.py": "import logging\nlogging.basicConfig(level='INFO')\n",
            "test_a.py": "import logging\ndef test_a(): logging.info('handled')",
        }
    )
    verdict = one(engine, engine.collected(), "test_a.py::test_a")
    assert "handled" in verdict["stderr"]
    assert "Logging error" not in verdict["stderr"]


def test_tmp_path_is_fresh_for_each_runner(project: Project) -> None:
    engine = project(
        {
            "test_a.py": """
            def test_a(tmp_path, tmp_path_factory, tmpdir, request):
                assert list(tmp_path.iterdir()) == []
                (tmp_path / "left").write_text("behind")
                print(tmp_path)
                print(tmp_path_factory.getbasetemp())
                print(tmpdir)
            """
        }
    )
    host = engine.collected()
    outputs = []
    for index in range(2):
        base = engine.state / "tmp" / f"run-{index}" / "worker"
        verdict = one(engine, host, "test_a.py::test_a", basetemp=str(base))
        assert verdict["outcome"] == "passed", verdict
        path, basetemp, legacy = verdict["stdout"].split()
        assert basetemp == str(base)
        assert path == legacy == str(base / "test_a0")
        outputs.append(path)
    assert len(set(outputs)) == 2


RANDOM = """
import random
def test_a(): print(random.random(), random.gauss(0, 1))
def test_b(): print(random.random())
"""


def test_a_project_that_seeds_sees_its_sequence(project: Project) -> None:
    engine = project({"conftest.py": "import random\nrandom.seed(7)", "test_a.py": RANDOM})
    import random

    host = engine.collected()
    generator = random.Random(7)
    wanted = f"{generator.random()} {generator.gauss(0, 1)}\n"
    assert one(engine, host, "test_a.py::test_a")["stdout"] == wanted
    assert one(engine, host, "test_a.py::test_a")["stdout"] == wanted


def test_a_project_that_does_not_seed_sees_new_values(project: Project) -> None:
    engine = project({"test_a.py": RANDOM})
    host = engine.collected()
    seen = {one(engine, host, "test_a.py::test_a")["stdout"] for _ in range(3)}
    assert len(seen) == 3
    gauss = {line.split()[1] for line in seen}
    assert len(gauss) == 3


FAKE_NUMPY = {
    "site-packages/numpy/__init__.py": "",
    "site-packages/numpy/random.py": """
    import os
    _state = ["MT19937", 0, 0, 0, 0.0]
    def seed(value=None):
        _state[1:] = [os.urandom(8).hex() if value is None else value, 0, 0, 0.0]
    def get_state(): return tuple(_state)
    def set_state(state): _state[:] = state
    def rand(): return _state[1]
    seed()
    """,
}


@pytest.mark.parametrize("seeded", [True, False])
def test_numpy_likewise_when_it_was_preloaded(project: Project, seeded: bool) -> None:
    seeding = "numpy.random.seed(5)" if seeded else ""
    engine = project(
        {
            **FAKE_NUMPY,
            "conftest.py": f"import numpy.random\n{seeding}",
            "test_a.py": "import numpy.random\ndef test_a(): print(numpy.random.rand())",
        }
    )
    base = engine.base(
        env={"PYTHONPATH": str(engine.root / "site-packages")}, preload=["numpy.random"]
    )
    assert base.wait("ready")["preloaded"] == ["numpy.random"]
    host = engine.fork(base, "collected")
    host.wait("collected")
    seen = {one(engine, host, "test_a.py::test_a")["stdout"] for _ in range(3)}
    assert seen == {"5\n"} if seeded else len(seen) == 3


def test_exit_handlers_run_where_they_were_registered(project: Project) -> None:
    engine = project(
        {
            "conftest.py": """
            import atexit, os, tempfile
            kept = tempfile.TemporaryDirectory()
            def note(what):
                with open("log", "a") as file:
                    file.write(f"{what}\\n")
            atexit.register(note, "host")
            """,
            "test_a.py": """
            import atexit, os, tempfile
            from conftest import kept, note
            own = []
            def test_a():
                assert os.path.isdir(kept.name)
                own.append(tempfile.TemporaryDirectory())
                print(own[0].name)
                atexit.register(note, "runner")
            """,
        }
    )
    import os

    host = engine.collected()
    for _ in range(2):
        verdict = one(engine, host, "test_a.py::test_a")
        assert verdict["outcome"] == "passed", verdict
        assert not os.path.exists(verdict["stdout"].strip())
    assert (engine.root / "log").read_text() == "runner\nrunner\n"
    host.send(t="exit")
    host.wait_closed()
    assert (engine.root / "log").read_text() == "runner\nrunner\nhost\n"


def test_each_runner_sets_up_and_tears_down_once(project: Project) -> None:
    engine = project(
        {
            "conftest.py": """
            import os, pytest
            def note(what):
                with open("log", "a") as file:
                    file.write(f"{what}\\n")
            @pytest.fixture(scope="session", autouse=True)
            def session_wide():
                note("up")
                yield
                note("down")
            """,
            "test_a.py": "def test_a(): pass\ndef test_b(): pass",
        }
    )
    host = engine.collected()
    assert not (engine.root / "log").exists()
    runner = engine.fork(host, "runner")
    run(runner, ["test_a.py::test_a", "test_a.py::test_b"])
    runner.wait("bye")
    assert (engine.root / "log").read_text() == "up\ndown\n"
    host.send(t="exit")
    host.wait_closed()
    assert (engine.root / "log").read_text() == "up\ndown\n"


def test_what_a_test_does_to_its_process_stays_there(project: Project) -> None:
    engine = project(
        {
            "test_a.py": """
            import os, signal, sys, threading, warnings

            def test_wild():
                os.chdir("/")
                os.environ["LEFT"] = "over"
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                signal.signal(signal.SIGCHLD, signal.SIG_IGN)
                sys.path.insert(0, "/nowhere")
                threading.Thread(target=threading.Event().wait, daemon=True).start()
                warnings.simplefilter("error")

            def test_tame():
                assert os.getcwd() == os.path.dirname(__file__)
                assert "LEFT" not in os.environ
                assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
                assert signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL
                assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
                assert "/nowhere" not in sys.path
                assert threading.active_count() == 1
            """
        }
    )
    host = engine.collected()
    for name in ("test_wild", "test_tame"):
        verdict = one(engine, host, f"test_a.py::{name}")
        assert verdict["outcome"] == "passed", verdict


def test_patched_basics_do_not_harm_the_worker(project: Project) -> None:
    engine = project(
        {
            "test_a.py": """
            import builtins, json, os, socket, time

            def nope(*args, **kwargs):
                raise AssertionError("patched")

            def test_a(monkeypatch):
                for module, name in ((json, "dumps"), (socket, "socket"), (os, "getpid"),
                                     (os, "fstat"), (time, "perf_counter"), (builtins, "open")):
                    monkeypatch.setattr(module, name, nope)
                assert 1 == 2

            def test_b():
                socket.socket = json.dumps = json.loads = os.getpid = nope
            """
        }
    )
    host = engine.collected()
    runner = engine.fork(host, "runner")
    verdicts = run(runner, ["test_a.py::test_a", "test_a.py::test_b"])
    assert verdicts["test_a.py::test_a"]["outcome"] == "failed"
    assert verdicts["test_a.py::test_b"]["outcome"] == "passed"


def test_a_handler_that_raises_cuts_no_message_in_two(project: Project) -> None:
    engine = project(
        {
            "test_a.py": """
            import signal, pytest

            class Late(Exception): pass

            def late(*_):
                raise Late

            @pytest.fixture(autouse=True)
            def alarm():
                signal.signal(signal.SIGALRM, late)
                signal.setitimer(signal.ITIMER_REAL, 0.0007, 0.0007)
                try:
                    yield
                finally:
                    while True:
                        try:
                            signal.setitimer(signal.ITIMER_REAL, 0)
                            signal.signal(signal.SIGALRM, signal.SIG_IGN)
                            break
                        except Late:
                            pass

            @pytest.mark.parametrize("n", range(40))
            def test_a(n):
                print("x" * 100_000)
            """
        }
    )
    host = engine.collected()
    runner = engine.fork(host, "runner")
    runner.wait("runner_ready")
    start(runner, [f"test_a.py::test_a[{n}]" for n in range(40)])
    engine.until(lambda: runner.closed or None, "end")
    # With any outcomes, every frame that arrived was whole (the reader parses them).
    assert runner.all("started")


def test_modules_that_tests_write_are_python_s_own_affair(project: Project) -> None:
    engine = project(
        {
            "test_a.py": """
            import importlib, sys
            def test_a(tmp_path, monkeypatch):
                (tmp_path / "made_here.py").write_text("x = 1")
                monkeypatch.syspath_prepend(tmp_path)
                import made_here
                assert (tmp_path / "__pycache__").is_dir()
            """
        }
    )
    verdict = one(engine, engine.collected(), "test_a.py::test_a")
    assert verdict["outcome"] == "passed", verdict


def test_own_repo_stays_clean(project: Project) -> None:
    engine = project(
        {
            "conftest.py": "import helper",
            "helper.py": "x = 1",
            "sub/__init__.py": "",
            "sub/test_a.py": "def test_a(cache): cache.set('a/b', 1)",
        }
    )
    before = sorted(str(path) for path in engine.root.rglob("*"))
    host = engine.collected()
    assert one(engine, host, "sub/test_a.py::test_a")["outcome"] == "passed"
    host.send(t="exit")
    host.wait_closed()
    assert sorted(str(path) for path in engine.root.rglob("*")) == before
