"""The effects of plugins, and of tests that behave badly, on a session."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import Project
from fake_engine import WORKER, run, start

from pytest_lens import worker


def test_p12_a_test_sees_all_objects_and_garbage_goes(project: Project) -> None:
    engine = project(
        {
            "test_it.py": """
            import gc, weakref

            class Node:
                pass

            KEPT = Node()
            one, other = Node(), Node()
            one.other, other.one = other, one
            GONE = weakref.ref(one)
            del one, other

            HELD = Node()
            HELD.itself = HELD
            REFERENCE = weakref.ref(HELD)

            def test_objects():
                assert any(found is KEPT for found in gc.get_objects())
                assert gc.get_freeze_count() == 0

            def test_cycle():
                global HELD
                del HELD
                gc.collect()
                assert REFERENCE() is None
                assert GONE() is None
            """
        }
    )
    host = engine.collected()
    ids = [node["id"] for node in host.nodes()]
    verdicts = run(engine.fork(host, "runner"), ids)
    assert [verdicts[name]["outcome"] for name in ids] == ["passed", "passed"], verdicts


REPLACING = """
import gc, os, select, signal, tempfile, time

def broken(*args, **named):
    raise RuntimeError("replaced")

for module, names in (
    (os, "fork _exit kill killpg listdir waitpid pipe getppid link chdir setpgid pidfd_open"),
    (gc, "freeze unfreeze"),
    (signal, "signal getsignal"),
    (tempfile, "mkdtemp TemporaryFile"),
    (select, "poll"),
    (time, "monotonic perf_counter sleep"),
):
    for name in names.split():
        setattr(module, name, broken)
gc.collect = lambda *args: 0
"""


def test_p16_what_a_conftest_replaces_the_worker_does_not_use(project: Project) -> None:
    engine = project({"conftest.py": REPLACING, "test_it.py": "def test_it(): print('here')"})
    host = engine.collected()
    runner = engine.fork(host, "runner")
    verdict = run(runner, ["test_it.py::test_it"], basetemp=None)["test_it.py::test_it"]
    assert (verdict["outcome"], verdict["stdout"]) == ("passed", "here\n")
    host.wait("exited", host=runner.name)


def test_p16_the_workers_files_take_what_projects_replace_from_one_module() -> None:
    kept = "|".join(worker_names())
    direct = re.compile(rf"^\s*(?:import ({kept})\b|from ({kept})\b(?!\.)[^\n]* import)", re.M)
    # One is a program of its own; three put stand-ins into the real module; one is used up before
    # the project is imported.
    apart = {"unpatched.py", "coverage_report.py", "stat_watch.py", "random_draws.py"}
    apart |= {"unseeded_generators.py", "garbage.py"}
    for path in sorted(WORKER.rglob("*.py")):
        # No test runs in the processes of a cluster's driver and actors.
        if path.name not in apart and path.parent.name != "cluster":
            assert not direct.findall(path.read_text()), path


def worker_names() -> list[str]:
    source = (Path(worker.__file__).parent / "unpatched.py").read_text()
    found = re.search(r"__all__ = \[(.*?)\]", source, re.S)
    assert found is not None
    names = re.findall(r'"(\w+)"', found[1])
    assert {"gc", "os", "signal", "time"} <= set(names)
    return names


def test_p18_a_test_may_stop_the_clock(project: Project) -> None:
    engine = project(
        {
            "conftest.py": """
            import pytest, time
            from _pytest import timing

            @pytest.fixture(scope="session")
            def stopped():
                names = ("time", "perf_counter", "monotonic")
                saved = [(module, name, getattr(module, name))
                         for module in (time, timing) for name in names if hasattr(module, name)]
                for module, name, _ in saved:
                    setattr(module, name, lambda: 1e9)
                yield
                for module, name, original in saved:
                    setattr(module, name, original)
            """,
            "test_it.py": "def test_it(stopped): pass\ndef test_next(stopped): pass",
        }
    )
    ids = ["test_it.py::test_it", "test_it.py::test_next"]
    verdicts = run(engine.fork(engine.collected(), "runner"), ids)
    assert all(0 < verdicts[name]["ms"] < 20_000 for name in ids), verdicts


def test_p18_hypothesis_is_redirected_without_a_variable(project: Project) -> None:
    engine = project(
        {
            "site-packages/hypothesis/__init__.py": "",
            "site-packages/hypothesis/configuration.py": """
            HOME = None
            def set_hypothesis_home_dir(directory):
                global HOME
                HOME = directory
            """,
            "test_it.py": """
            import os
            import hypothesis.configuration
            HOME = hypothesis.configuration.HOME

            def test_it():
                assert "HYPOTHESIS_STORAGE_DIRECTORY" not in os.environ
                print(HOME)

            def test_own():
                assert os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] == "/mine"
                assert HOME is None
            """,
        }
    )
    env = {"PYTHONPATH": str(engine.root / "site-packages")}
    for preload in ([], ["hypothesis.configuration"]):
        base = engine.base(env=env, preload=preload)
        base.wait("ready")
        session = engine.fork(base, "session")
        verdict = run(session, ["test_it.py::test_it"])["test_it.py::test_it"]
        assert verdict["stdout"] == f"{engine.state / 'cache' / 'hypothesis'}\n", preload
        base = engine.base(env={**env, "HYPOTHESIS_STORAGE_DIRECTORY": "/mine"}, preload=preload)
        base.wait("ready")
        session = engine.fork(base, "session")
        verdict = run(session, ["test_it.py::test_own"])["test_it.py::test_own"]
        assert verdict["outcome"] == "passed", verdict


HOSTILE = """
import os

class Exits:
    def __repr__(self):
        raise SystemExit(3)

class Meta(type):
    def __getattribute__(cls, name):
        if name == "__name__":
            raise RuntimeError("no name")
        return super().__getattribute__(name)
    def __instancecheck__(cls, other):
        raise RuntimeError("no instance")
    def __subclasscheck__(cls, other):
        raise RuntimeError("no subclass")

class Bad(Exception, metaclass=Meta):
    pass

class Silent(Exception):
    def __str__(self):
        raise SystemExit(4)
    __repr__ = __str__

def test_first(): pass
def test_repr(): assert Exits() == 1
def test_local():
    value = Exits()
    assert [value] == [1]
def test_bad(): raise Bad("x")
def test_silent(): raise Silent("x")
def test_last(): pass
def test_closes(): os.closerange(3, 256)
def test_after(): pass
"""


def test_p20_hostile_objects_cost_nobody_else_a_verdict(project: Project) -> None:
    engine = project({"test_it.py": HOSTILE})
    host = engine.collected()
    ids = [node["id"] for node in host.nodes()][:6]
    verdicts = run(engine.fork(host, "runner"), ids)
    assert [verdicts[name]["outcome"] for name in ids] == [
        "passed",
        *["failed"] * 4,
        "passed",
    ]
    assert verdicts["test_it.py::test_repr"]["message"] == "SystemExit: 3"
    assert "SystemExit was raised" in verdicts["test_it.py::test_repr"]["longrepr"]


def test_p20_a_test_that_breaks_pytest_is_the_last_of_its_process(project: Project) -> None:
    engine = project({"test_it.py": HOSTILE})
    runner = engine.fork(engine.collected(), "runner")
    runner.wait("runner_ready")
    start(runner, ["test_it.py::test_closes", "test_it.py::test_after"])
    runner.wait_closed()
    # No "done", which would say that there is nothing more to do, and no fault of the run's.
    assert [told["i"] for told in runner.all("finished")] == [0]
    assert runner.all("done") == runner.all("internal_error") == []


@pytest.mark.parametrize(
    "hook",
    [
        "def pytest_runtest_logreport(report):",
        "def pytest_runtest_logstart(nodeid):",
        "def pytest_runtest_makereport(item, call):",
        "@pytest.hookimpl(hookwrapper=True)\ndef pytest_runtest_makereport(item):\n    yield",
        "@pytest.hookimpl(hookwrapper=True)\ndef pytest_runtest_protocol(item):\n    yield",
        "def pytest_report_teststatus(report):",
        "def pytest_exception_interact(node):",
    ],
)
def test_p20_a_hook_that_raises_ends_the_run_as_for_plain_pytest(
    project: Project, hook: str
) -> None:
    conftest = f"import pytest\n{hook}\n    raise OSError('disk')\n"
    engine = project({"conftest.py": conftest, "test_it.py": "def test_it(): assert 0"})
    runner = engine.fork(engine.collected(), "runner")
    runner.wait("runner_ready")
    start(runner, ["test_it.py::test_it"])
    assert "OSError: disk" in runner.wait("internal_error")["message"]
    runner.wait_closed()


@pytest.mark.parametrize("seed", [1, 2])
def test_c6_a_shuffled_session_tells_the_places_in_the_source(project: Project, seed: int) -> None:
    engine = project(
        {
            "conftest.py": f"""
            import random
            def pytest_collection_modifyitems(items):
                random.Random({seed}).shuffle(items)
            """,
            "test_it.py": "\n".join(f"def test_{index}(): pass" for index in range(8)),
        }
    )
    nodes = engine.collected().nodes()
    assert [node["name"] for node in nodes] != [f"test_{index}" for index in range(8)]
    assert all(node["name"] == f"test_{node['place']}" for node in nodes)


def test_p11_what_failed_last_does_not_decide_what_is_collected(project: Project) -> None:
    engine = project(
        {
            "pytest.ini": "[pytest]\naddopts = --lf --sw",
            "test_it.py": "def test_good(): pass\ndef test_bad(): assert 0\ndef test_new(): pass",
        }
    )
    base = engine.base()
    base.wait("ready")
    ids = [f"test_it.py::test_{name}" for name in ("good", "bad", "new")]
    for _ in range(2):
        host = engine.fork(base, "collected")
        host.wait("collected")
        assert [node["id"] for node in host.nodes()] == ids
        run(engine.fork(host, "runner"), ids)
    host = engine.fork(base, "collected", arguments=["--lf"])
    host.wait("collected")
    assert [node["id"] for node in host.nodes()] == ids[1:2]


def test_p13_a_library_that_keeps_the_output_is_not_imported_in_advance(project: Project) -> None:
    engine = project(
        {
            "site-packages/logs.py": "import sys\nSINK = sys.stderr\n"
            "def log(text): SINK.write(text)\n",
            "site-packages/other.py": "",
            "pytest.ini": "[pytest]\naddopts = --capture=sys",
            "conftest.py": "import logs, other",
            "test_it.py": "import logs\ndef test_it(): logs.log('heard')",
        }
    )
    env = {"PYTHONPATH": str(engine.root / "site-packages")}
    base = engine.base(env=env, preload=["logs", "other"])
    ready = base.wait("ready")
    assert (ready["preloaded"], ready["unfit"]) == (["other"], ["logs"])
    host = engine.fork(base, "collected")
    host.wait("collected")
    verdict = run(engine.fork(host, "runner"), ["test_it.py::test_it"])["test_it.py::test_it"]
    assert verdict["stderr"] == "heard"


FORKING = """
import json, os
import pytest
from _pytest.runner import runtestprotocol

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    receive, send = os.pipe()
    child = os.fork()
    if not child:
        reports = runtestprotocol(item, log=False)
        serialize = item.config.hook.pytest_report_to_serializable
        told = [serialize(config=item.config, report=report) for report in reports]
        os.write(send, json.dumps(told).encode())
        os._exit(0)
    os.close(send)
    with os.fdopen(receive, "rb") as file:
        data = file.read()
    os.waitpid(child, 0)
    if data:
        load = item.config.hook.pytest_report_from_serializable
        reports = [load(config=item.config, data=told) for told in json.loads(data)]
    else:
        reports = [pytest.TestReport(item.nodeid, item.location, {}, "failed", "it crashed", "???")]
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.session._setupstate.teardown_exact(nextitem)
    return True
"""


@pytest.mark.parametrize("to_files", [False, True])
def test_p10_tests_may_run_in_processes_of_a_plugins_own(project: Project, to_files: bool) -> None:
    engine = project(
        {
            "conftest.py": FORKING,
            "test_it.py": """
            import os
            def test_one(): print("one says")
            def test_two(): print("two says"); assert 0
            def test_gone(): os._exit(9)
            def test_last(): print("last says")
            """,
        }
    )
    ids = [f"test_it.py::test_{name}" for name in ("one", "two", "gone", "last")]
    runner = engine.fork(engine.collected(), "runner")
    output = {"output": str(engine.state / "tmp" / "run" / "w0")} if to_files else {}
    verdicts = run(runner, ids, **output)
    assert [(verdicts[name]["outcome"], verdicts[name].get("stdout")) for name in ids] == [
        ("passed", "one says\n"),
        ("failed", "two says\n"),
        ("failed", None),
        ("passed", "last says\n"),
    ]
    assert verdicts[ids[2]]["message"] == "it crashed"


XDIST = """
class Specifications:
    def pytest_configure_node(self, node): pass

def pytest_addhooks(pluginmanager):
    pluginmanager.add_hookspecs(Specifications)

def pytest_addoption(parser):
    parser.getgroup("dist")._addoption("-n", dest="numprocesses", type=int)
    parser.addoption("--dist", dest="dist", default="no")
    parser.addoption("--tx", dest="tx", action="append", default=[])
"""

WORKERS = """
import os
import pytest

NAME = os.environ.get("PYTEST_XDIST_WORKER")

def pytest_configure(config):
    if hasattr(config, "workerinput"):
        config.database = config.workerinput["database"] + NAME
    else:
        assert "PYTEST_XDIST_WORKER" not in os.environ
        config.prefix = b"shared"

def pytest_configure_node(node):
    assert not hasattr(node.config, "workerinput")
    node.workerinput["database"] = node.config.prefix.decode() + "-"
    node.workerinput["of"] = (node.gateway.id, node.workerinput["workerid"])
"""


def test_p8_a_session_poses_as_xdists_worker_from_its_configuration_on(project: Project) -> None:
    engine = project(
        {
            "pytest.ini": "[pytest]\naddopts = -p fakedist -n 2",
            "lib/fakedist.py": XDIST,
            "conftest.py": WORKERS,
            "test_it.py": """
            import os
            import conftest

            def test_it(request):
                config = request.config
                print(conftest.NAME, os.environ["PYTEST_XDIST_WORKER"], config.database)
                print(config.workerinput["workercount"], config.workerinput["of"])
            """,
        }
    )
    base = engine.base(env={"PYTHONPATH": "lib"})
    base.wait("ready")
    host = engine.fork(base, "collected")
    told = host.wait("collected")
    assert (told["errors"], told["processes"], told["mentions_worker"]) == ([], 2, True)
    name = "test_it.py::test_it"
    for _ in range(2):
        place = {"index": 0, "count": 2, "run": "r"}
        verdict = run(engine.fork(host, "runner"), [name], worker=place)[name]
        assert verdict["stdout"] == "gw0 gw0 shared-gw0\n2 ('gw0', 'gw0')\n", verdict
    place = {"index": 1, "count": 2, "run": "r"}
    verdict = run(engine.fork(base, "session", worker=place), [name], worker=place)[name]
    assert verdict["stdout"] == "gw1 gw1 shared-gw1\n2 ('gw1', 'gw1')\n", verdict


# Plugins like pytest-randomly and pytest-random-order: one draws in a hook, one while options are
# added.
RANDOMLY = """
import random

class XdistHooks:
    def pytest_configure_node(self, node):
        node.workerinput["seed"] = node.config.option.seed

def pytest_addoption(parser):
    parser.addoption("--seed", default={option})

def pytest_configure(config):
    if config.pluginmanager.hasplugin("xdist"):
        config.pluginmanager.register(XdistHooks())
    if hasattr(config, "workerinput"):
        config.option.seed = config.workerinput["seed"]
    elif config.option.seed is None:
        config.option.seed = random.Random().getrandbits(32)

def pytest_collection_modifyitems(config, items):
    random.Random(config.option.seed).shuffle(items)
"""


@pytest.mark.parametrize("option", ["None", "str(random.randint(1, 1000000))"])
def test_p17_a_plugin_that_shuffles_does_it_anew_in_each_run(project: Project, option: str) -> None:
    engine = project(
        {
            "pytest.ini": "[pytest]\naddopts = -p pytest_randomly",
            "lib/pytest_randomly.py": RANDOMLY.format(option=option),
            "test_it.py": "\n".join(f"def test_{index}(): pass" for index in range(20)),
        }
    )
    base = engine.base(env={"PYTHONPATH": "lib"})
    base.wait("ready")
    orders = set()
    for _ in range(3):
        host = engine.fork(base, "collected")
        assert any("new seed" in reason for reason in host.wait("collected")["reasons"])
        orders.add(tuple(node["id"] for node in host.nodes()))
    assert len(orders) == 3
    # One of several runners of a run, without pytest-xdist: it is handed the seed all the same.
    place = {"index": 1, "count": 2, "run": "r"}
    name = "test_it.py::test_7"
    runner = engine.fork(base, "session", worker=place)
    assert run(runner, [name], worker=place)[name]["outcome"] == "passed"


def test_p8_a_fork_of_a_worker_has_what_the_controller_has_for_it(project: Project) -> None:
    engine = project(
        {
            "pytest.ini": "[pytest]\naddopts = -p fakedist -n 2",
            "lib/fakedist.py": XDIST,
            "conftest.py": "def pytest_configure_node(node):\n"
            "    getattr(node, 'worker' + 'input')['port'] = 5000 + int(node.gateway.id[2:])\n",
            "test_it.py": "def test_it(request):\n"
            "    print(getattr(request.config, 'worker' + 'input')['port'])\n",
        }
    )
    base = engine.base(env={"PYTHONPATH": "lib"})
    base.wait("ready")
    host = engine.fork(base, "collected")
    assert host.wait("collected")["mentions_worker"] is False
    for index in (0, 1):
        place = {"index": index, "count": 2, "run": "r"}
        name = "test_it.py::test_it"
        verdict = run(engine.fork(host, "runner"), [name], worker=place)[name]
        assert verdict["stdout"] == f"{5000 + index}\n", verdict


def test_p9_a_session_makes_the_reports_that_are_wanted_of_it(project: Project) -> None:
    engine = project(
        {
            "pytest.ini": "[pytest]\naddopts = --junitxml=report.xml",
            "conftest.py": "def pytest_terminal_summary(terminalreporter):\n"
            "    terminalreporter.write('FAIL too little')\n",
            "test_it.py": "def test_one(): pass\ndef test_two(): pass",
        }
    )
    report = engine.root / "report.xml"
    ids = ["test_it.py::test_one", "test_it.py::test_two"]
    base = engine.base()
    base.wait("ready")
    host = engine.fork(base, "collected")
    assert host.wait("collected")["reports"] == ["--junit-xml"]
    run(engine.fork(host, "runner"), ids)
    assert not report.exists()
    session = engine.fork(base, "session", reports=True)
    run(session, ids)
    bye = session.wait("bye")
    assert (bye["exitstatus"], bye["message"]) == (0, "FAIL too little")
    assert report.read_text().count("<testcase") == 2
