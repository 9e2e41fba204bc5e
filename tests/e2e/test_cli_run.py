"""`pytest-lens run`: its selections, its output, and its exit status."""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import schema
from command_line import KINDS, Told, lens
from world import DEADLINE, Project, World, binary

FILES = {
    "pytest.ini": "[pytest]\nmarkers = slow: slow\n",
    "test_kinds.py": KINDS,
    "sub/test_sub.py": "def test_sub():\n    pass\n",
}

OUTCOMES = {
    "sub/test_sub.py::test_sub": "passed",
    "test_kinds.py::test_good": "passed",
    "test_kinds.py::test_bad": "failed",
    "test_kinds.py::test_number[1]": "passed",
    "test_kinds.py::test_number[2]": "passed",
    "test_kinds.py::TestGroup::test_slow": "passed",
    "test_kinds.py::TestGroup::test_skipped": "skipped",
    "test_kinds.py::test_error": "error",
    "test_kinds.py::test_expected": "xfailed",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("run"), FILES)


def run(world: World, project: Project, *arguments: str) -> Told:
    return lens(world, "run", *arguments, cwd=project.root)


@pytest.mark.parametrize("mode", ["embedded", "subprocess", "auto"])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_events(world: World, project: Project, mode: str, workers: str) -> None:
    told = run(world, project, "--json", "--mode", mode, "-n", workers)
    assert told.status == 1
    assert told.err == ""
    assert told.outcomes == OUTCOMES
    events = [line["event"] for line in told.json]
    assert events[0] == "runStarted" and events[-1] == "runFinished"
    assert Counter(events)["runStarted"] == Counter(events)["runFinished"] == 1
    assert set(events) <= {"runStarted", "testStarted", "testOutcome", "output", "runFinished"}
    for line in told.json:
        schema.check_line(line)
        assert line["runId"] == told.json[0]["runId"]
    started: set[str] = set()
    for line in told.json:
        started |= set(line["ids"]) if line["event"] == "testStarted" else set()
        if line["event"] == "testOutcome":
            assert {one["id"] for one in line["outcomes"]} <= started
    counts = told.json[-1]["counts"]
    assert {name: counts[name] for name in ("total", "passed", "failed", "skipped", "errors")} == {
        "total": 9,
        "passed": 5,
        "failed": 1,
        "skipped": 2,
        "errors": 1,
    }


def test_text(world: World, project: Project) -> None:
    told = run(world, project, "-v")
    assert told.status == 1
    assert "\x1b" not in told.out, "colours without a terminal"
    assert any("test_kinds.py::test_good" in line and "PASSED" in line for line in told.lines)
    assert any("test_kinds.py::test_error" in line and "ERROR" in line for line in told.lines)
    for part in (
        'assert {"a": 1} == {"a": 2}',
        "RuntimeError: no set-up",
        "printed before",
        "FAILED test_kinds.py::test_bad",
        "ERROR test_kinds.py::test_error",
        "not today",
    ):
        assert part in told.out, part
    last = told.lines[-1]
    for part in ("1 failed", "5 passed", "1 skipped", "1 xfailed", "1 error"):
        assert part in last, last


def ids(*wanted: str) -> dict[str, str]:
    """The outcomes of the tests whose ids begin so."""
    return {id: outcome for id, outcome in OUTCOMES.items() if id.startswith(wanted)}


@pytest.mark.parametrize(
    ("arguments", "expected", "status"),
    [
        (["test_kinds.py::test_good"], ids("test_kinds.py::test_good"), 0),
        (["test_kinds.py::test_number"], ids("test_kinds.py::test_number"), 0),
        (["test_kinds.py::test_number[2]"], ids("test_kinds.py::test_number[2]"), 0),
        (["test_kinds.py::TestGroup"], ids("test_kinds.py::TestGroup"), 0),
        (["sub"], ids("sub/"), 0),
        (["./sub/"], ids("sub/"), 0),
        (
            ["sub/../sub/test_sub.py", "test_kinds.py::test_good"],
            ids("sub/", "test_kinds.py::test_good"),
            0,
        ),
        (["-k", "number and not 2"], ids("test_kinds.py::test_number[1]"), 0),
        (["-m", "slow"], ids("test_kinds.py::TestGroup::test_slow"), 0),
        (["-m", "slow", "-k", "good"], {}, 5),
        (["test_kinds.py::test_bad"], ids("test_kinds.py::test_bad"), 1),
        (["test_kinds.py::test_error"], ids("test_kinds.py::test_error"), 1),
        (["-k", "nothing_is_called_so"], {}, 5),
    ],
)
def test_selection(
    world: World, project: Project, arguments: list[str], expected: dict[str, str], status: int
) -> None:
    told = run(world, project, "--json", *arguments)
    assert told.outcomes == expected
    assert told.status == status, told.err


def test_from_elsewhere(world: World, project: Project) -> None:
    absolute = str(project.root / "sub" / "test_sub.py")
    told = lens(
        world, "run", "--json", "--root", str(project.root), absolute, cwd=project.root / "sub"
    )
    assert (told.outcomes, told.status) == (ids("sub/"), 0)


def test_maxfail(world: World, project: Project) -> None:
    told = run(world, project, "--json", "--maxfail", "1", "-n", "1", "test_kinds.py")
    # As with xdist's `-n`: the run is interrupted.
    assert told.status == 2
    assert Counter(told.outcomes.values())["failed"] == 1
    assert told.outcomes["test_kinds.py::test_error"] == "not_run"


def test_a_broken_file(world: World, tmp_path: Path) -> None:
    project = Project(
        tmp_path,
        {"test_fine.py": "def test_fine(): pass\n", "test_broken.py": "import nowhere_at_all\n"},
    )
    told = run(world, project)
    assert told.status == 2
    assert "test_broken.py" in told.out and "nowhere_at_all" in told.out
    assert "in exec_module" not in told.out, "the loader is hidden, as pytest's own is"
    told = run(world, project, "test_fine.py")
    assert told.status == 0, "it was not asked for"
    told = run(world, project, "--json", "test_broken.py")
    assert told.status == 2
    assert "test_broken.py" in told.err and "nowhere_at_all" in told.err


def test_ctrl_c_stops_the_run(world: World, tmp_path: Path) -> None:
    text = """
        import pathlib
        import time


        def wait(name):
            while not pathlib.Path(name).exists():
                time.sleep(0.01)


        def test_long():
            pathlib.Path("started").touch()
            print("waiting")
            wait("go-on")


        def test_next():
            wait("go-on-again")


        def test_last():
            pass
    """
    project = Project(tmp_path, {"test_long.py": text})
    process = subprocess.Popen(
        [binary(), "run", "--json", "-n", "1"],
        cwd=project.root,
        env=world.env(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stderr is not None
    lines = [process.stdout.readline() for _ in range(2)]
    assert "test_long" in lines[1]
    process.send_signal(signal.SIGINT)
    note = process.stderr.readline()
    assert "stopping" in note
    (project.root / "go-on").touch()
    # The start of one more test may already be on its way to the runner.
    for line in process.stdout:
        lines.append(line)
        if '"testStarted"' in line and "test_next" in line:
            (project.root / "go-on-again").touch()
    process.communicate(timeout=DEADLINE)
    told = Told(process.returncode, "".join(lines), "")
    outcomes = told.outcomes
    assert outcomes.pop("test_long.py::test_next") in ("passed", "not_run")
    assert outcomes == {"test_long.py::test_long": "passed", "test_long.py::test_last": "not_run"}
    assert told.status == 2
    assert told.json[-1]["status"] == "stopped"


def test_a_reader_that_goes_ends_it_quietly(world: World, project: Project) -> None:
    process = subprocess.Popen(
        [binary(), "run", "--json"],
        cwd=project.root,
        env=world.env(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    errors = process.stderr.read()
    process.wait(timeout=DEADLINE)
    assert errors == b""
    process.stderr.close()


USAGE = [
    (["run", "--root", "nowhere"], ["nowhere", "--root"]),
    (["run", "--root", "test_kinds.py"], ["test_kinds.py", "folder"]),
    (["run", "no/such/test_x.py"], ["no/such/test_x.py", "not found"]),
    (["run", "test_kinds.py::test_nothing"], ["test_kinds.py::test_nothing"]),
    (["run", "-k", "and and"], ["and and"]),
    (["run", "-m", "slow and ("], ["slow and ("]),
    (["run", "-n", "many"], ["many", "-n"]),
    (["run", "--mode", "warm"], ["warm", "--mode"]),
    (["run", "--jsn"], ["--jsn", "--json"]),
    (["run", "../outside"], ["../outside", "root"]),
    (["rum"], ["rum", "run"]),
    (["list", "-k", "and and"], ["and and"]),
    (["list", "--static", "-k", "x"], ["--static", "-k"]),
    (["list", "--root", "nowhere"], ["nowhere"]),
    (["doctor", "--root", "nowhere"], ["nowhere"]),
]


@pytest.mark.parametrize(
    ("arguments", "named"), USAGE, ids=lambda value: " ".join(value) or "nothing"
)
def test_a_wrong_argument_is_one_sentence(
    world: World, project: Project, arguments: list[str], named: list[str]
) -> None:
    told = lens(world, *arguments, cwd=project.root)
    assert told.status == 4
    assert all(part in told.sentence for part in named), told.err


def test_no_interpreter(world: World, project: Project, tmp_path: Path) -> None:
    env = {"PATH": str(tmp_path), "VIRTUAL_ENV": str(tmp_path)}
    for command in ("run", "list"):
        told = lens(world, command, cwd=project.root, env=env)
        assert told.status == 4
        assert "no Python found" in told.sentence and "venv" in told.sentence


def test_python_without_pytest(world: World, project: Project, tmp_path: Path) -> None:
    make = [sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "env")]
    subprocess.run(make, check=True, timeout=DEADLINE, capture_output=True)
    env = {"VIRTUAL_ENV": str(tmp_path / "env")}
    # However fast the interpreter is gone again.
    for _ in range(8):
        told = lens(world, "run", cwd=project.root, env=env)
        assert told.status == 4
        assert os.fspath(tmp_path / "env") in told.sentence and "install" in told.sentence


GOOD = "def test_good():\n    pass\n"
EXITS = "import pytest\n\n\ndef test_a():\n    pytest.exit('enough')\n"
HOOK = "def pytest_runtest_protocol():\n    raise OSError('disk')\n"
SLOW_HOOK = "import time\n\n\ndef pytest_internalerror():\n    time.sleep(1)\n\n\n" + HOOK

#: A project's files, the arguments, and the status with which pytest ends.
ENDINGS: dict[str, tuple[dict[str, str], list[str], int]] = {
    "passed": ({"test_a.py": GOOD}, [], 0),
    "failed": ({"test_a.py": GOOD, "test_b.py": "def test_bad():\n    assert 0\n"}, [], 1),
    "broken file": ({"test_a.py": GOOD, "test_b.py": "import nowhere_at_all\n"}, [], 2),
    "interrupted": ({"test_a.py": "def test_a():\n    raise KeyboardInterrupt\n"}, [], 2),
    "exit": ({"test_a.py": EXITS}, [], 2),
    "internal error": ({"test_a.py": GOOD, "conftest.py": HOOK}, [], 3),
    "slow internal error": ({"test_a.py": GOOD, "conftest.py": SLOW_HOOK}, [], 3),
    "deselected": ({"test_a.py": GOOD}, ["-k", "other"], 5),
    "nothing": ({"a.py": GOOD}, [], 5),
    "unknown option": ({"test_a.py": GOOD, "pytest.ini": "[pytest]\naddopts = --nope\n"}, [], 4),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_it_ends_as_pytest_does(world: World, tmp_path: Path, name: str) -> None:
    files, arguments, status = ENDINGS[name]
    project = Project(tmp_path, files)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    env = world.env(PYTHONDONTWRITEBYTECODE="1")
    plain = subprocess.run(
        command, cwd=project.root, env=env, capture_output=True, timeout=DEADLINE, check=False
    )
    assert plain.returncode == status
    told = run(world, project, *arguments)
    assert told.status == status, told


def test_a_broken_conftest(world: World, tmp_path: Path) -> None:
    conftest = 'raise RuntimeError("the database is down")\n'
    project = Project(
        tmp_path, {"test_fine.py": "def test_fine(): pass\n", "conftest.py": conftest}
    )
    plain = subprocess.run(
        [sys.executable, "-m", "pytest"],
        cwd=project.root,
        env=world.env(),
        capture_output=True,
        timeout=DEADLINE,
    )
    told = run(world, project)
    assert told.status == plain.returncode == 4
    assert "conftest.py" in told.sentence and "the database is down" in told.sentence


def test_a_broken_configuration(world: World, tmp_path: Path) -> None:
    project = Project(
        tmp_path,
        {"test_fine.py": "def test_fine(): pass\n", "pytest.ini": "[pytest]\naddopts = --nope\n"},
    )
    told = run(world, project)
    assert told.status == 4
    assert "--nope" in told.sentence


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    world = World(tmp_path / "home")
    project = Project(tmp_path / "project", FILES)
    for arguments in (["run"], ["run", "--mode", "subprocess"], ["run", "-k", "good"], ["list"]):
        lens(world, *arguments, cwd=project.root)
        assert world.sockets() == [], arguments
        assert world.processes() == {}, arguments


def test_nothing_is_written_into_the_project(world: World, tmp_path: Path) -> None:
    project = Project(tmp_path, FILES)
    assert run(world, project).status == 1
    found = {
        str(path.relative_to(project.root)) for path in project.root.rglob("*") if path.is_file()
    }
    assert found == set(FILES)


def test_timings_add_up(world: World, project: Project) -> None:
    told = run(world, project, "--timings", "-n", "2")
    assert told.status == 1
    start = next(index for index, line in enumerate(told.lines) if " where " in line)
    table = told.lines[start:-1]
    assert len(table) <= 30, told.out
    for title in (
        table[0],
        next(line for line in table if line.startswith("the time of 2 runners")),
    ):
        rows = itertools.takewhile(
            lambda line: line.startswith(" "), table[table.index(title) + 1 :]
        )
        times = [milliseconds(row) for row in rows]
        assert len(times) >= 3 and sum(times) == milliseconds(title), told.out
    assert "bodies of 7 tests" in told.out, "one is skipped, and one has no fixture"
    assert "imports: alone" in told.out


def milliseconds(line: str) -> int:
    """The first time in a line of the table."""
    found = re.search(r"(\d+)\.(\d{3})s", line)
    assert found, line
    return int(found[1] + found[2])


@pytest.mark.parametrize(
    ("arguments", "outcomes"),
    [
        (["--lf", "--deselect=test_a.py::test_b"], {"test_a.py::test_d": "failed"}),
        (
            ["--sw", "--deselect=test_a.py::test_b"],
            {"test_a.py::test_d": "failed"},
        ),
        # None that failed is left.
        (["--lf", "--ignore=test_a.py"], {"test_z.py::test_z": "passed"}),
    ],
)
def test_last_failures_that_are_left_out_do_not_run(
    world: World, tmp_path: Path, arguments: list[str], outcomes: dict[str, str]
) -> None:
    tests = "".join(f"def test_{n}(): assert {n not in 'bd'}\n" for n in "abcd")
    files = {"test_a.py": tests, "test_z.py": "def test_z(): pass\n"}
    project = Project(tmp_path / "project", files)
    assert run(world, project).status == 1
    listed = run(world, project, *arguments, "--co", "-q").out.split()
    told = run(world, project, *arguments, "--json")
    ran = {id: outcome for id, outcome in told.outcomes.items() if outcome != "not_run"}
    assert ran == outcomes
    assert set(outcomes) <= set(listed) and "test_a.py::test_b" not in listed
