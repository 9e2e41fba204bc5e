"""`pytest-lens list` and `pytest-lens doctor`."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import lens
from world import DEADLINE, Project, World

NODE = {"node_id", "file_path", "lineno", "name", "class_name", "markers", "skip", "xfail"}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project.sample(tmp_path_factory.mktemp("list") / "sample")


def test_it_lists_what_pytest_collects(world: World, sample: Project) -> None:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    env = world.env(PYTHONDONTWRITEBYTECODE="1")
    plain = subprocess.run(
        command, cwd=sample.root, env=env, capture_output=True, text=True, timeout=DEADLINE
    )
    expected = [line for line in plain.stdout.splitlines() if "::" in line]
    told = lens(world, "list", cwd=sample.root)
    assert (told.lines, told.status, told.err) == (expected, 0, "")

    told = lens(world, "list", "--json", "--root", str(sample.root), cwd=sample.root.parent)
    assert [node["node_id"] for node in told.json] == expected
    for node in told.json:
        assert set(node) == NODE
        line = sample.read(node["file_path"]).splitlines()[node["lineno"] - 1]
        assert f"def {node['name'].partition('[')[0]}(" in line
    by_id = {node["node_id"]: node for node in told.json}
    assert by_id["tests/test_orders.py::test_tip"]["skip"] is True
    assert by_id["tests/test_orders.py::test_half_a_cake"]["xfail"] is True
    assert by_id["tests/test_orders.py::TestOrder::test_total"]["class_name"] == "TestOrder"
    assert by_id["tests/test_kitchen.py::test_oven_heats_up"]["markers"] == ["slow"]


def test_the_source_tells_the_same_functions(world: World, sample: Project, tmp_path: Path) -> None:
    # No Python can be started at all.
    static = lens(world, "list", "--static", "--json", cwd=sample.root, env={"PATH": str(tmp_path)})
    assert (static.status, static.err) == (0, "")
    functions: dict[str, dict[str, object]] = {}
    for node in lens(world, "list", "--json", cwd=sample.root).json:
        name = node["name"].partition("[")[0]
        id = node["node_id"].removesuffix(node["name"]) + name
        functions[id] = {**node, "node_id": id, "name": name}
    told = {node["node_id"]: node for node in static.json}
    assert set(told) == set(functions)
    fields = NODE - {"markers", "skip"}
    for id, node in told.items():
        assert {name: node[name] for name in fields} == {
            name: functions[id][name] for name in fields
        }
    lines = lens(world, "list", "--static", cwd=sample.root, env={"PATH": str(tmp_path)}).lines
    assert lines == [node["node_id"] for node in static.json]


def test_expressions(world: World, sample: Project) -> None:
    told = lens(world, "list", "-m", "slow", cwd=sample.root)
    assert told.lines == ["tests/test_kitchen.py::test_oven_heats_up"]
    told = lens(world, "list", "-k", "TestOrder and not count", cwd=sample.root)
    assert told.lines == [
        "tests/test_orders.py::TestOrder::test_total",
        "tests/test_orders.py::TestOrder::test_items_are_kept_in_order",
    ]
    told = lens(world, "list", "-k", "nothing_is_called_so", cwd=sample.root)
    assert (told.lines, told.status) == ([], 5)


@pytest.mark.parametrize("how", [[], ["--static"]])
def test_a_broken_file_does_not_hide_the_others(
    world: World, tmp_path: Path, how: list[str]
) -> None:
    project = Project(
        tmp_path, {"test_fine.py": "def test_fine(): pass\n", "test_broken.py": "def test_a(:\n"}
    )
    told = lens(world, "list", *how, cwd=project.root)
    assert "test_fine.py::test_fine" in told.lines
    assert told.status == 2
    assert told.err.startswith("pytest-lens: test_broken.py:1:")


def test_doctor_tells_what_is_used_and_why(world: World, sample: Project) -> None:
    # As most environments are: with plugins.
    told = lens(world, "doctor", cwd=sample.root, env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": ""})
    assert told.status == 0, told.out
    for part in (
        platform.python_version(),
        sys.executable,
        "VIRTUAL_ENV",
        pytest.__version__,
        "asyncio",
        "pyproject.toml",
        "embedded" if sys.platform == "linux" else "subprocess",
        "auto",
        "17 collected",
    ):
        assert part in told.out, f"{part!r} is not in\n{told.out}"


def test_doctor_tells_how_to_put_right_what_is_wrong(world: World, tmp_path: Path) -> None:
    project = Project(
        tmp_path / "project",
        {
            "test_thread.py": """
                import threading
                import time

                threading.Thread(
                    target=time.sleep, args=(1000,), name="poller", daemon=True
                ).start()


                def test_fine():
                    pass
            """,
            "test_broken.py": "import nowhere_at_all\n",
        },
    )
    told = lens(world, "doctor", cwd=project.root)
    assert told.status == 1
    for part in ("test_broken.py", "nowhere_at_all", "poller"):
        assert part in told.out, f"{part!r} is not in\n{told.out}"
    told = lens(
        world, "doctor", cwd=project.root, env={"PATH": str(tmp_path), "VIRTUAL_ENV": str(tmp_path)}
    )
    assert told.status == 1
    assert "no Python found" in told.out


def test_version_and_help(world: World, tmp_path: Path) -> None:
    assert lens(world, "--version", cwd=tmp_path).out.startswith("pytest-lens ")
    help = lens(world, "--help", cwd=tmp_path)
    assert help.status == 0
    assert all(name in help.out for name in ("lsp", "run", "list", "doctor"))
    assert "\x1b" not in help.out
