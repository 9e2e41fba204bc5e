"""Settings in `pyproject.toml` and `pytest-lens.toml`, which every client reads."""

from __future__ import annotations

from pathlib import Path

from command_line import lens
from editor import Editor
from world import Project, World

FILES = {
    "pyproject.toml": """
        [tool.pytest-lens]
        arguments = ["-k", "first"]
        env = { WHICH = "file" }
        execution-mode = "subprocess"
        worker = 2
    """,
    "test_x.py": """
        import os


        def test_first():
            assert os.environ.get("WHICH") == "file"


        def test_second():
            pass
    """,
}

MISTAKE = "pyproject.toml, line 5: `worker` is no setting; did you mean `workers`?"


def test_the_command_line_reads_them_and_its_options_go_over_them(
    world: World, tmp_path: Path
) -> None:
    project = Project(tmp_path, FILES)
    run = lens(world, "run", "--json", cwd=project.root)
    assert run.outcomes == {"test_x.py::test_first": "passed"}
    assert (run.status, run.err) == (0, f"pytest-lens: {MISTAKE}\n")
    run = lens(world, "run", "--json", "-k", "second", cwd=project.root)
    assert run.outcomes == {"test_x.py::test_second": "passed"}
    assert lens(world, "list", cwd=project.root).lines == ["test_x.py::test_first"]
    only = lens(world, "run", "--collect-only", "-q", cwd=project.root)
    assert only.lines[0] == "test_x.py::test_first"
    assert "test_second" not in only.out, "pytest's own command has the arguments, too"
    doctor = lens(world, "doctor", cwd=project.root)
    assert 'env.WHICH = "file"\n                   from pyproject.toml, line 3' in doctor.out
    assert f"wrong  setting   {MISTAKE}" in doctor.out
    assert "subprocess, by `executionMode` in pyproject.toml, line 4" in doctor.out
    assert doctor.status == 1
    project.write("pytest-lens.toml", 'pythonPath = "nowhere/python"\n')
    run = lens(world, "run", cwd=project.root)
    assert run.status == 4
    assert "`pythonPath` in pytest-lens.toml: the Python interpreter" in run.err
    assert "pyproject.toml, line 1: [tool.pytest-lens] does not count" in run.err


async def test_an_editors_run_has_them_and_a_changed_file_needs_no_restart(
    world: World, tmp_path: Path
) -> None:
    project = Project(tmp_path, FILES)
    editor = await Editor.start(world, project)
    run = await editor.run({})
    assert run.outcomes == {"test_first": "passed"}
    project.write("pyproject.toml", '[tool.pytest-lens]\nenv.WHICH = "other"\n')
    run = await editor.run({})
    assert run.outcomes == {"test_first": "failed", "test_second": "passed"}
    await editor.stop()
