"""The command `pytest-lens` is a native program in the environment, whose interpreter it uses."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from pathlib import Path

from conftest import DEADLINE, World

FILES = {"test_a.py": "def test_1(): pass\ndef test_2(): assert False\n"}
COMMAND = Path(sysconfig.get_path("scripts")) / "pytest-lens"


def test_the_exit_status_is_pytests(world: World) -> None:
    world.write(FILES)
    assert world.lens("run").returncode == 1
    assert world.lens("run", "test_a.py::test_1").returncode == 0
    assert world.lens("run", "--nonsense").returncode == 4


def test_its_own_environment_is_used(world: World) -> None:
    world.write(FILES)
    told = world.lens("doctor")
    assert told.returncode == 0, told
    assert sys.prefix in told.stdout


def test_the_command_starts_without_python(world: World) -> None:
    world.write(FILES)
    assert COMMAND.read_bytes()[:4] == b"\x7fELF"
    told = subprocess.run(
        [COMMAND, "list", "--json"],
        cwd=world.root,
        env=world.env,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=True,
    )
    assert [json.loads(line)["node_id"] for line in told.stdout.splitlines()] == [
        "test_a.py::test_1",
        "test_a.py::test_2",
    ]


def test_a_missing_command_is_named_with_the_way_out(world: World) -> None:
    hide = (
        "import pytest_lens.__main__ as program; program._places = lambda: iter(['/nowhere']); "
        "program.main()"
    )
    told = world.python("-c", hide)
    assert told.returncode == 1
    assert told.stderr.startswith("pytest-lens: the program pytest-lens is not")
    assert "--force-reinstall" in told.stderr
