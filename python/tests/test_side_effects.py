"""Effects of a collection that a fork would not repeat: then each run collects for itself."""

from __future__ import annotations

import pytest
from conftest import Project
from fake_engine import Engine, run

NAME = "test_a.py::test_a"
TEST = {"test_a.py": "def test_a(): pass"}


def reasons(engine: Engine) -> list[str]:
    """Return the reason why a collection for a run may not be shared; it must be able to run by
    itself.
    """
    base = engine.base(env={"PYTHONPATH": "lib"})
    base.wait("ready")
    host = engine.fork(base, "collected")
    found: list[str] = host.wait("collected")["reasons"]
    runner = engine.go_on(host) if found else engine.fork(host, "runner")
    assert run(runner, [NAME])[NAME]["outcome"] == "passed"
    runner.wait("bye")
    return found


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("log = open('app.log', 'a')", "conftest.py:1 opens app.log for writing"),
        ("data = open('kept')", "/kept was opened while tests were collected, and is open"),
        ("import tempfile\nfolder = tempfile.TemporaryDirectory()", "makes the folder"),
        # Opened for writing, or before Python 3.11 by a descriptor that is open.
        ("import tempfile\nfile = tempfile.TemporaryFile()", "open"),
        ("import mmap\nmap = mmap.mmap(-1, 4096)", "conftest.py:2 maps shared memory"),
        ("import select\nepoll = select.epoll()", "eventpoll was opened"),
        ("import os\npipe = os.pipe()", "a pipe was opened"),
        ("import socket\npair = socket.socketpair()", "a socket was opened"),
        ("import fcntl\nfile = open('kept')\nfcntl.flock(file, fcntl.LOCK_EX)", "locks a file"),
        ("import signal\nsignal.setitimer(signal.ITIMER_REAL, 3600)", "a timer was set"),
        ("import atexit\natexit.register(print)", "conftest.py:2 registers an exit handler"),
        ("import atexit\n@atexit.register\ndef end(): pass", "registers an exit handler"),
        ("import subprocess\nchild = subprocess.Popen(['sleep', '0'])", "starts a process (sleep)"),
        ("import multiprocessing\nm = multiprocessing.Manager()", "starts a process"),
        ("import uuid\nrun_id = uuid.uuid4()", "conftest.py:2 draws random numbers"),
        ("import secrets\ntoken = secrets.token_hex()", "conftest.py:2 draws random numbers"),
        ("from os import urandom\nkey = urandom(8)", "conftest.py:2 draws random numbers"),
        ("import random\nlucky = random.random()", "random numbers without a seed were drawn"),
        ("import random\nlucky = random.Random().random()", "without a seed were drawn"),
        (
            "import random\nrng = random.Random()\nlucky = rng.random()",
            "random numbers without a seed were drawn",
        ),
        ("import random\nrandom.seed(1)\nlucky = random.random()", None),
        ("import random\nrng = random.Random(1)\nlucky = rng.random()", None),
        ("import random\nrng = random.Random()", None),
        ("import os\nme = os.getpid()", "conftest.py:2 takes the id of its process"),
        ("import logging\nlogging.warning('told')", None),
        ("import tempfile\nfolder = tempfile.gettempdir()", None),
        ("import lib_draws", None),
    ],
)
def test_p2_what_a_fork_would_not_do_again(
    project: Project, source: str, reason: str | None
) -> None:
    files = {
        "kept": "x",
        "lib/site-packages/lib_draws.py": "import uuid, atexit\nuuid.uuid4()\natexit.register(id)",
        "lib/sitecustomize.py": "import sys\nsys.path.append('lib/site-packages')",
    }
    engine = project({**TEST, **files, "conftest.py": source})
    found = reasons(engine)
    if reason is None:
        assert found == []
    else:
        assert any(reason in one for one in found), found


def test_r11_what_was_replaced_is_put_back_before_tests_run(project: Project) -> None:
    source = """
    import atexit, os, random
    def test_a():
        assert os.urandom.__module__ in ("posix", "os")
        assert type(os.getpid) is type(len) is type(atexit.register)
        assert random.Random.seed.__code__.co_filename == random.__file__
    """
    assert reasons(project({"test_a.py": source})) == []


def test_p2_generators_without_a_seed_differ_in_each_fork(project: Project) -> None:
    source = """
    import random, lib_random
    rng = random.Random()
    def test_a(): print(rng.random(), lib_random.rng.random())
    """
    files = {"lib/site-packages/lib_random.py": "import random\nrng = random.Random()"}
    path = {"lib/sitecustomize.py": "import sys\nsys.path.append('lib/site-packages')"}
    engine = project({"test_a.py": source, **files, **path})
    base = engine.base(env={"PYTHONPATH": "lib"}, preload=["lib_random"])
    base.wait("ready")
    drawn = []
    for _ in range(2):
        host = engine.fork(base, "collected")
        assert host.wait("collected")["reasons"] == []
        drawn += [run(engine.fork(host, "runner"), [NAME])[NAME]["stdout"].split() for _ in "ab"]
    assert len({number for pair in drawn for number in pair}) == 8


def test_p2_each_collection_draws_its_own_numbers(project: Project) -> None:
    source = "import random\nlucky = random.random()\ndef test_a(): print(lucky)"
    engine = project({"test_a.py": source})
    base = engine.base()
    base.wait("ready")
    drawn = set()
    for _ in range(2):
        host = engine.fork(base, "collected")
        host.wait("collected")
        drawn.add(run(engine.go_on(host), [NAME])[NAME]["stdout"])
    assert len(drawn) == 2


def test_p2_exit_handlers_and_folders_of_import_end_with_the_run(project: Project) -> None:
    source = """
    import atexit, os, tempfile
    folder = tempfile.TemporaryDirectory(dir=".")
    atexit.register(os.mkdir, "left")
    def test_a(): assert os.path.isdir(folder.name)
    """
    engine = project({"test_a.py": source})
    assert len(reasons(engine)) == 3
    assert sorted(path.name for path in engine.root.iterdir()) == ["left", "test_a.py"]


def test_p4_what_the_session_wrote_itself_is_no_change(project: Project) -> None:
    conftest = """
    import pathlib
    counter = pathlib.Path("counter")
    counter.write_text(str(int(counter.read_text()) + 1))
    """
    engine = project({**TEST, "conftest.py": conftest, "counter": "1"})
    base = engine.base()
    base.wait("ready")
    host = engine.fork(base, "collected")
    told = {file[0]: file for file in host.wait("collected")["files"]}
    counter = engine.root / "counter"
    assert told[str(counter)][1] == counter.stat().st_mtime_ns
    assert counter.read_text() == "2"


def test_p6_a_session_that_is_not_used_ends_as_one_of_pytest(project: Project) -> None:
    conftest = """
    import atexit, os
    os.mkdir("held")
    atexit.register(os.rmdir, "held")
    def pytest_sessionfinish(): os.mkdir("finished")
    """
    engine = project({**TEST, "conftest.py": conftest})
    base = engine.base()
    base.wait("ready")
    host = engine.fork(base, "collected")
    host.wait("collected")
    host.send(t="exit")
    host.wait("bye")
    assert sorted(path.name for path in engine.root.iterdir()) == [
        "conftest.py",
        "finished",
        "test_a.py",
    ]
