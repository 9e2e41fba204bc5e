"""`sys.argv` in tests: it holds the arguments of the command, as under plain pytest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import Told, lens, plain
from daemon import Daemon
from world import Project, World

FILES = {
    "pytest.ini": "[pytest]\naddopts = --strict-markers\n",
    "conftest.py": """
        import sys

        AT_IMPORT = "--runslow" in sys.argv

        def pytest_addoption(parser):
            parser.addoption("--runslow", action="store_true")
    """,
    "test_a.py": """
        import sys

        import pytest
        from conftest import AT_IMPORT

        @pytest.mark.skipif("--runslow" not in sys.argv, reason="slow")
        def test_slow():
            assert 0

        @pytest.mark.skipif("-k" not in sys.argv, reason="all")
        def test_chosen():
            assert 0

        def test_argv(pytestconfig):
            given = list(pytestconfig.invocation_params.args)
            assert AT_IMPORT == ("--runslow" in given)
            assert sys.argv[1:] == given
            assert sys.orig_argv[1:] == ["-m", "pytest", *given]
            assert "--strict-markers" not in given and "--durations=0" not in given
    """,
}
LINES = ("", "--runslow", "", "-k chosen", "--runslow -k slow", "test_a.py::test_argv", "-n2")


@pytest.fixture
def daemon(world: World) -> Iterator[Daemon]:
    running = Daemon(world)
    yield running
    running.end()


def _told(told: Told) -> tuple[int, str]:
    return told.status, told.lines[-1].partition(" in ")[0]


def test_tests_read_the_arguments_in_cold_and_warm_sessions(
    world: World, daemon: Daemon, tmp_path: Path
) -> None:
    root = Project(tmp_path / "project", FILES).root
    warm = ("--connect", daemon.socket)
    added = {"PYTEST_ADDOPTS": "--durations=0"}
    for line in LINES:
        words = ["-q", *line.split()]
        expected = _told(plain(world, root, *[word for word in words if word != "-n2"], **added))
        for more in ((), warm):
            told = lens(world, "run", *more, *words, cwd=root, env=added)
            assert _told(told) == expected, (more, words, told.out, told.err)
    for more in (["--mode", "subprocess"], ["-s"]):
        told = lens(world, "run", "-q", "--runslow", *more, cwd=root)
        assert _told(told) == (1, "1 failed, 1 passed, 1 skipped"), (more, told.out, told.err)
