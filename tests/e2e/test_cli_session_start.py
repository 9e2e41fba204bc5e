"""The start of a session: its heading, what hooks print, and hooks that end it before its tests."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import lens
from daemon import Daemon
from world import DEADLINE, Project, World

TESTS = "def test_good():\n    pass\n"
#: The code of hooks, and the line that names it.
ACTS = {
    "exit": ('pytest.exit("no ground", returncode=8)', "no ground"),
    "raise": ('raise RuntimeError("no ground")', "conftest.py:5: RuntimeError: no ground"),
    "usage": ('raise pytest.UsageError("no ground")', "no ground"),
    "system exit": ("raise SystemExit(6)", "conftest.py:5: SystemExit: 6"),
    "interrupt": ("raise KeyboardInterrupt", "conftest.py:5: KeyboardInterrupt"),
}
HOOKS = (
    "pytest_addoption",
    "pytest_configure",
    "pytest_sessionstart",
    "pytest_report_header",
    "pytest_collection",
    "pytest_collection_modifyitems",
    "pytest_collection_finish",
)


def _plain(world: World, project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=project.root,
        env=world.env(PYTHONDONTWRITEBYTECODE="1"),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


def _internal(text: str) -> list[str]:
    """The end of pytest's report, if it names a line of the project."""
    lines = [line for line in text.splitlines() if line.startswith("INTERNALERROR> ")]
    return lines[-3:] if any("conftest.py" in line for line in lines) else []


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_before_the_tests_decides_the_exit_status(
    world: World, tmp_path: Path, hook: str, act: str
) -> None:
    if (hook, act) == ("pytest_addoption", "interrupt"):
        pytest.skip("Python itself ends by the signal")
    code, told = ACTS[act]
    conftest = f"import pytest\n\n\ndef {hook}():\n    {code}\n"
    project = Project(tmp_path / "project", {"conftest.py": conftest, "test_it.py": TESTS})
    expected = _plain(world, project)
    ways: list[list[str]] = [[]]
    if hook == "pytest_sessionstart":
        ways += [["-q"], ["-n2"], ["--json"], ["test_it.py::test_good", "--junitxml=r.xml"]]
    for arguments in ways:
        ours = lens(world, "run", *arguments, cwd=project.root)
        assert ours.status == expected.returncode, (expected, ours)
        assert told in ours.err, ours
        if "--json" not in arguments:
            assert _internal(ours.out) == _internal(expected.stdout + expected.stderr), ours


def test_a_warm_server_tells_the_same_again(world: World, tmp_path: Path) -> None:
    ends = "import pytest\n\n\ndef pytest_sessionstart():\n    pytest.exit('x', returncode=8)\n"
    ini = "[pytest]\naddopts = -p plug\npythonpath = .\n"
    files = {"pytest.ini": ini, "plug.py": ends, "test_it.py": TESTS}
    project = Project(tmp_path / "project", files)
    daemon = Daemon(world)
    try:
        connect = ("--connect", daemon.socket)
        for _ in range(2):
            ours = lens(world, "run", *connect, cwd=project.root)
            assert ours.status == 8, ours
        project.write("plug.py", "")
        assert lens(world, "run", *connect, cwd=project.root).status == 0
    finally:
        daemon.end()


PRINTS = """
    import os
    import sys
    import warnings

    def pytest_configure():
        print("configured", flush=True)
        os.system("echo by a child")
        print("to standard error", file=sys.stderr)
        warnings.warn("old ground")

    def pytest_sessionstart():
        print("started")
"""


@pytest.mark.parametrize("words", ["", "-q", "-v", "--junitxml=r.xml", "-s", "-sv"])
def test_text_from_before_the_first_test_is_shown_once(
    world: World, tmp_path: Path, words: str
) -> None:
    project = Project(tmp_path / "project", {"conftest.py": PRINTS, "test_it.py": TESTS})
    expected = _plain(world, project, *words.split())
    ours = lens(world, "run", *words.split(), cwd=project.root)
    assert ours.status == expected.returncode == 0, ours
    begin = expected.stdout.splitlines()[:3]
    assert begin == ["configured", "by a child", "started"]
    if not words.startswith("--junitxml"):  # the session that makes the report is another one
        assert ours.lines[:3] == begin, ours
    for text in [*begin, "=== test session starts"]:
        assert ours.out.count(text) == expected.stdout.count(text), ours
    for text in ("to standard error", "UserWarning: old ground"):
        assert ours.err.count(text) == expected.stderr.count(text) == 1, ours


def test_programs_get_text_from_before_the_first_test_as_events(
    world: World, tmp_path: Path
) -> None:
    project = Project(tmp_path / "project", {"conftest.py": PRINTS, "test_it.py": TESTS})
    events = lens(world, "run", "--json", cwd=project.root).json
    assert events[0]["event"] == "runStarted"
    text = "".join(event["text"] for event in events if event.get("stream") == "stdout")
    assert text.splitlines() == ["configured", "by a child", "started"]
    told = lens(world, "run", "--reporter", "agent", cwd=project.root)
    assert told.out.startswith("PASSED"), told


def test_a_warm_server_shows_the_text_of_a_collection_at_most_once(
    world: World, tmp_path: Path
) -> None:
    conftest = "def pytest_configure():\n    print('configured')\n"
    project = Project(tmp_path / "project", {"conftest.py": conftest, "test_it.py": TESTS})
    daemon = Daemon(world)
    try:
        shown = [lens(world, "run", "--connect", daemon.socket, cwd=project.root) for _ in range(3)]
    finally:
        daemon.end()
    assert [ours.status for ours in shown] == [0, 0, 0]
    assert sum(ours.out.count("configured") for ours in shown) <= 1, shown


@pytest.mark.parametrize("words", ["-s", "-s -v", "-s -q", "-s --no-header", "-o log_cli=true"])
def test_tests_with_standard_output_have_pytests_heading(
    world: World, tmp_path: Path, words: str
) -> None:
    conftest = "def pytest_report_header():\n    return 'ground: firm'\n"
    tests = "def test_good():\n    print('printed')\n\ndef test_bad():\n    assert 0\n"
    project = Project(tmp_path / "project", {"conftest.py": conftest, "test_it.py": tests})
    expected = _plain(world, project, *words.split())
    ours = lens(world, "run", *words.split(), cwd=project.root)
    assert _masked(ours.out) == _masked(expected.stdout), ours


def _masked(text: str) -> list[str]:
    """The lines without what differs between two runs."""
    text = re.sub(r"^=+ (.*) in \d.*s =+$", r"== \1 ==", text, flags=re.MULTILINE)
    lines = re.sub(r" in \d\.\d+s$", "", text, flags=re.MULTILINE).splitlines()
    return [line for line in lines if not line.startswith("cachedir: ")]


def test_a_hook_before_the_run_loop_is_called_once(world: World, tmp_path: Path) -> None:
    conftest = "def pytest_runtestloop(session):\n    print('loop of', len(session.items))\n"
    project = Project(tmp_path / "project", {"conftest.py": conftest, "test_it.py": TESTS})
    ours = lens(world, "run", cwd=project.root)
    assert (ours.status, ours.out.count("loop of 1")) == (0, 1), ours


def test_a_hook_in_place_of_the_run_loop_is_named(world: World, tmp_path: Path) -> None:
    conftest = "def pytest_runtestloop():\n    return True\n"
    project = Project(tmp_path / "project", {"conftest.py": conftest, "test_it.py": TESTS})
    ours = lens(world, "run", cwd=project.root)
    assert "pytest_runtestloop (conftest.py:1)" in ours.sentence
    assert ours.status == 4, ours
