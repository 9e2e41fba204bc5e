"""`pytest-lens run --connect`: options mean what they mean to plain pytest in the same folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import Told, lens, plain
from daemon import Daemon
from world import Project, World

FILES = {
    "pytest.ini": "[pytest]\n",
    "other.ini": "[pytest]\npython_functions = check_*\n",
    "sub/test_a.py": "def test_a():\n    pass\n\n\ndef check_a():\n    assert 0\n",
    "sub/test_b.py": "def test_b():\n    assert 0\n\n\ndef test_c():\n    assert 0\n",
    "sub/slow/test_slow.py": "def test_slow():\n    assert 0\n",
}


@pytest.fixture
def daemon(world: World) -> Iterator[Daemon]:
    # The variable of a daemon is none of its clients'.
    running = Daemon(world, env={"PYTEST_ADDOPTS": "--nobody-knows"})
    yield running
    running.end()


def _sum(told: Told) -> tuple[int, str]:
    last = told.lines[-1] if told.lines else ""
    return told.status, re.sub(r" in \d.*", "", last).strip("= ")


def test_paths_in_options_are_those_of_the_current_folder(
    world: World, daemon: Daemon, tmp_path: Path
) -> None:
    sub = Project(tmp_path / "project", FILES).root / "sub"
    for words in (
        ["--ignore=slow", "--ignore", "test_b.py"],
        ["--ignore-glob=slow/*"],
        ["-c", "../other.ini", "--rootdir=.."],
        ["-olog_file=log.txt", "--junitxml=made.xml", "test_a.py"],
        ["-s", "--log-file=log.txt", "--junitxml=made.xml", "test_a.py"],
    ):
        expected = plain(world, sub, "-q", *words)
        made = {path.name for path in sub.parent.rglob("*.[tx][xm][tl]") if path.unlink() is None}
        told = lens(world, "run", "-q", "--connect", daemon.socket, *words, cwd=sub)
        assert _sum(told) == _sum(expected), (words, told, expected)
        assert {path.name for path in sub.glob("*.[tx][xm][tl]")} == made
        assert not [*sub.parent.glob("*.[tx][xm][tl]")], words


def test_the_variable_is_that_of_the_client(world: World, daemon: Daemon, tmp_path: Path) -> None:
    sub = Project(tmp_path / "project", FILES).root / "sub"
    for variable, words in (
        ("--deselect=sub/test_b.py::test_b --ignore=slow -rf", []),
        ("-k 'test_a or test_c'", ["-v"]),
        ("-k test_a -q", ["-k", "test_b"]),
        ("test_a.py", []),
        ("-x --tb=line", ["test_b.py"]),
        ("--foo", []),
        ("-k 'a", []),
        ("-s --junitxml=made.xml", ["test_a.py"]),
    ):
        expected = plain(world, sub, *words, PYTEST_ADDOPTS=variable)
        told = lens(
            world,
            *("run", "--connect", daemon.socket, *words),
            cwd=sub,
            env={"PYTEST_ADDOPTS": variable},
        )
        if expected.err:
            assert told.status == 4 and ("--foo" in told.err or "quotation" in told.err), told
            assert len(told.err.splitlines()) == 1, told
        else:
            last = re.sub(r", \d+ not run", "", _sum(told)[1])
            assert last == _sum(expected)[1], (told, expected)
            assert told.status == expected.status
            assert not (sub.parent / "made.xml").exists()
