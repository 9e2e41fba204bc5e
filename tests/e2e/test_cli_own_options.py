"""The options that a project defines itself, with values that look like paths, next to pytest."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import lens, plain
from world import Project, World

FILES = {
    "conftest.py": """
        def pytest_addoption(parser):
            parser.addoption("--url")
            parser.addoption("--flag", action="store_true")
            parser.addoption("--pair", nargs=2)
            parser.addoption("--many", nargs="*")
            parser.addoption("-E", dest="stage")
        """,
    "test_a.py": """
        from pathlib import Path

        def test_options(pytestconfig):
            names = ("url", "flag", "pair", "many", "stage")
            read = repr([pytestconfig.getoption(name) for name in names])
            Path(__file__).with_name("read.txt").write_text(read)
        """,
    "tests/test_b.py": "def test_b(): pass",
    "snapshots/data.json": "{}",
}


@pytest.mark.parametrize(
    "line",
    [
        "--url http://x",
        "--url a::b",
        "--url snapshots",
        "--url tests/test_b.py",
        "--url test_a.py test_a.py",
        "--flag test_a.py",
        "--flag --url=x/y test_a.py",
        "--pair p q",
        "--pair p q test_a.py",
        "--many a tests test_a.py",
        "--many a b -- test_a.py",
        "-E ci test_a.py",
        "-x --url tests -k options",
    ],
)
def test_pytests_own_parser_knows_the_values_of_a_projects_options(
    world: World, tmp_path: Path, line: str
) -> None:
    project = Project(tmp_path / "project", FILES)
    read = project.root / "read.txt"
    ends = []
    for command in (plain, lambda world, root, *words: lens(world, "run", *words, cwd=root)):
        told = command(world, project.root, *line.split())
        ends.append((told.status, told.lines[-1].split(" in ")[0].strip("= "), read.read_text()))
        read.unlink()
    assert ends[0] == ends[1], line
    assert ends[0][0] == 0, line


def test_an_option_that_pytest_does_not_know_is_named(world: World, tmp_path: Path) -> None:
    project = Project(tmp_path / "project", FILES)
    told = lens(world, "run", "--urll", "http://x", cwd=project.root)
    assert (told.status, told.out) == (4, "")
    assert "neither pytest nor pytest-lens knows `--urll=http://x`" in told.err
