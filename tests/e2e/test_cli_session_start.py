"""Hooks that end a session before its tests: the exit status and the report are those of pytest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from command_line import lens
from daemon import Daemon
from world import DEADLINE, Project, World

TESTS = "def test_good():\n    pass\n"
#: What hooks do, and the last line that tells of it.
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


def _plain(world: World, project: Project) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"],
        cwd=project.root,
        env=world.env(PYTHONDONTWRITEBYTECODE="1"),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


def _internal(text: str) -> list[str]:
    """What pytest reports of the project's own lines."""
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
