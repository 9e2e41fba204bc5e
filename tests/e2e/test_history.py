"""The history keeps the outcomes of runs between commands, and never delays a run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from command_line import lens
from editor import Editor
from world import DEADLINE, Project, World

#: The state lies outside of the project: its code stays the same.
WOBBLY = """
    import os
    import pathlib

    import pytest


    def test_wobbles():
        turns = pathlib.Path(os.environ["TURNS"])
        turn = len(turns.read_text())
        turns.write_text("x" * (turn + 1))
        assert turn % 2 == 0


    class TestStands:
        @pytest.mark.parametrize("letter", ["a", "b.c"])
        def test_stands(self, letter):
            assert letter
"""

WOBBLES = "tests/test_wobbly.py::test_wobbles"
STANDS = "tests/test_wobbly.py::TestStands::test_stands"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project", {"tests/test_wobbly.py": WOBBLY})


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """For every command here: a state folder of the test's own."""
    (tmp_path / "turns").touch()
    return {"TURNS": str(tmp_path / "turns"), "XDG_STATE_HOME": str(tmp_path / "state")}


def database(env: dict[str, str]) -> Path:
    """The file that the history is kept in."""
    (found,) = (Path(env["XDG_STATE_HOME"]) / "pytest-lens" / "history").glob("*.db")
    return found


def test_flakiness_is_proven_over_two_commands(
    world: World, project: Project, env: dict[str, str]
) -> None:
    nothing = lens(world, "flaky", cwd=project.root, env=env)
    assert (nothing.status, len(nothing.lines), nothing.err) == (0, 1, "")
    assert lens(world, "run", cwd=project.root, env=env).status == 0
    calm = lens(world, "flaky", cwd=project.root, env=env)
    assert (calm.status, calm.lines) == (
        0,
        ["No flaky tests among 3 tests with recorded outcomes."],
    )
    assert lens(world, "run", cwd=project.root, env=env).status == 1
    # It starts no Python.
    table = lens(world, "flaky", "--root", str(project.root), cwd=project.root.parent, env=env)
    assert table.status == 0 and table.err == ""
    (row,) = [line for line in table.lines if WOBBLES in line]
    assert row.split() == ["50", "%", "1", "2", ".F", "same", "code", WOBBLES]
    (told,) = lens(world, "flaky", "--json", cwd=project.root, env=env).json
    assert (told["id"], told["isFlaky"], told["evidence"]) == (WOBBLES, True, "same_code")
    assert told["recentOutcomes"] == ["passed", "failed"]


async def test_an_editor_hears_of_runs_at_a_terminal(
    world: World, project: Project, env: dict[str, str]
) -> None:
    lens(world, "run", cwd=project.root, env=env)
    editor = await Editor.start(world, project, settings={"env": env}, env=env)
    lens(world, "run", cwd=project.root, env=env)

    def hinted() -> list[dict[str, object]]:
        told = [message["params"]["hints"] for message in editor.sent("pytestLens/flakinessHint")]
        return [hint for hints in told for hint in hints if hint["id"] == WOBBLES]

    (hint, *_) = await editor.until(hinted, "the hint of what the terminal saw")
    assert hint["isFlaky"] and hint["evidence"] == "same_code"
    await editor.stop()


async def test_a_test_that_is_there_again_has_its_last_outcome(
    world: World, tmp_path: Path
) -> None:
    cut = "\n\ndef test_two():\n    assert 0\n"
    project = Project(tmp_path, {"test_a.py": f"def test_one():\n    pass\n{cut}"})
    editor = await Editor.start(world, project)
    document = editor.open("test_a.py")
    await editor.run({})
    await editor.until(document.diagnostics, "the failure")
    document.replace(cut, "")
    document.save()
    assert await editor.collected() == 1
    await editor.until(lambda: not document.diagnostics(), "the end of the failure")
    document.replace("    pass\n", f"    pass\n{cut}")
    document.save()
    (diagnostic,) = await editor.until(document.diagnostics, "the failure once more")
    assert diagnostic.range.start.line == document.line_of("assert 0")
    titles = (await document.titles())[document.line_of("def test_two")]
    assert any("failed" in title for title in titles), titles
    await editor.stop()


def test_a_damaged_history_does_not_fail_a_run(
    world: World, project: Project, env: dict[str, str]
) -> None:
    lens(world, "run", cwd=project.root, env=env)
    file = database(env)
    for garbage in [b"no database at all " * 100, b""]:
        for beside in file.parent.iterdir():
            if beside.name.startswith(file.name + "-"):
                beside.unlink()
        file.write_bytes(garbage)
        ran = lens(world, "run", STANDS, cwd=project.root, env=env)
        assert (ran.status, ran.err) == (0, "")
        assert "2 tests" in lens(world, "flaky", cwd=project.root, env=env).out
    (aside,) = file.parent.glob("*.damaged-*")
    assert aside.read_bytes().startswith(b"no database")
    doctor = lens(world, "doctor", cwd=project.root, env=env)
    assert aside.name in doctor.out and doctor.status == 0


@pytest.mark.parametrize("family", ["xunit1", "xunit2"])
def test_reports_of_plain_pytest_find_their_tests(
    world: World, project: Project, env: dict[str, str], family: str
) -> None:
    reports = []
    for number in range(2):
        report = project.root.parent / f"{family}-{number}.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        subprocess.run(
            [*command, "-o", f"junit_family={family}", f"--junit-xml={report}"],
            cwd=project.root,
            env=world.env(PYTHONDONTWRITEBYTECODE="1", **env),
            capture_output=True,
            timeout=DEADLINE,
        )
        reports.append(str(report))
    imported = lens(world, "history", "import", *reports, cwd=project.root, env=env)
    assert (imported.status, imported.err) == (0, "")
    assert imported.lines == [f"{report}: 3 outcomes of 3 tests recorded" for report in reports]
    again = lens(world, "history", "import", *reports, cwd=project.root, env=env)
    assert again.lines == [f"{report}: already recorded" for report in reports]
    # The code is unknown: it is only a suspicion.
    (told,) = lens(world, "flaky", "--json", cwd=project.root, env=env).json
    assert (told["id"], told["isFlaky"], told["evidence"]) == (WOBBLES, False, "across_changes")
    assert (told["totalRuns"], told["recentOutcomes"]) == (2, ["passed", "failed"])


def test_what_is_no_test_is_listed_and_what_is_no_report_is_refused(
    world: World, project: Project, env: dict[str, str]
) -> None:
    good = project.root.parent / "good.xml"
    good.write_text(
        "<testsuites><testsuite><testcase classname='tests.test_wobbly.TestStands'"
        " name='test_stands[b.c]'/><testcase classname='tests.gone' name='test_x[1]'/>"
        "</testsuite></testsuites>"
    )
    bad = project.root.parent / "bad.xml"
    bad.write_text("<testsuite>\n<testcase classname='tests.test_wobbly' name='test_wobbles'>")
    bomb = project.root.parent / "bomb.xml"
    bomb.write_text("<!DOCTYPE x [<!ENTITY a 'aaa'>]>\n<testsuite name='&a;'/>")
    files = [str(bad), str(good), str(bomb), str(project.root.parent / "none.xml")]
    told = lens(world, "history", "import", *files, "--json", cwd=project.root, env=env)
    assert told.status == 4
    assert told.json == [
        {
            "file": str(good),
            "outcomes": 1,
            "tests": 1,
            "alreadyRecorded": False,
            "unknown": ["tests.gone::test_x[1]"],
        }
    ]
    (of_bad, of_bomb, of_none) = told.err.splitlines()
    assert f"{bad}:2: " in of_bad
    assert f"{bomb}:1: " in of_bomb and "DOCTYPE" in of_bomb
    assert "none.xml can't be read" in of_none
    assert (
        "among 1 test with recorded outcomes" in lens(world, "flaky", cwd=project.root, env=env).out
    )
