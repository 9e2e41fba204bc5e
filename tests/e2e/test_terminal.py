"""`pytest-lens run` on a terminal that its tests share: `-s`, `--pdb`, `--trace`."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from command_line import lens
from terminal import INTERRUPT, SUSPEND, Terminal
from world import DEADLINE, Project, World, binary

FILES = {
    "test_tty.py": """
        import os, sys, termios

        def test_terminal():
            assert [os.isatty(number) for number in (0, 1, 2)] == [True] * 3
            assert sys.stdin.isatty() and sys.stdout.isatty()
            assert termios.tcgetattr(0)
            assert os.get_terminal_size().columns == 120
            assert os.tcgetpgrp(0) == os.getpgrp()
            with open("/dev/tty", "w") as terminal:
                terminal.write("written to the terminal\\n")

        def test_asks():
            assert input("your name? ") == "lens"
        """,
    "test_break.py": """
        def test_stops():
            value = 41
            breakpoint()
            assert value == 42
        """,
    "test_fails.py": """
        def test_good():
            pass

        def test_bad():
            wrong = "this"
            assert wrong == "that"
        """,
    "test_waits.py": """
        def test_waits():
            input("waiting ")

        def test_after():
            pass
        """,
    "test_module.py": """
        word = input("for the module? ")

        def test_word():
            assert word == "yes"
        """,
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("terminal"), FILES)


def at_terminal(world: World, project: Project, *arguments: str, **env: str) -> Terminal:
    return Terminal(world, [str(binary()), "run", *arguments], project.root, **env)


def test_r20_tests_have_the_terminal(world: World, project: Project) -> None:
    with at_terminal(world, project, "-s", "test_tty.py") as terminal:
        terminal.expect("written to the terminal")
        terminal.expect(r"your name\? ")
        terminal.type("lens\n")
        terminal.expect("2 passed")
        assert terminal.wait() == 0, terminal.text
    assert "=== test session starts" not in terminal.text
    assert not world.wait_until_gone()


@pytest.mark.parametrize("how", ["-s", "addopts", "PYTEST_ADDOPTS"])
def test_r20_breakpoints_stop(world: World, project: Project, tmp_path: Path, how: str) -> None:
    arguments = [how] if how == "-s" else []
    env = {how: "--capture=no"} if how == "PYTEST_ADDOPTS" else {}
    if how == "addopts":
        project = Project(tmp_path, {**FILES, "pytest.ini": "[pytest]\naddopts = -vs\n"})
    with at_terminal(world, project, *arguments, "test_break.py", **env) as terminal:
        terminal.expect(r"\(Pdb\) ")
        terminal.type("p value + 1\n")
        terminal.expect("^42$")
        terminal.type("value = 42\n")
        terminal.expect(r"\(Pdb\) ")
        terminal.type("c\n")
        terminal.expect("1 passed")
        assert terminal.wait() == 0, terminal.text


def test_r20_failures_are_looked_into(world: World, project: Project) -> None:
    with at_terminal(world, project, "--pdb", "test_fails.py") as terminal:
        terminal.expect("entering PDB")
        terminal.expect(r"\(Pdb\) ")
        terminal.type("p wrong\n")
        terminal.expect("^'this'$")
        terminal.type("c\n")
        terminal.expect("FAILED test_fails.py::test_bad")
        terminal.expect("1 failed, 1 passed")
        assert terminal.wait() == 1, terminal.text
    with at_terminal(world, project, "--pdb", "test_fails.py::test_bad") as terminal:
        terminal.expect(r"\(Pdb\) ")
        terminal.type("q\n")
        terminal.expect("Quitting debugger|Exit")
        assert terminal.wait() == 2, terminal.text


def test_r20_a_trace_begins_with_the_test(world: World, project: Project) -> None:
    options = ["--trace", "--pdbcls=pdb:Pdb", "test_fails.py", "-k", "good"]
    with at_terminal(world, project, *options) as terminal:
        terminal.expect(r"\(Pdb\) ")
        terminal.type("c\n")
        terminal.expect("1 passed, 1 deselected")
        assert terminal.wait() == 0, terminal.text


def test_r20_ctrl_c_is_the_tests(world: World, project: Project) -> None:
    # Python sees an interrupt that came with the prompt at the end of the line: hence Enter.
    with at_terminal(world, project, "-s", "test_waits.py") as terminal:
        terminal.expect("waiting ")
        terminal.type(INTERRUPT + "\n")
        terminal.expect("KeyboardInterrupt")
        assert terminal.wait() == 2, terminal.text
    with at_terminal(world, project, "-s", "test_break.py") as terminal:
        terminal.expect(r"\(Pdb\) ")
        terminal.type(INTERRUPT + "\n")
        terminal.expect("--KeyboardInterrupt--")
        terminal.type("value = 42\nc\n")
        terminal.expect("1 passed")
        assert terminal.wait() == 0, terminal.text
    with at_terminal(world, project, "-s", "test_module.py") as terminal:
        terminal.expect(r"for the module\? ")
        terminal.type(INTERRUPT + "\n")
        terminal.expect("interrupted before the run began")
        assert terminal.wait() == 2, terminal.text
    assert not world.wait_until_gone()


def test_r20_modules_ask_too(world: World, project: Project) -> None:
    with at_terminal(world, project, "-s", "test_module.py") as terminal:
        terminal.expect(r"for the module\? ")
        terminal.type("yes\n")
        terminal.expect("1 passed")
        assert terminal.wait() == 0, terminal.text
    assert terminal.text.count("for the module?") == 1, terminal.text


def test_r20_a_shell_stops_and_continues_it(world: World, project: Project) -> None:
    with Terminal(world, ["bash", "--norc", "-i"], project.root, PS1="sh> ") as terminal:
        terminal.type(f"'{binary()}' run -s test_tty.py\n")
        terminal.expect(r"your name\? ")
        terminal.type(SUSPEND)
        terminal.expect("Stopped")
        terminal.type("fg\n")
        terminal.expect("run -s test_tty.py")
        terminal.type("lens\n")
        terminal.expect("2 passed")
        terminal.type("echo status $?\nexit\n")
        terminal.expect("^status 0")
        terminal.wait()
    assert not world.wait_until_gone()


def test_r20_the_history_knows(world: World, project: Project) -> None:
    with at_terminal(world, project, "--pdb", "test_fails.py") as terminal:
        terminal.expect(r"\(Pdb\) ")
        terminal.type("c\n")
        assert terminal.wait() == 1, terminal.text
    told = lens(world, "run", "--lf", "--json", cwd=project.root)
    assert (
        "test_fails.py::test_bad" in told.outcomes
        and "test_fails.py::test_good" not in told.outcomes
    )


def test_r20_without_a_terminal_tests_have_what_there_is(world: World, project: Project) -> None:
    done = subprocess.run(
        [str(binary()), "run", "-s", "test_tty.py", "-k", "asks"],
        cwd=project.root,
        env=world.env(),
        input="lens\n",
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert done.returncode == 0, done
    assert "your name?" in done.stdout and "1 passed" in done.stdout, done


def test_r20_no_debugger_where_there_is_no_terminal_for_it(world: World, project: Project) -> None:
    told = lens(world, "run", "--pdb", "--json", cwd=project.root)
    assert (told.status, told.sentence) == (
        4,
        "`--pdb` needs the terminal: leave out `--json`, which prints events there",
    )
