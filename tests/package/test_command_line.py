"""`python -m pytest_lens` is the binary's command line, over this environment's interpreter."""

from __future__ import annotations

import json
import sys
import sysconfig
from pathlib import Path

from conftest import World

FILES = {"test_a.py": "def test_1(): pass\ndef test_2(): assert False\n"}


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


def test_the_script_is_the_same(world: World) -> None:
    world.write(FILES)
    script = Path(sysconfig.get_path("scripts")) / "pytest-lens"
    told = world.python(str(script), "list", "--json")
    assert [json.loads(line)["node_id"] for line in told.stdout.splitlines()] == [
        "test_a.py::test_1",
        "test_a.py::test_2",
    ]
