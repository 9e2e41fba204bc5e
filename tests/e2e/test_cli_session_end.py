"""The end of a session: hooks decide the exit status, and what tests left to it happens."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import Told, lens, plain
from world import DEADLINE, Project, World, binary

GOOD = "def test_good():\n    pass\n"
BAD = "def test_bad():\n    assert 0\n"
TWICE = """
    from _pytest.runner import runtestprotocol

    def pytest_runtest_protocol(item, nextitem):
        for last in (False, True):
            runtestprotocol(item, nextitem=nextitem if last else item)
        return True
"""
#: For each conftest the tests, the arguments, and the exit status that pytest has.
HOOKS: dict[str, tuple[str, str, list[str], int]] = {
    "status": (
        """
        def pytest_sessionfinish(session):
            session.exitstatus = 11
        """,
        *(GOOD, [], 11),
    ),
    "exit": (
        """
        import pytest

        def pytest_sessionfinish():
            pytest.exit("the gate is not met", returncode=9)
        """,
        *(GOOD, [], 9),
    ),
    "raises": (
        """
        def pytest_sessionfinish():
            raise RuntimeError("the gate is not met")
        """,
        *(GOOD, [], 1),
    ),
    "system exit": (
        """
        def pytest_sessionfinish():
            raise SystemExit(6)
        """,
        *(GOOD, [], 6),
    ),
    "ends the process": (
        """
        import os

        def pytest_sessionfinish():
            os._exit(8)
        """,
        *(GOOD, [], 8),
    ),
    "summary": (
        """
        def pytest_terminal_summary(terminalreporter):
            terminalreporter._session.exitstatus = 7
        """,
        *(GOOD, [], 7),
    ),
    "summary raises": (
        """
        def pytest_terminal_summary():
            raise RuntimeError("the gate is not met")
        """,
        *(GOOD, [], 1),
    ),
    "unconfigure": (
        """
        def pytest_unconfigure():
            raise RuntimeError("the gate is not met")
        """,
        *(GOOD, [], 1),
    ),
    "counts": (
        """
        def pytest_runtest_teardown(item):
            item.session.testsfailed += 1
        """,
        *(GOOD, [], 1),
    ),
    "nothing is fine": (
        """
        def pytest_sessionfinish(session, exitstatus):
            if exitstatus == 5:
                session.exitstatus = 0
        """,
        *(GOOD, ["-k", "nothing"], 0),
    ),
    "forgives": (
        """
        def pytest_sessionfinish(session):
            session.exitstatus = 0
        """,
        *(BAD, [], 0),
    ),
    "twice": (
        TWICE,
        *(
            "TURNS = []\n\n\ndef test_it():\n    TURNS.append(1)\n    assert len(TURNS) == 2\n",
            [],
            1,
        ),
    ),
    "no decision": ("def pytest_sessionfinish():\n    pass\n", BAD, [], 1),
}


#: Fixtures that would stay until the process ends, if they were reused.
REUSES = "[fixtureReuse]\nenabled = true\n"
WAYS = ["", "-n2", "--mode=subprocess", "--junitxml=report.xml", "reuses"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", HOOKS)
def test_hooks_decide_the_exit_status(world: World, tmp_path: Path, name: str, way: str) -> None:
    conftest, tests, arguments, status = HOOKS[name]
    project = Project(tmp_path / "project", {"conftest.py": conftest, "test_it.py": tests})
    if way == "reuses":
        project.write("pytest-lens.toml", REUSES)
        way = ""
    elif not way:
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
        env = world.env(PYTHONDONTWRITEBYTECODE="1")
        options = {
            "cwd": project.root,
            "env": env,
            "capture_output": True,
            "timeout": DEADLINE,
        }
        assert subprocess.run(command, check=False, **options).returncode == status
    told = lens(world, "run", *([way] if way else []), *arguments, cwd=project.root)
    assert told.status == status, told
    if "gate" in conftest:
        reason = "with status 9" if name == "exit" else "conftest.py:2: RuntimeError: the gate"
        assert reason in told.out


#: Garbage that only a collection finds, of which Python then warns.
GARBAGE = {
    "finalizer": """
        class Broken:
            def __del__(self):
                raise ValueError("broken")

        def test_it():
            broken = Broken()
            broken.own = broken
        """,
    "coroutine": """
        async def work():
            pass

        def test_it():
            held = [work()]
            held.append(held)
        """,
    "file": """
        def test_it():
            held = [open(__file__)]
            held.append(held)
        """,
}


@pytest.mark.parametrize("arguments", [[], ["-n2"], ["--mode=subprocess"], ["--junitxml=x.xml"]])
@pytest.mark.parametrize("name", GARBAGE)
def test_a_warning_that_is_an_error_fails_a_session_at_its_last_collection_of_garbage(
    world: World, tmp_path: Path, name: str, arguments: list[str]
) -> None:
    project = Project(tmp_path / "project", {"test_it.py": GARBAGE[name]})
    assert lens(world, "run", *arguments, cwd=project.root).status == 0
    for configuration, options in (("[pytest]\nfilterwarnings = error\n", []), ("", ["-Werror"])):
        project.write("pytest.ini", configuration)
        assert plain(world, project.root, *options).status == 1
        told = lens(world, "run", *arguments, *options, cwd=project.root)
        assert told.status == 1 and "1 passed" in told.out, told


@pytest.mark.parametrize("way", ["-n1", "-n2", "--mode=subprocess"])
def test_what_tests_leave_to_the_end_of_their_process_happens(
    world: World, tmp_path: Path, way: str
) -> None:
    leaving = """
        import atexit
        import threading
        import time
        from pathlib import Path

        def leave(name):
            time.sleep(0.3)
            Path(name).touch()

        def test_handler():
            atexit.register(leave, "handler.txt")

        def test_thread():
            threading.Thread(target=leave, args=("thread.txt",)).start()
    """
    project = Project(tmp_path / "project", {"test_leaving.py": leaving})
    assert lens(world, "run", way, cwd=project.root).status == 0
    assert {path.name for path in project.root.glob("*.txt")} == {
        "handler.txt",
        "thread.txt",
    }


FIXTURE = """
    import time
    from pathlib import Path

    import pytest

    @pytest.fixture(scope="session")
    def container():
        yield
        time.sleep(0.3)
        Path("stopped.txt").touch()

    def test_first(container):
        pass

    def test_second(container):
        {}
"""


@pytest.mark.parametrize("end", ["pytest.exit('enough')", "raise KeyboardInterrupt"])
def test_session_fixtures_are_torn_down_after_an_exit(
    world: World, tmp_path: Path, end: str
) -> None:
    project = Project(tmp_path / "project", {"test_it.py": FIXTURE.format(end)})
    assert lens(world, "run", cwd=project.root).status == 2
    assert (project.root / "stopped.txt").exists()


ENDS = """
    import os
    import warnings
    from pathlib import Path

    import pytest

    @pytest.fixture(scope="session")
    def ends(request):
        request.addfinalizer(lambda: print("torn down"))
        yield
        {}

    def test_it(ends):
        pass

    def test_fails(ends):
        assert 0
"""


@pytest.mark.parametrize(
    ("end", "status"),
    [
        ("assert 0, 'leaked'", 1),
        ("warnings.warn('leaked')", 0),
        ("pytest.exit('leaked', returncode=9)", 9),
        ("os._exit(5)", 1),
    ],
)
def test_a_command_reports_what_ends_with_fixtures_that_are_reused(
    world: World, tmp_path: Path, end: str, status: int
) -> None:
    files = {"test_it.py": ENDS.format(end), "pytest-lens.toml": REUSES}
    project = Project(tmp_path / "project", files)
    told = lens(world, "run", "-k", "not fails", cwd=project.root)
    assert told.status == status, told
    assert "_exit" in end or "leaked" in told.out, told
    told = lens(world, "run", "--tb=short", cwd=project.root)
    assert told.status == (status or 1) and "test_fails" in told.out, told


BREAKS = """
    import pytest

    @pytest.fixture
    def exits():
        pytest.exit("in a fixture", returncode=7)

    @pytest.fixture
    def exits_at_the_end():
        yield
        pytest.exit("at the end", returncode=0)

    @pytest.fixture
    def interrupts_at_the_end():
        yield
        raise KeyboardInterrupt

    def test_first():
        print("first")

    def test_exit():
        pytest.exit("why")

    def test_interrupt():
        print("printed")
        raise KeyboardInterrupt

    @pytest.mark.xfail
    def test_expected():
        pytest.exit("as expected", returncode=0)

    def test_set_up(exits):
        pass

    def test_exits_late(exits_at_the_end):
        pass

    def test_interrupts_late(interrupts_at_the_end):
        pass

    def test_hook():
        pass

    def test_last():
        pass
"""
BREAKING_HOOK = """
    import pytest

    def pytest_runtest_logreport(report):
        if report.when == "call" and "test_hook" in report.nodeid:
            pytest.exit("in a hook")
"""


@pytest.mark.parametrize("words", ["", "-v", "-q -rA", "-x", "--tb=no"])
@pytest.mark.parametrize(
    "name",
    ["exit", "interrupt", "expected", "set_up", "exits_late", "interrupts_late", "hook"],
)
def test_a_test_ends_the_session_as_in_pytest(
    world: World, tmp_path: Path, name: str, words: str
) -> None:
    if name not in ("exit", "interrupts_late") and words not in ("", "-v"):
        pytest.skip("two ways show that the options count")
    files = {"test_it.py": BREAKS}
    project = Project(tmp_path / "project", {**files, "conftest.py": BREAKING_HOOK})
    options = [*words.split(), "-k", f"first or test_{name} or last"]
    expected = plain(world, project.root, *options)
    ours = lens(world, "run", *options, "-p", "no:cacheprovider", cwd=project.root)

    def shown(told: Told) -> list[str]:
        # The tests that did not run are counted by us alone.
        text = re.sub(r"(, \d+ not run)|( in \d.*s( =+)?$)", "", told.out, flags=re.MULTILINE)
        text = re.sub(r"^=+ (?=\d)", "", text, flags=re.MULTILINE)
        return [line for line in text.splitlines() if not line.startswith("platform ")]

    assert shown(ours) == shown(expected), ours
    assert ours.status == expected.status


def test_session_fixtures_are_torn_down_after_an_interrupt(world: World, tmp_path: Path) -> None:
    project = Project(tmp_path / "project", {"test_it.py": FIXTURE.format("time.sleep(1)")})
    with _started(world, project, "--json") as command:
        assert command.stdout is not None
        for line in command.stdout:
            if '"testStarted"' in line and "test_second" in line:
                break
        command.send_signal(signal.SIGINT)
        command.communicate(timeout=DEADLINE)
    assert command.returncode == 2
    assert (project.root / "stopped.txt").exists()


def test_an_interrupt_ends_what_never_ends_by_itself(world: World, tmp_path: Path) -> None:
    never = """
        import atexit
        import threading

        def test_it():
            atexit.register(threading.Event().wait)
    """
    project = Project(tmp_path / "project", {"test_it.py": never})
    with _started(world, project) as command:
        assert command.stderr is not None
        assert "Ctrl-C ends them" in command.stderr.readline()
        command.send_signal(signal.SIGINT)
        out, _ = command.communicate(timeout=DEADLINE / 4)
    assert command.returncode == 0 and "1 passed" in out


def _started(world: World, project: Project, *arguments: str) -> subprocess.Popen[str]:
    pipes = {
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "stdin": subprocess.DEVNULL,
    }
    return subprocess.Popen(
        [str(binary()), "run", *arguments],
        cwd=project.root,
        env=world.env(),
        text=True,
        **pipes,
    )
