"""Hooks of the project see the ids of a run in its arguments, as under plain pytest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import Told, lens, plain
from daemon import Daemon
from world import Project, World

TESTS = {
    "test_x.py": "def test_slow():\n    assert 0\n\n\ndef test_a():\n    pass\n",
    "test_y.py": "def test_c():\n    pass\n",
}
#: Skips slow tests that nobody names, by where it finds the arguments.
SKIPS = """
    import sys
    import pytest


    def pytest_configure(config):
        config.addinivalue_line("markers", "slow")

    def is_named(config):
        return any("::" in arg for arg in {choice})

    def pytest_collection_modifyitems(config, items):
        if not is_named(config):
            for item in items:
                if "slow" in item.name:
                    item.add_marker(pytest.mark.skip(reason="slow"))
"""
ADDS = """
    import pytest

    def pytest_collection_modifyitems(items):
        items.sort(key=lambda item: item.name, reverse=True)
        added = pytest.Function.from_parent(
            items[0].parent, name="test_added", callobj=lambda: None
        )
        items.append(added)
"""
DROPS = """
    def pytest_collection_modifyitems(items):
        items[:] = items[:1]
"""
CONFTESTS = {
    "config.args": SKIPS.format(choice="config.args"),
    "invocation_params": SKIPS.format(choice="config.invocation_params.args"),
    "sys.argv": SKIPS.format(choice="sys.argv"),
    "file_or_dir": SKIPS.format(choice='config.getoption("file_or_dir")'),
    "adds": ADDS,
    "drops": DROPS,
}
LINES = (
    "test_x.py::test_slow",
    "test_x.py",
    "test_x.py::test_a test_y.py",
    "test_y.py test_x.py::test_slow -k slow",
    "",
    "test_x.py::test_slow",
)


@pytest.fixture
def daemon(world: World) -> Iterator[Daemon]:
    running = Daemon(world)
    yield running
    running.end()


def _told(told: Told) -> tuple[int, str]:
    return told.status, told.lines[-1].partition(" in ")[0]


@pytest.mark.parametrize("conftest", CONFTESTS.values(), ids=CONFTESTS)
def test_a_run_by_ids_is_a_session_of_these_ids(
    world: World, daemon: Daemon, tmp_path: Path, conftest: str
) -> None:
    root = Project(tmp_path / "project", {**TESTS, "conftest.py": conftest}).root
    for line in LINES:
        words = ["-q", *line.split()]
        expected = _told(plain(world, root, *words))
        for more in ((), ("--connect", daemon.socket)):
            told = lens(world, "run", *more, *words, cwd=root)
            assert _told(told) == expected, (more, words, told.out, told.err)


@pytest.mark.parametrize("options", ["--mode subprocess", "-s", "-n 2", "--junitxml=report.xml"])
def test_it_is_one_with_every_option(world: World, tmp_path: Path, options: str) -> None:
    root = Project(tmp_path / "project", {**TESTS, "conftest.py": CONFTESTS["config.args"]}).root
    told = lens(world, "run", "-q", *options.split(), "test_x.py::test_slow", cwd=root)
    assert _told(told) == (1, "1 failed"), told.out


def test_an_unknown_id_is_explained_and_the_other_tests_stay_known(
    world: World, daemon: Daemon, tmp_path: Path
) -> None:
    root = Project(tmp_path / "project", {**TESTS, "conftest.py": CONFTESTS["config.args"]}).root
    for more in ((), ("--connect", daemon.socket)):
        told = lens(world, "run", *more, "-q", "test_x.py::test_sloww", cwd=root)
        assert told.status == 4 and "test_x.py::test_slow" in told.out + told.err, told
        assert _told(lens(world, "run", *more, "-q", "test_x.py::test_slow", cwd=root))[0] == 1
        listed = lens(world, "list", *more, cwd=root)
        assert "test_x.py::test_a" in listed.out, listed
