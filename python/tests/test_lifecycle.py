"""From hello to bye: how each role starts, parks, forks and ends."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from _pytest import unraisableexception
from conftest import Project, write
from fake_engine import Engine, run, start

pytestmark = [pytest.mark.core, pytest.mark.fresh]

ONE = {"test_one.py": "def test_one(): pass"}


def test_base_says_hello_and_ready(project: Project) -> None:
    engine = project(ONE)
    base = engine.base()
    assert base.hello == {
        "t": "hello",
        "token": "secret",
        "host": base.name,
        "pid": base.pid,
        "role": "base",
        "parent": None,
    }
    ready = base.wait("ready")
    assert ready["python"] == ".".join(map(str, sys.version_info[:3]))
    assert ready["implementation"] == "CPython"
    assert ready["pytest"] == pytest.__version__
    assert ready["executable"] == engine.python
    assert ready["prefix"] == sys.prefix
    assert ready["hazards"] == []
    assert ready["preloaded"] == []
    assert any(path.endswith("site-packages") for path, *_ in ready["dirs"])
    base.send(t="exit")
    base.wait_closed()
    assert engine.processes[0].wait(10) == 0


def test_base_preloads_and_ignores_what_cannot_be_imported(project: Project) -> None:
    base = project(ONE).base(preload=["json.tool", "no_such_module", "wave"])
    assert base.wait("ready")["preloaded"] == ["json.tool", "wave"]


def test_without_pytest_it_says_so(project: Project, tmp_path: Path) -> None:
    import venv

    engine = project(ONE)
    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    engine.python = str(tmp_path / "bare" / "bin" / "python")
    fatal = engine.base().wait("fatal")
    assert fatal["code"] == "no_pytest"
    assert "-m pip install pytest" in fatal["message"]
    assert engine.python in fatal["message"]


@pytest.mark.parametrize(
    ("source", "code", "words"),
    [
        ("__version__ = '6.2.5'", "old_pytest", ["6.2.5", "7.0", "--upgrade"]),
        ("raise RuntimeError('bad wheel')", "boot_failed", ["RuntimeError: bad wheel"]),
        ("raise SystemExit('no')", "boot_failed", ["SystemExit", "no"]),
    ],
)
def test_unusable_pytest(
    project: Project, tmp_path: Path, source: str, code: str, words: list[str]
) -> None:
    engine = project(ONE)
    write(tmp_path, {"other/pytest/__init__.py": source})
    base = engine.base(env={"PYTHONPATH": str(tmp_path / "other")})
    fatal = base.wait("fatal")
    assert fatal["code"] == code
    assert all(word in fatal["message"] for word in words)
    base.wait_closed()


def test_collected_host_forks_runners_and_reports_their_end(project: Project) -> None:
    engine = project(ONE)
    base = engine.base()
    base.wait("ready")
    host = engine.fork(base, "collected")
    assert host.hello["role"] == "collected"
    assert host.hello["parent"] == base.name
    assert base.wait("forked", host=host.name)["pid"] == host.pid
    assert host.wait("collected")["reasons"] == []
    for _ in range(2):
        runner = engine.fork(host, "runner")
        assert runner.hello["parent"] == host.name
        verdicts = run(runner, ["test_one.py::test_one"])
        assert verdicts["test_one.py::test_one"]["outcome"] == "passed"
        assert runner.wait("bye")["exitstatus"] == 0
        exited = host.wait("exited", host=runner.name)
        assert (exited["pid"], exited["code"], exited["signal"]) == (runner.pid, 0, None)
    host.send(t="exit")
    assert base.wait("exited", host=host.name)["code"] == 0


def test_exit_waits_for_runners(project: Project) -> None:
    engine = project(ONE)
    host = engine.collected()
    runner = engine.fork(host, "runner")
    runner.wait("runner_ready")
    host.send(t="exit")
    start(runner, ["test_one.py::test_one"])
    assert runner.wait("finished")["outcome"] == "passed"
    runner.wait("bye")
    host.wait("exited", host=runner.name)
    host.wait("bye")


def test_idle_runner_can_be_told_to_exit(project: Project) -> None:
    engine = project(ONE)
    host = engine.collected()
    runner = engine.fork(host, "runner")
    runner.wait("runner_ready")
    runner.send(t="exit")
    assert host.wait("exited", host=runner.name)["code"] == 0


def test_base_becomes_a_session(project: Project) -> None:
    engine = project({"test_one.py": "def test_one(): pass\ndef test_two(): assert 0"})
    base = engine.base()
    base.wait("ready")
    session = engine.become(base, "session", args=["test_one.py"])
    ids = ["test_one.py::test_two", "test_one.py::test_one"]
    verdicts = run(session, ids)
    assert [verdicts[name]["outcome"] for name in ids] == ["failed", "passed"]
    assert session.wait("bye")["exitstatus"] == 1
    assert engine.processes[0].wait(10) == 1


def test_base_becomes_a_collection_and_ends(project: Project) -> None:
    engine = project(ONE)
    base = engine.base()
    base.wait("ready")
    host = engine.become(base, "collect")
    assert host.wait("collected")["count"] == 1
    assert [node["id"] for node in host.nodes()] == ["test_one.py::test_one"]
    host.wait("bye")
    assert engine.processes[0].wait(10) == 0


def test_looks_like_python_m_pytest(project: Project) -> None:
    engine = project(
        {
            "test_look.py": """
            import os, sys
            import __main__

            def test_main():
                assert __main__.__spec__.name == "pytest.__main__"
                assert sys.argv == [__main__.__file__]
                assert __main__.__file__.endswith("pytest/__main__.py")
                assert not hasattr(__main__, "main")

            def test_path():
                assert sys.path[0] == os.getcwd() == os.path.dirname(__file__)
                assert not any("_pytest_lens_worker" in os.listdir(p)
                               for p in sys.path if os.path.isdir(p))

            def test_environment():
                assert "PYTEST_LENS_BOOT" not in os.environ
                assert sys.stdin.isatty() is False
                assert sys.dont_write_bytecode is False
                assert sys.pycache_prefix is None
            """
        }
    )
    host = engine.collected()
    ids = [node["id"] for node in host.nodes()]
    verdicts = run(engine.fork(host, "runner"), ids)
    assert {name: v["outcome"] for name, v in verdicts.items()} == dict.fromkeys(ids, "passed")


@pytest.mark.skipif(sys.version_info < (3, 11), reason="PYTHONSAFEPATH is new in 3.11")
def test_safe_path_leaves_the_folder_out(project: Project) -> None:
    engine = project({"test_path.py": "import os, sys\ndef test_it(): assert os.getcwd() not in P"})
    write(engine.root, {"conftest.py": "import sys, builtins\nbuiltins.P = list(sys.path)"})
    base = engine.base(env={"PYTHONSAFEPATH": "1"})
    base.wait("ready")
    session = engine.fork(base, "session", arguments=["--import-mode=importlib"])
    assert run(session, ["test_path.py::test_it"])["test_path.py::test_it"]["outcome"] == "passed"


def test_unknown_fork_target_is_reported_when_forking_fails(project: Project) -> None:
    engine = project(
        {
            "conftest.py": """
            from _pytest_lens_worker.unpatched import os
            def no_fork():
                raise OSError(11, "no more processes")
            os.fork = no_fork
            """,
            **ONE,
        }
    )
    host = engine.collected()
    host.send(t="fork", host="never", role="runner")
    assert "no more processes" in host.wait("fork_failed", host="never")["message"]


def test_hosts_do_not_share_sockets_with_forks_of_tests(project: Project) -> None:
    engine: Engine = project(
        {
            "test_sockets.py": """
            import os, stat

            def sockets():
                found = []
                for name in os.listdir("/proc/self/fd"):
                    try:
                        if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                            found.append(int(name))
                    except OSError:
                        pass
                return found

            def test_one_here_and_none_in_a_fork():
                assert len(sockets()) == 1
                assert min(sockets()) > 20
                pid = os.fork()
                if pid == 0:
                    os._exit(len(sockets()))
                assert os.waitpid(pid, 0)[1] == 0
            """
        }
    )
    host = engine.collected()
    name = "test_sockets.py::test_one_here_and_none_in_a_fork"
    verdict = run(engine.fork(host, "runner"), [name])[name]
    assert verdict["outcome"] == "passed", verdict.get("longrepr")
    assert os.getpid() != host.pid


def test_garbage_of_tests_goes_at_the_end_of_a_session(project: Project) -> None:
    engine = project(
        {
            "test_it.py": """
            import gc, os, pathlib
            import pytest

            class Node:
                def __init__(self, name):
                    self.name, self.itself = name, self

                def __del__(self):
                    pathlib.Path(self.name).write_text("gone")

            HELD = [Node("held")]

            @pytest.mark.parametrize("way", ["young", "old"])
            def test_leaves_garbage(way):
                gc.collect() if way == "old" else None
                gc.disable()
                made = Node(way)
                if way == "old":
                    gc.collect()
                    HELD.clear()
            """
        }
    )
    host = engine.collected()
    ids = [node["id"] for node in host.nodes()]
    for name, files in (("young", {"young"}), ("old", {"old", "held"})):
        runner = engine.fork(host, "runner")
        run(runner, [node_id for node_id in ids if name in node_id])
        runner.wait_closed()
        host.wait("exited", host=runner.name)
        found = {path.name for path in engine.root.iterdir()} & {"young", "old", "held"}
        is_collected = hasattr(unraisableexception, "gc_collect_iterations_key")
        assert found == (found | files if is_collected else set()), found


def test_code_of_a_string_has_no_source(project: Project) -> None:
    """Python 3.13 keeps the program of `-c`, which is the worker's, under the same name."""
    engine = project({"test_s.py": "def test_s():\n    exec('\\n1/0')\n"})
    name = "test_s.py::test_s"
    text = run(engine.fork(engine.collected(), "runner"), [name])[name]["longrepr"]
    assert "<string>:2: ZeroDivisionError" in text and "???" in text, text
