"""A session that was started ahead: it waits before its collection, and reports the files that it
has read.
"""

from __future__ import annotations

import os
import textwrap
from typing import Any, Callable

import pytest
from conftest import Project, write
from fake_engine import Engine, Host, Message, run

FILES = {
    "conftest.py": "import helper\n",
    "helper.py": "X = 1\n",
    "mod.py": "VALUE = 1\n",
    "sub/deep/test_a.py": "import mod\ndef test_a(): assert mod.VALUE == 2\n",
}
ARG = "sub/deep/test_a.py"


def configured(engine: Engine) -> tuple[Host, Message]:
    base = engine.base()
    base.wait("ready")
    host = engine.fork(base, "configured", args=[ARG])
    return host, host.wait("configured")


def prestarted(engine: Engine) -> Host:
    host, message = configured(engine)
    assert message["is_shared"]
    return engine.fork(host, "prestarted")


def relative(engine: Engine, told: list[list[Any]]) -> dict[str, list[Any]]:
    return {os.path.relpath(item[0], engine.root): item for item in told}


def test_it_collects_what_is_there_when_it_is_told_to(project: Project) -> None:
    engine = project(FILES)
    host = prestarted(engine)
    assert not host.all("nodes")
    write(engine.root, {"mod.py": "VALUE = 2\n"})
    host.send(t="collect")
    collected = host.wait("collected")
    assert [node["id"] for node in host.nodes()] == [f"{ARG}::test_a"]
    told = relative(engine, collected["files"])
    assert {"conftest.py", "helper.py", "mod.py", ARG} <= set(told)
    verdicts = run(engine.fork(host, "runner"), [f"{ARG}::test_a"])
    assert verdicts[f"{ARG}::test_a"]["outcome"] == "passed"


OTHER = "sub/deep/test_b.py"
SEES = """
import sys

ARGV = list(sys.argv)

def test_b(request):
    config = request.config
    assert config.args == config.option.file_or_dir == ["sub/deep/test_b.py"]
    assert config.invocation_params.args[-1] == "sub/deep/test_b.py"
    assert ARGV[1:] == sys.argv[1:] == ["sub/deep/test_b.py"]
    assert len(request.session.items) == 1
"""


def test_it_collects_another_file_of_the_folder(project: Project) -> None:
    marks = "def pytest_configure(config): config.addinivalue_line('markers', 'slow: x')\n"
    engine = project({**FILES, OTHER: SEES, "conftest.py": marks})
    host, message = configured(engine)
    assert message["is_open"]
    fork = engine.fork(host, "prestarted")
    fork.send(t="collect", args=[OTHER, "sub/deep/test_gone.py"])
    told = fork.wait("collected")
    assert [error["path"] for error in told["errors"]] == ["sub/deep/test_gone.py"]
    assert [node["id"] for node in fork.nodes()] == [f"{OTHER}::test_b"]
    verdict = run(engine.fork(fork, "runner"), [f"{OTHER}::test_b"])[f"{OTHER}::test_b"]
    assert verdict["outcome"] == "passed", verdict


@pytest.mark.parametrize(
    "hook",
    [
        "def pytest_configure(config): config.addinivalue_line('markers', str(config.args))",
        "def pytest_configure(config): note(config)\ndef note(config): config.args",
        "def pytest_load_initial_conftests(args): print(args)",
        "def pytest_report_header(config): return [f'{len(config.args)} files']",
    ],
)
def test_it_does_not_where_hooks_may_have_read_its_arguments(project: Project, hook: str) -> None:
    plugin = {"early.py": hook, "pytest.ini": "[pytest]\naddopts = -p early\n"}
    _, message = configured(project({**FILES, **plugin}))
    assert message["is_shared"] and not message["is_open"]


def test_it_tells_what_it_has_read_and_where_conftests_were_looked_for(project: Project) -> None:
    engine = project(FILES)
    _, message = configured(engine)
    files, dirs = relative(engine, message["files"]), relative(engine, message["dirs"])
    inside = {name for name in files if not name.startswith("..")}
    assert inside == {"conftest.py", "helper.py"}
    assert all(files[name][5] for name in inside), "with their hashes"
    assert {".", "sub", "sub/deep"} <= set(dirs)
    assert dirs["sub/deep"][-1] == ["test_a.py"]


@pytest.mark.parametrize("end", [lambda host: host.send(t="exit"), Host.hang_up])
def test_one_that_is_not_needed_finishes_its_session(
    project: Project, end: Callable[[Host], None]
) -> None:
    hook = "import pathlib\ndef pytest_unconfigure(): pathlib.Path('finished').write_text('yes')\n"
    engine = project({**FILES, "conftest.py": hook})
    host, message = configured(engine)
    assert not message["is_shared"]
    end(host)
    host.wait_closed()
    base = next(iter(engine.hosts.values()))
    base.wait("exited", host=host.name)
    assert (engine.root / "finished").exists()
    assert not host.all("usage_error") and not host.all("internal_error")


def test_a_conftest_that_does_not_import_is_told_at_once(project: Project) -> None:
    engine = project({**FILES, "conftest.py": "import nothing_of_that_name\n"})
    base = engine.base()
    base.wait("ready")
    host = engine.fork(base, "configured", args=[ARG])
    assert "nothing_of_that_name" in host.wait("usage_error")["message"]


def collected(engine: Engine, host: Host) -> tuple[Host, Message]:
    fork = engine.fork(host, "prestarted")
    fork.send(t="collect", purpose="run")
    return fork, fork.wait("collected")


SEEDED = "import random\nrandom.seed(7)\nSHARED = []\n"


def test_collections_of_one_session_share_no_state(project: Project) -> None:
    test = """
    import random
    from conftest import SHARED

    SHARED.append(random.random())

    def test_a():
        assert SHARED == [random.Random(7).random()]
        SHARED.append(0)
    """
    engine = project({"conftest.py": SEEDED, ARG: textwrap.dedent(test)})
    host, _ = configured(engine)
    for _ in range(2):
        fork, message = collected(engine, host)
        assert message["reasons"] == []
        for runner in (engine.fork(fork, "runner"), engine.go_on(fork)):
            verdict = run(runner, [f"{ARG}::test_a"])[f"{ARG}::test_a"]
            assert verdict["outcome"] == "passed", verdict


def test_numbers_without_a_seed_differ_in_each_collection(project: Project) -> None:
    test = (
        "import random, pathlib\ndef test_a(): pathlib.Path('n').write_text(str(random.random()))"
    )
    engine = project({ARG: test})
    host, _ = configured(engine)
    drawn = set()
    for _ in range(2):
        fork, message = collected(engine, host)
        assert message["reasons"] == []
        for runner in (engine.fork(fork, "runner"), engine.go_on(fork)):
            run(runner, [f"{ARG}::test_a"])
            drawn.add((engine.root / "n").read_text())
    assert len(drawn) == 4
    write(engine.root, {ARG: "import random\nN = random.random()\ndef test_a(): pass\n"})
    assert collected(engine, host)[1]["reasons"]


@pytest.mark.parametrize(
    "conftest",
    [
        "import random\nN = random.random()\n",
        "import os\nPID = os.getpid()\n",
        "import atexit\natexit.register(print)\n",
        "import threading as t\nt.Thread(target=t.Event().wait, daemon=True).start()\n",
        "FILE = open('conftest.py')\n",
    ],
)
def test_a_session_that_can_not_be_forked_collects_itself(project: Project, conftest: str) -> None:
    engine = project({"conftest.py": conftest, ARG: "def test_a(): pass\n"})
    host, message = configured(engine)
    assert not message["is_shared"]
    host.send(t="collect", purpose="run")
    assert host.wait("collected")["reasons"]
    assert run(engine.go_on(host), [f"{ARG}::test_a"])[f"{ARG}::test_a"]["outcome"] == "passed"


def test_output_of_conftests_stays_with_each_collection(project: Project) -> None:
    engine = project(
        {"conftest.py": "print('of conftest')\n", ARG: "print('of test')\nraise OSError"}
    )
    host, _ = configured(engine)
    for _ in range(2):
        _, message = collected(engine, host)
        text = str(message["errors"])
        assert "OSError" in text
        assert text.count("of conftest") == text.count("of test")
