"""`pytest-lens run --watch`: a person saves files and presses keys."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import termios
from pathlib import Path

import pytest
from command_line import lens
from terminal import INTERRUPT, SUSPEND, Terminal
from world import DEADLINE, Project, World, binary

FILES = {
    "pytest.ini": "[pytest]\npythonpath = .\n",
    "pkg/__init__.py": "",
    "pkg/low.py": "x = 1\n",
    "tests/api/test_low.py": """
        from pkg import low

        def test_low():
            assert low.x == 1

        def test_fine():
            pass
        """,
    "tests/test_other.py": """
        from pathlib import Path

        def test_other():
            assert Path("data.txt").read_text() == "good"
        """,
    "data.txt": "good",
}
READY = r"Watching for changes(.*); press h for help, q to quit$"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project", FILES)


def watching(world: World, project: Project, *arguments: str, **env: str) -> Terminal:
    return Terminal(world, [str(binary()), "run", "--watch", *arguments], project.root, **env)


def expect_summary(terminal: Terminal, counts: str) -> str:
    """Waits for the end of a run with these counts, and for more changes. Returns the filters."""
    terminal.expect(rf"=== {counts} in")
    return terminal.expect(READY)[1]


def test_a_save_runs_what_it_affects(world: World, project: Project) -> None:
    with watching(world, project) as terminal:
        expect_summary(terminal, "3 passed")
        project.write("pkg/low.py", "x = 2\n")
        terminal.expect(r"^pkg/low\.py changed: 1 test file$")
        terminal.expect(r"^E .*assert 2 == 1")
        expect_summary(terminal, "1 failed, 1 passed")
        # A file that does not parse is an error of its own, and the watching goes on.
        project.write("tests/api/test_low.py", "def test_low(:\n")
        terminal.expect("SyntaxError")
        terminal.expect(r"=== 1 error")
        terminal.expect(READY)
        project.write("tests/api/test_low.py", "def test_new():\n    pass\n")
        expect_summary(terminal, "1 passed")
        # A file that tests read.
        project.write("data.txt", "bad")
        terminal.expect(r"^data\.txt changed: 1 test file$")
        expect_summary(terminal, "1 failed")
        # A new folder with a new test file, then another name for it.
        project.write("tests/new/test_new.py", "def test_1():\n    pass\n")
        terminal.expect(r"^tests/new/test_new\.py changed: 1 test file$")
        expect_summary(terminal, "1 passed")
        (project.root / "tests/new/test_new.py").rename(project.root / "tests/new/test_moved.py")
        terminal.expect(r"test_moved\.py and tests/new/test_new\.py changed: 1 test file$")
        expect_summary(terminal, "1 passed")
        project.write("tests/new/conftest.py", "raise RuntimeError('no')\n")
        terminal.expect(r"RuntimeError: no")
        terminal.expect(READY)
        (project.root / "tests/new/conftest.py").unlink()
        expect_summary(terminal, "1 passed")
        (project.root / "tests/new/test_moved.py").unlink()
        terminal.expect(r"^tests/new/test_moved\.py changed: no test depends on it$")
        terminal.expect(READY)
        # While nothing can be collected, nobody knows whether pytest takes a new file.
        project.write("pytest.ini", "[pytest]\npythonpath = .\naddopts = --unheard-of\n")
        terminal.expect("knows `--unheard-of`")
        terminal.expect(READY)
        project.write("tests/test_more.py", "def test_more():\n    pass\n")
        terminal.expect(r"^tests/test_more\.py changed: \d test files?$")
        terminal.expect("knows `--unheard-of`")
        terminal.expect(READY)
        project.write("pytest.ini", "[pytest]\npythonpath = .\naddopts = -k other\n")
        terminal.expect(r"^pytest\.ini changed: all tests$")
        expect_summary(terminal, "1 failed, 2 deselected")
        terminal.type("q")
        assert terminal.wait() == 1, terminal.text
    assert not world.wait_until_gone()


def test_keys_choose_tests(world: World, project: Project) -> None:
    project.write("data.txt", "bad")
    with watching(world, project) as terminal:
        expect_summary(terminal, "1 failed, 2 passed")
        terminal.type("h")
        terminal.expect(r"^  f +run the tests that failed last$")
        terminal.expect(READY)
        terminal.type("f")
        expect_summary(terminal, "1 failed")
        terminal.type("pAPI\r")
        terminal.expect(r"Path contains .*: API$")
        assert expect_summary(terminal, "2 passed") == " (path: API)"
        project.write("data.txt", "good")
        project.write("tests/test_other.py", FILES["tests/test_other.py"] + "\n")
        terminal.expect(r"tests/test_other\.py changed: no selected test depends on (it|them)$")
        terminal.expect(READY)
        terminal.type("tfin\x7f\x7f\x7fnot fine\r")
        assert expect_summary(terminal, "1 passed, 1 deselected") == " (path: API, -k: not fine)"
        terminal.type("t(\r")
        terminal.expect("pytest-lens: Wrong expression passed to '-k'")
        assert terminal.expect(READY)[1] == " (path: API, -k: not fine)"
        terminal.type("a")
        expect_summary(terminal, "3 passed")
        terminal.type("f")
        terminal.expect("no selected test failed when it last ran")
        terminal.expect(READY)
        # The last run that ran tests is repeated.
        terminal.type("\r")
        expect_summary(terminal, "3 passed")
        terminal.type("q")
        assert terminal.wait() == 0, terminal.text


SLOW = """
    import time
    from pathlib import Path

    def test_before():
        pass

    def test_slow():
        Path("../began").write_text("now")
        while not Path("../go").exists():
            time.sleep(0.01)

    def test_after():
        pass
    """


def test_saves_during_a_run_run_after_it(world: World, project: Project) -> None:
    project.write("tests/test_slow.py", SLOW)
    with watching(world, project, "-v") as terminal:
        terminal.expect("test_before PASSED")
        project.write("pkg/low.py", "x = 2\n")
        for name in range(300):
            project.write(f"pkg/many_{name}.py", "")
        project.write("../go", "")
        terminal.expect(r"=== 6 passed in")
        terminal.expect(r"^\d+ files changed: 1 test file$")
        expect_summary(terminal, "1 failed, 1 passed")
        assert terminal.text.count("changed: 1 test file") == 1, terminal.text
        terminal.type("\x04")
        assert terminal.wait() == 1, terminal.text


def test_ctrl_c_stops_the_run_and_quits(world: World, project: Project) -> None:
    project.write("tests/test_slow.py", SLOW)
    pipe = project.root.parent / "began"
    os.mkfifo(pipe)
    began = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with watching(world, project, "-v", "tests/test_slow.py") as terminal:
        terminal.expect("test_before PASSED")
        assert select.select([began], [], [], DEADLINE)[0], "the slow test did not begin"
        os.close(began)
        terminal.type(INTERRUPT)
        terminal.expect("stopping: running tests may finish")
        project.write("../go", "")
        terminal.expect(r"=== 2 passed, 1 not run in")
        assert terminal.wait() == 2, terminal.text
        assert "Watching" not in terminal.text
    assert not world.wait_until_gone()


def test_the_terminal_is_left_as_it_was(world: World, project: Project) -> None:
    with Terminal(world, ["bash", "--norc", "-i"], project.root, PS1="sh> ") as terminal:
        terminal.type(f"'{binary()}' run --watch tests/api\n")
        terminal.expect(READY)
        assert not terminal.mode() & (termios.ICANON | termios.ECHO)
        terminal.type(SUSPEND)
        terminal.expect("Stopped")
        terminal.type("stty -a; echo now cooked\n")
        terminal.expect(r" icanon (.|\n)* echo (.|\n)*^now cooked")
        project.write("pkg/low.py", "x = 2\n")
        terminal.type("fg\n")
        terminal.expect("pkg/low.py changed: 1 test file")
        terminal.expect(READY)
        assert not terminal.mode() & (termios.ICANON | termios.ECHO)
        (pid,) = [
            pid
            for pid, line in world.processes("--watch").items()
            if line.startswith(str(binary()))
        ]
        os.kill(pid, signal.SIGTERM)
        terminal.expect("^sh> ")
        terminal.type("echo status $?; stty -a; exit\n")
        terminal.expect(r"^status 1(.|\n)* icanon (.|\n)* echo ")
        terminal.wait()
    assert not world.wait_until_gone()


def test_without_a_terminal_it_watches_on(world: World, project: Project) -> None:
    command = [str(binary()), "run", "--watch", "-q", "--junitxml=report.xml"]
    with subprocess.Popen(
        command,
        cwd=project.root,
        env=world.env(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout

        def read_to(text: str) -> str:
            lines = []
            for line in process.stdout or ():
                lines.append(line)
                if text in line:
                    return "".join(lines)
            raise AssertionError("".join(lines))

        assert "3 passed" in read_to("Watching for changes; press Ctrl-C to quit")
        assert 'tests="3"' in (project.root / "report.xml").read_text()
        project.write("pkg/low.py", "x = 2\n")
        assert "1 failed, 1 passed" in read_to("Watching for changes")
        assert 'tests="2"' in (project.root / "report.xml").read_text()
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE) == 1
    assert not world.wait_until_gone()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--pdb"], "`--watch` reads keys from the terminal, which `--pdb` needs for itself"),
        (["--json"], "the argument '--watch' cannot be used with '--json'"),
        (["--reporter=agent"], "`--watch` stays for a person at a terminal, `--reporter agent`"),
        (["--co"], "the argument '--watch' cannot be used with '--collect-only'"),
        (["--fixtures"], "only pytest itself follows `--fixtures`, and it has no `--watch`"),
        (["tests/test_othr.py"], "tests/test_othr.py"),
    ],
)
def test_contradictions_are_a_sentence(
    world: World, project: Project, arguments: list[str], sentence: str
) -> None:
    told = lens(world, "run", "--watch", *arguments, cwd=project.root)
    assert told.status == 4
    assert sentence in told.sentence


def test_b11_saves_and_keys_work_over_nested_projects(world: World, tmp_path: Path) -> None:
    files = {
        "common/shared_code.py": "x = 1\n",
        "api/pytest.ini": "[pytest]\npythonpath = ../common\n",
        "api/test_a.py": """
            import shared_code

            def test_a():
                assert shared_code.x == 1
            """,
        "web/pytest.ini": "[pytest]\n",
        "web/test_w.py": """
            from pathlib import Path

            def test_w():
                assert Path("data.txt").read_text() == "good"

            def test_v():
                pass
            """,
        "web/data.txt": "good",
    }
    project = Project(tmp_path / "project", files)
    with watching(world, project) as terminal:
        expect_summary(terminal, "3 passed")
        # A file outside of the project whose test imports it.
        project.write("common/shared_code.py", "x = 2\n")
        terminal.expect(r"^common/shared_code\.py changed: 1 test file$")
        expect_summary(terminal, "1 failed")
        # A file that a test of another project reads.
        project.write("web/data.txt", "bad")
        terminal.expect(r"^web/data\.txt changed: 1 test file$")
        expect_summary(terminal, "1 failed, 1 passed")
        terminal.type("f")
        expect_summary(terminal, "2 failed")
        terminal.type("pWEB\r")
        assert expect_summary(terminal, "1 failed, 1 passed") == " (path: WEB)"
        terminal.type("t")
        terminal.type("test_v\r")
        assert expect_summary(terminal, "1 passed, 1 deselected") == " (path: WEB, -k: test_v)"
        terminal.type("a")
        terminal.expect(READY)
        # A folder becomes a project of its own.
        project.write("web/sub/pytest.ini", "[pytest]\npython_files = check_*.py\n")
        project.write("web/sub/check_s.py", "def test_s():\n    pass\n")
        expect_summary(terminal, "1 passed")
        terminal.type("q")
        terminal.wait()
    assert not world.wait_until_gone()
