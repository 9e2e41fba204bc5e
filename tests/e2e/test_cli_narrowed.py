"""Runs that the history or a shard narrows leave out nothing that would fail."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Told, lens
from daemon import Daemon
from world import Project, World

BROKEN = "import no_such_module\n"
DOCTEST = 'def f():\n    """\n    >>> 1\n    2\n    """\n'
OPTIONS = ("--doctest-modules", "-o", "python_files=*_?.py")


def run(world: World, project: Project, *words: str) -> Told:
    return lens(world, "run", "-q", *words, cwd=project.root)


def test_every_shard_has_the_files_that_cannot_be_collected(world: World, tmp_path: Path) -> None:
    files = {f"test_{number}.py": "def test(): pass\n" for number in range(3)}
    project = Project(tmp_path / "project", {**files, "test_broken.py": BROKEN})
    for shard in ("1/2", "2/2"):
        words = ("--shard", shard)
        told = run(world, project, *words)
        assert (told.status, "ERROR test_broken.py" in told.out) == (2, True), told
        assert run(world, project, *words, "--ignore=test_broken.py").status == 0
        assert run(world, project, *words, "test_0.py", "test_1.py").status == 0
        assert run(world, project, *words, "-k", "test").status == 2
        told = lens(world, "shard", shard, cwd=project.root)
        error = "test_broken.py:1: ModuleNotFoundError: No module named 'no_such_module'"
        assert (told.status, told.err) == (2, f"pytest-lens: {error}\n"), told
        assert told.lines[-1] == "test_broken.py", told
        # The same tests again, and errors, but no run.
        listed = run(world, project, *words, "--collect-only")
        assert (listed.status, listed.lines, listed.err) == (2, told.lines[:-1], told.err)
    told = lens(world, "shard", "2", cwd=project.root)
    assert (told.status, "3 tests by" in told.out, error in told.err) == (2, True, True), told
    told = run(world, project, "--shard", "2/2", "--co", "-k", "test_nowhere", "test_0.py")
    assert (told.status, "shard 2/2 of the selected tests is empty" in told.err) == (5, True), told


def test_shards_one_after_another_are_all_tests_once(world: World, tmp_path: Path) -> None:
    slow = "import time\ndef test_{0}(): time.sleep({1})\ndef test_{0}_quick(): pass\n"
    sleeps = (0.3, 0.01, 0.2, 0.01, 0.1)
    files = {f"test_{n}.py": slow.format(n, sleep) for n, sleep in enumerate(sleeps)}
    project = Project(tmp_path / "project", files)
    everything = sorted(lens(world, "list", cwd=project.root).lines)

    def shards() -> list[list[str]]:
        # A report and other data don't make it other code.
        words = ("--json", "--junitxml=report.xml", "--shard")
        told = [run(world, project, *words, f"{index}/3") for index in (1, 2, 3)]
        return [sorted(one.outcomes) for one in told]

    first = shards()
    assert sorted(id for shard in first for id in shard) == everything
    # The durations are known now, but a shard that runs again has the tests that it had.
    assert shards() == first
    project.write("test_5.py", slow.format(5, 0.01))
    everything = sorted(lens(world, "list", cwd=project.root).lines)
    figures = lens(world, "shard", "3", "--json", cwd=project.root).json[0]
    second = shards()
    assert sorted(id for shard in second for id in shard) == everything
    assert [len(shard) for shard in second] == figures["shard_test_counts"]
    # Other code is balanced by what the runs before took: the longest test is alone.
    assert ["test_0.py::test_0"] in second


def test_a_daemon_says_which_files_cannot_be_collected_whenever_it_is_asked(
    world: World, tmp_path: Path
) -> None:
    project = Project(
        tmp_path / "project", {"test_a.py": "def test(): pass\n", "test_b.py": BROKEN}
    )
    daemon = Daemon(world)
    try:
        for words in ((), ("--shard", "1/1"), ("--lf",)):
            told = run(world, project, "--connect", daemon.socket, *words)
            assert (told.status, "ERROR test_b.py" in told.out) == (2, True), told
    finally:
        daemon.end()


def test_failed_files_run_again_until_they_can_be_collected(world: World, tmp_path: Path) -> None:
    files = {"test_a.py": "def test_a(): assert 0\n", "test_broken.py": BROKEN}
    project = Project(tmp_path / "project", files)
    assert run(world, project).status == 2
    project.write("test_a.py", "def test_a(): pass\n")
    for option in ("--lf", "--lf", "--sw"):
        told = run(world, project, option)
        assert (told.status, "ERROR test_broken.py" in told.out) == (2, True), told
    project.write("test_broken.py", "def test_b(): pass\n")
    told = run(world, project, "--lf")
    assert (told.status, "1 passed" in told.out) == (0, True), told
    told = run(world, project, "--lf")
    assert (told.status, "2 passed" in told.out) == (0, True), "nothing has failed"


@pytest.mark.parametrize("words", [(), ("--connect",)])
def test_tests_of_a_repaired_file_count_as_failed(
    world: World, tmp_path: Path, words: tuple[str, ...]
) -> None:
    files = {
        "test_a.py": "def test_a(): assert 0\ndef test_good(): pass\n",
        "test_b.py": "import no_such_module\n",
        "test_c.py": "def test_c(): pass\n",
    }
    project = Project(tmp_path / "project", files)
    daemon = Daemon(world) if words else None
    try:
        if daemon is not None:
            words = (*words, daemon.socket)

        def outcomes(*more: str) -> dict[str, str]:
            return run(world, project, "--json", *words, *more).outcomes

        outcomes()
        project.write("test_b.py", "def test_b(): pass\ndef test_b2(): assert 0\n")
        failed = {"test_a.py::test_a": "failed", "test_b.py::test_b2": "failed"}
        assert outcomes("--lf") == {**failed, "test_b.py::test_b": "passed"}
        assert outcomes("--lf") == failed
        # A new test of a file that was broken once is nothing but new.
        project.write("test_b.py", "def test_b(): pass\ndef test_b3(): pass\n")
        assert outcomes("--lf") == {"test_a.py::test_a": "failed"}
    finally:
        if daemon is not None:
            daemon.end()


def test_cleared_outcomes_include_broken_files(world: World, tmp_path: Path) -> None:
    files = {"test_b.py": "import no_such_module\n", "test_c.py": "def test_c(): pass\n"}
    project = Project(tmp_path / "project", files)
    run(world, project)
    project.write("test_b.py", "def test_b(): pass\n")
    told = lens(world, "run", "--ff", "-v", cwd=project.root)
    ran = [line.split(" ")[0] for line in told.lines if "PASSED" in line]
    assert ran == ["test_b.py::test_b", "test_c.py::test_c"]
    project.write("test_b.py", "import no_such_module\n")
    run(world, project)
    project.write("test_b.py", "def test_b(): pass\n")
    told = run(world, project, "--cache-clear", "--lf", "--json")
    assert len(told.outcomes) == 2


def test_options_that_decide_which_tests_there_are_leave_none_out(
    world: World, tmp_path: Path
) -> None:
    tests = "def test_a(): assert {}\ndef test_b(): pass\n"
    files = {
        "m.py": DOCTEST,
        "test_t.py": tests.format(0),
        "check_c.py": "def test_c(): assert 0\n",
    }
    project = Project(tmp_path / "project", files)
    assert "3 failed, 1 passed" in run(world, project, *OPTIONS).out
    project.write("test_t.py", tests.format(1))
    told = run(world, project, *OPTIONS, "--lf")
    assert told.status == 1
    assert "FAILED m.py::m.f" in told.out and "FAILED check_c.py::test_c" in told.out
    told = run(world, project, *OPTIONS, "--sw")
    assert (told.status, "FAILED check_c.py::test_c" in told.out) == (2, True), told
    assert "`--doctest-modules` changes which tests there are: all selected tests run" in told.err
    told = run(world, project, *OPTIONS, "--shard", "1/2")
    assert told.status == 4
    assert "`--shard` does not know the tests of `--doctest-modules`" in told.err


def test_stepwise_goes_on_with_the_first_failure_whatever_ran_beside_it(
    world: World, tmp_path: Path
) -> None:
    fast = "".join(f"def test_a{number}(): pass\n" for number in range(7))
    slow = "".join(f"def test_{name}(): time.sleep(0.1); assert {{0}}\n" for name in "xyz")
    text = "import time\n" + fast + "def test_last(): assert 0\n" + slow
    project = Project(tmp_path / "project", {"test_s.py": text.format(1)})
    assert "1 failed, 10 passed" in run(world, project, "-n2").out
    project.write("test_s.py", text.format(0))
    assert run(world, project, "--sw", "-n2").status == 2
    project.write("test_s.py", text.format(1))
    told = run(world, project, "--sw", "-n2")
    assert (told.status, "FAILED test_s.py::test_last" in told.out) == (2, True), told
