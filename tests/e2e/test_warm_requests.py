"""A part of a project is run as pytest runs it, whatever was collected before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from command_line import lens, plain
from daemon import Daemon
from world import Project, World

SKIPS_ALL = """
    import pytest

    def pytest_collection_modifyitems(items):
        for item in items:
            item.add_marker(pytest.mark.skip)
"""
DROPS_DOUBLES = """
    def pytest_collection_modifyitems(items):
        seen = set()
        items[:] = [item for item in items if not (item.name in seen or seen.add(item.name))]
"""
BY_ARGUMENTS = """
    def pytest_collection_modifyitems(config, items):
        if config.args[0].endswith("b"):
            items[:] = []
"""
PASSES, FAILS = "def test_a():\n    pass\n", "def test_b():\n    assert 0\n"


class Case(NamedTuple):
    """A project, and a part of it that is requested after all of it was collected."""

    files: dict[str, str]
    words: list[str]


TWO = {"a/test_a.py": PASSES, "b/test_b.py": FAILS}
CASES = {
    "a file of another name": Case(
        {"pytest.ini": "[pytest]\naddopts = --doctest-modules\n", "a/test_a.py": PASSES}
        | {"mod.py": '"""\n>>> 1\n1\n"""\n\n\ndef test_in():\n    assert 0\n'},
        ["mod.py"],
    ),
    "testpaths of another file": Case(
        {**TWO, "alt.ini": "[pytest]\ntestpaths = a/test_a.py\n", "a/test_c.py": FAILS},
        ["a", "-c", "alt.ini"],
    ),
    "a hook of another folder": Case({**TWO, "a/conftest.py": SKIPS_ALL}, ["b/test_b.py::test_b"]),
    "a hook that drops tests": Case(
        {"a/test_x.py": PASSES, "b/test_y.py": "def test_a():\n    assert 0\n"}
        | {"conftest.py": DROPS_DOUBLES},
        ["b"],
    ),
    "a hook that reads the arguments": Case({**TWO, "conftest.py": BY_ARGUMENTS}, ["b"]),
    "files of one name": Case({"a/test_x.py": PASSES, "b/test_x.py": FAILS}, ["b"]),
    "tests that are deselected elsewhere": Case(
        {**TWO, "pytest.ini": "[pytest]\naddopts = -k 'not test_a'\n"}, ["b"]
    ),
    "a test that is deselected": Case(
        {**TWO, "pytest.ini": "[pytest]\naddopts = --deselect=a/test_a.py::test_a\n"},
        ["a/test_a.py::test_a", "b/test_b.py::test_b"],
    ),
    "the root instead of testpaths": Case(
        {**TWO, "pytest.ini": "[pytest]\ntestpaths = a\n"},
        ["."],
    ),
}


def counts(text: str) -> list[str]:
    """The counts of the last line, without the time."""
    return text.strip().splitlines()[-1].strip("= ").partition(" in ")[0].split(", ")


@pytest.fixture(scope="module")
def daemon(world: World) -> Iterator[Daemon]:
    running = Daemon(world, "--socket", str(Path(world.runtime.name) / "warm.sock"))
    yield running
    running.end()


@pytest.mark.parametrize("name", CASES)
def test_a_part_is_as_by_itself(world: World, daemon: Daemon, tmp_path: Path, name: str) -> None:
    case = CASES[name]
    project = Project(tmp_path / "project", case.files)
    (project.root / ".git").mkdir()
    expected = plain(world, project.root, *case.words)
    options = [word for word in case.words if word in ("-c", "alt.ini")]
    whole = lens(world, "run", "--connect", daemon.socket, *options, cwd=project.root)
    assert whole.status in (0, 1, 2), whole
    # Now the whole project is collected, and stays so.
    lens(world, "list", "--connect", daemon.socket, cwd=project.root)
    found = lens(world, "run", "--connect", daemon.socket, *case.words, cwd=project.root)
    assert (found.status, counts(found.out)) == (expected.status, counts(expected.out))


def test_an_unknown_test_is_refused_with_an_expression_too(world: World, tmp_path: Path) -> None:
    hook = "def pytest_collection_modifyitems(config):\n    config.option.keyword\n"
    project = Project(tmp_path / "project", {**TWO, "conftest.py": hook})
    words = ["a/test_a.py::test_none", "a/test_a.py::test_a", "-k", "test_a"]
    found = lens(world, "run", *words, cwd=project.root)
    assert found.status == 4 == plain(world, project.root, *words).status
    assert "a/test_a.py::test_none" in found.err
