"""A session that poses as a worker of pytest-xdist has a controller while it and its forks live."""

from __future__ import annotations

import os
import select
from pathlib import Path

import pytest
from conftest import Project
from fake_engine import DEADLINE, Engine, Host, run, start
from test_plugins import XDIST

# Like pytest-rerunfailures: a server in the controller counts for all workers.
SERVER = """
import os
import socketserver
import threading
import socket
import pytest

COUNTS = {}

class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            name = line.strip()
            COUNTS[name] = COUNTS.get(name, 0) + 1
            self.wfile.write(b"%d\\n" % COUNTS[name])

class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

def pytest_configure(config):
    if hasattr(config, "workerinput"):
        config.connection = socket.create_connection(("127.0.0.1", config.workerinput["port"]), 20)
        config.connection.settimeout(20)
        config.answers = config.connection.makefile("rb")
    else:
        config.server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=config.server.serve_forever, daemon=True).start()

def pytest_configure_node(node):
    node.workerinput["port"] = node.config.server.server_address[1]

@pytest.fixture
def count(request):
    request.config.connection.sendall(request.node.name.encode() + b"\\n")
    return int(request.config.answers.readline())
"""

FILES = {
    "pytest.ini": "[pytest]\naddopts = -p fakedist -p counting -n 2",
    "lib/fakedist.py": XDIST,
    # No part of the project: an unasked session would not configure it.
    "../site-packages/counting.py": SERVER,
    "test_it.py": "def test_one(count): print(count)\ndef test_two(count): print(count)\n",
}
IDS = ["test_it.py::test_one", "test_it.py::test_two"]


def base_of(engine: Engine) -> Host:
    base = engine.base(env={"PYTHONPATH": "lib:../site-packages"}, harmless=["counting"])
    base.wait("ready")
    return base


def controllers(host: Host) -> list[int]:
    """The processes below a host."""
    path = Path(f"/proc/{host.pid}/task/{host.pid}/children")
    return [int(pid) for pid in path.read_text().split()]


def wait_for_end(pid: int) -> None:
    """Wait until a process has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    poller = select.poll()  # `select` takes no descriptor beyond 1023
    poller.register(descriptor, select.POLLIN)
    ended = poller.poll(DEADLINE * 1000)
    os.close(descriptor)
    assert ended, f"{pid} goes on"


@pytest.mark.parametrize("how", ["session", "become", "configured"])
def test_p8_what_the_controller_keeps_lives_as_long_as_the_session(
    project: Project, how: str
) -> None:
    engine = project(FILES)
    base = base_of(engine)
    place = {"index": 1, "count": 2, "run": "r"}
    if how == "session":
        session = engine.fork(base, "session", worker=place)
    elif how == "become":
        session = engine.become(base, "session", worker=place)
    else:
        session = engine.fork(base, "configured", purpose="unasked")
        session.wait("configured")
        session.send(t="collect", purpose="run")
        told = session.wait("collected")
        assert any("thread" in reason for reason in told["reasons"]), told
        session = engine.go_on(session)
    session.wait("runner_ready")
    (controller,) = controllers(session)
    session._seen -= 1
    verdicts = run(session, IDS, worker=place)
    assert [verdicts[name]["stdout"] for name in IDS] == ["1\n", "1\n"], verdicts
    session.wait("bye")
    wait_for_end(controller)


def test_p8_a_controller_ends_with_a_session_that_is_killed(project: Project) -> None:
    engine = project(
        {
            **FILES,
            "test_it.py": "import os\ndef test_one(count): os._exit(9)\ndef test_two(count): pass",
        }
    )
    place = {"index": 0, "count": 2, "run": "r"}
    session = engine.fork(base_of(engine), "session", worker=place)
    session.wait("runner_ready")
    (controller,) = controllers(session)
    session.send(t="run", ids=IDS, feed=[0, 1], end=True, worker=place, basetemp=None)
    session.wait_closed()
    wait_for_end(controller)


# A database for all workers, as conftests make it.
DATABASE = """
import pathlib

def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        pathlib.Path("made").write_text("by the controller")

def pytest_sessionstart(session):
    if not hasattr(session.config, "workerinput"):
        with open("made", "a") as file:
            file.write(", which has started")

def pytest_configure_node(node):
    node.workerinput["database"] = pathlib.Path("made").read_text()

def pytest_sessionfinish(session):
    if not hasattr(session.config, "workerinput"):
        pathlib.Path("made").rename("finished")

def pytest_unconfigure(config):
    if not hasattr(config, "workerinput"):
        pathlib.Path("finished").unlink()
"""


def test_p8_a_controller_ends_as_xdists_after_its_workers(project: Project) -> None:
    engine = project(
        {
            "pytest.ini": "[pytest]\naddopts = -p fakedist -n 2",
            "lib/fakedist.py": XDIST,
            "conftest.py": DATABASE,
            "test_it.py": """
            import pathlib
            def test_it(request):
                assert pathlib.Path("made").exists()
                print(request.config.workerinput["database"])
            """,
        }
    )
    base = base_of(engine)
    name = "test_it.py::test_it"
    for _ in range(2):
        host = engine.fork(base, "collected")
        reasons = host.wait("collected")["reasons"]
        assert any("conftest.py:5 opens made for writing" in reason for reason in reasons), reasons
        verdict = run(engine.go_on(host), [name])[name]
        assert verdict["stdout"] == "by the controller, which has started\n", verdict
        host.wait("bye")
        assert not {"made", "finished"} & {path.name for path in engine.root.iterdir()}


def test_p8_hooks_for_the_controller_run_without_input_for_workers(project: Project) -> None:
    engine = project(
        {
            "pytest.ini": "[pytest]\naddopts = -p fakedist -n 2",
            "lib/fakedist.py": XDIST,
            "conftest.py": """
            import pathlib

            def pytest_configure(config):
                if not hasattr(config, "workerinput"):
                    pathlib.Path("made").write_text("")

            def pytest_unconfigure(config):
                if not hasattr(config, "workerinput"):
                    pathlib.Path("made").unlink()
            """,
            "test_it.py": "import pathlib\ndef test_it(): assert pathlib.Path('made').exists()\n",
        }
    )
    host = engine.fork(base_of(engine), "collected")
    told = host.wait("collected")
    assert any("conftest.py:5" in reason for reason in told["reasons"]), told["reasons"]
    assert told["one_controller"]
    name = "test_it.py::test_it"
    assert run(engine.go_on(host), [name])[name]["outcome"] == "passed"
    host.wait("bye")
    assert not (engine.root / "made").exists()


def test_p1_a_controller_of_an_unasked_session_has_no_effect(project: Project) -> None:
    engine = project(
        {
            "pytest.ini": "[pytest]\naddopts = -p fakedist -n 2",
            "lib/fakedist.py": XDIST,
            "conftest.py": DATABASE.partition("def pytest_sessionfinish")[0],
            "test_it.py": "def test_it(): pass",
        }
    )
    host = engine.fork(base_of(engine), "collected", purpose="unasked")
    assert host.wait("effect")["detail"] == "conftest.py:5 opens made for writing"
    host.wait_closed()
    assert not (engine.root / "made").exists()


def test_p8_files_that_the_controller_reads_count_for_its_workers(project: Project) -> None:
    engine = project(
        {
            "pytest.ini": "[pytest]\naddopts = -p fakedist -n 2",
            "lib/fakedist.py": XDIST,
            "conftest.py": "def pytest_configure_node(node):\n"
            "    node.workerinput['name'] = open('name.txt').read()\n",
            "name.txt": "blue",
            "test_it.py": "def test_it(): pass",
        }
    )
    host = engine.fork(base_of(engine), "collected")
    told = host.wait("collected")
    assert told["reasons"] == []
    assert str(engine.root / "name.txt") in [stat[0] for stat in told["files"]]
    assert controllers(host) == []


# The part of pytest-rerunfailures that counts crashes.
RERUNS = """
class Counts:
    def __init__(self):
        self.crashes = []

    def add_test_failure(self, name):
        self.crashes.append(name)

def pytest_configure(config):
    config.failures_db = Counts()

def get_reruns_count(item):
    mark = item.get_closest_marker("flaky")
    return mark.kwargs["reruns"] if mark else None
"""


def test_p8_crashes_are_repeated_as_often_as_a_plugin_asks(project: Project) -> None:
    engine = project(
        {
            "pytest.ini": "[pytest]\naddopts = -p fakedist -p pytest_rerunfailures\n"
            "markers = flaky",
            "lib/fakedist.py": XDIST,
            "lib/pytest_rerunfailures.py": RERUNS,
            "test_it.py": """
            import pytest
            @pytest.mark.flaky(reruns=3)
            def test_one(request): print(request.config.failures_db.crashes)
            def test_two(): pass
            """,
        }
    )
    base = base_of(engine)
    place = {"index": 0, "count": 2, "run": "r"}
    session = engine.fork(base, "session", worker=place)
    verdict = run(session, IDS, worker=place, crashes=[[0, 2]])[IDS[0]]
    assert verdict["stdout"] == f"{[IDS[0]] * 2}\n"
    assert [message.get("after_crash") for message in session.all("started")] == [3, None]
    # Without workers nobody would survive a crash.
    session = engine.fork(base, "session")
    run(session, IDS)
    assert [message.get("after_crash") for message in session.all("started")] == [None, None]


@pytest.mark.parametrize("place", ["conftest.py", "../site-packages/extra.py"])
def test_only_a_project_that_reads_its_worker_is_imported_by_each(
    project: Project, place: str
) -> None:
    engine = project(
        {
            "pytest.ini": "[pytest]\naddopts = -p extra",
            "../site-packages/extra.py": "",
            "test_it.py": "def test_it(): pass",
            place: 'import os\nWORKER = os.environ.get("PYTEST_XDIST_WORKER")\n',
        }
    )
    host = engine.fork(base_of(engine), "collected")
    assert host.wait("collected")["mentions_worker"] == (place == "conftest.py")


# The part of pytest-rerunfailures that serves xdist's workers.
SERVES = """
import socket
import threading

class StatusDB:
    def __init__(self):
        self.delim = b"."

    def add_test_failure(self, name):
        self._set(name, "f", self._get(name, "f") + 1)

class ServerStatusDB(StatusDB):
    def __init__(self):
        super().__init__()
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.rerunfailures_db = {}
        threading.Thread(target=self.sock.accept, daemon=True).start()

    def _set(self, name, key, value):
        self.rerunfailures_db[name, key] = value

    def _get(self, name, key):
        return self.rerunfailures_db.get((name, key), 0)

def pytest_configure(config):
    config.failures_db = ServerStatusDB()
"""


def test_a_server_for_workers_does_not_keep_a_collection_from_being_shared(
    project: Project,
) -> None:
    engine = project(
        {
            "pytest.ini": "[pytest]\naddopts = -p pytest_rerunfailures",
            "lib/pytest_rerunfailures.py": SERVES,
            "test_it.py": """
            def test_it(request):
                counts = request.config.failures_db
                counts.add_test_failure("a")
                print(counts._get("a", "f"), counts.delim)
            """,
        }
    )
    host = engine.fork(base_of(engine), "collected")
    assert host.wait("collected")["reasons"] == []
    verdict = run(engine.fork(host, "runner"), ["test_it.py::test_it"])["test_it.py::test_it"]
    assert verdict["stdout"] == "1 b'.'\n"


def test_p8_the_controller_of_a_resident_lives_from_run_to_run(project: Project) -> None:
    engine = project(FILES)
    place = {"index": 0, "count": 2, "run": "r"}
    session = engine.fork(base_of(engine), "session", worker=place)
    session.wait("runner_ready")
    (controller,) = controllers(session)
    for count in (1, 2):
        hold = {"scopes": ["session"], "changed": []}
        start(session, IDS, worker=place, hold=hold)
        session.wait("done", held=True)
        stdout = [message["stdout"] for message in session.all("finished")]
        assert stdout[-2:] == [f"{count}\n"] * 2
    session.send(t="exit")
    session.wait("bye")
    wait_for_end(controller)
