"""The parts of the wheel: a native command, the engine as a library, the plugin.

These run on every Python that there is; they need nothing but pytest.
"""

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
    assert str(Path(sys.prefix).resolve()) in told.stdout


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


def test_the_command_has_the_packages_version(world: World) -> None:
    told = subprocess.run([COMMAND, "--version"], capture_output=True, text=True, check=True)
    version = world.python("-c", "import pytest_lens; print(pytest_lens.__version__)")
    assert version.returncode == 0, version
    assert told.stdout.split() == ["pytest-lens", *version.stdout.split()]


def test_the_library_runs_tests(world: World) -> None:
    world.write(FILES)
    script = """
from pytest_lens import Engine
with Engine(".") as lens:
    done = lens.run()
    print(done["passed"], done["failed"])
"""
    told = world.python("-c", script)
    assert (told.returncode, told.stdout) == (0, "1 1\n"), told


def test_the_plugin_records_a_run(world: World) -> None:
    world.write(FILES)
    told = world.python("-m", "pytest", "--lens")
    assert told.returncode == 1
    assert "lens: recorded the outcomes of 2 tests" in told.stdout, told


def test_a_missing_command_is_named_with_the_way_out(world: World) -> None:
    hide = (
        "import pytest_lens.__main__ as program; program._places = lambda: iter(['/nowhere']); "
        "program.main()"
    )
    told = world.python("-c", hide)
    assert told.returncode == 1
    assert told.stderr.startswith("pytest-lens: the program pytest-lens is not")
    assert "--force-reinstall" in told.stderr
