"""`pytest-lens run --affected`: the tests that a change can reach, and why."""

from __future__ import annotations

import os
import py_compile
import shutil
import subprocess
from pathlib import Path

import pytest
from command_line import lens
from world import Project, World

HIGH_TEST = """
    from pkg import high


    def test_high():
        assert high.core.x
"""

OTHER_TEST = """
    import pytest


    @pytest.mark.parametrize("i", [1, 2])
    def test_o(i):
        pass
"""

FILES = {
    "app/pytest.ini": "[pytest]\npythonpath = .\n",
    "app/pkg/__init__.py": "",
    "app/pkg/core.py": "x = 1\n",
    "app/pkg/high.py": "from . import core\n",
    "app/tests/test_high.py": HIGH_TEST,
    "app/tests/test_öther one.py": OTHER_TEST,
    "elsewhere.json": "{}",
}
HIGH = "tests/test_high.py::test_high"


def git(root: Path, *words: str) -> None:
    settings = ["-c", "user.name=x", "-c", "user.email=x@x", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *settings, *words], cwd=root, check=True, capture_output=True)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A repository whose project is a folder below its top."""
    project = Project(tmp_path / "repo", FILES)
    project.write(".gitignore", "__pycache__\n")
    git(project.root, "init", "-q", "-b", "main")
    git(project.root, "add", "-A")
    git(project.root, "commit", "-q", "-m", "x")
    return project


def test_only_what_a_change_reaches_runs(world: World, project: Project) -> None:
    app = project.root / "app"

    def run(*arguments: str) -> tuple[int, str, str]:
        told = lens(world, "run", *arguments, cwd=app)
        return told.status, told.out, told.err

    told = lens(world, "run", "--affected", cwd=app)
    assert (told.status, told.sentence) == (
        0,
        "3 tests left out: no file changed since the last commit",
    )
    project.write("elsewhere.json", "[]")  # outside of the project
    assert run("--affected")[0] == 0
    project.write("app/pkg/core.py", "x = 0\n")
    status, out, _ = run("--affected")
    assert status == 1
    assert f"FAILED {HIGH}" in out and "öther" not in out
    assert "2 tests left out: no change since the last commit reaches them\n" in out
    assert run("--affected", "--collect-only")[1] == f"{HIGH}\n"
    assert run("--affected", "-k", "other", "--json")[0] == 5
    way = "tests/test_high.py imports pkg/high.py, which imports pkg/core.py, which changed"
    said = f"{HIGH} would run: {way} since the last commit.\n"
    assert run("--affected", "--explain", HIGH) == (0, said, "")
    assert "would not run" in run("--affected", "--explain", "tests/test_öther one.py")[1]
    # Files that tools leave behind reach nothing.
    project.write("app/env/pyvenv.cfg", "")
    project.write("app/tests/__pycache__/left.pyc", "")
    project.write(".gitignore", "")
    assert run("--affected", "--collect-only")[1] == f"{HIGH}\n"
    # The change is committed: seen from the last commit nothing changed, but a failure is affected.
    git(project.root, "checkout", "-q", "-b", "work")
    git(project.root, "commit", "-q", "-a", "-m", "y")
    assert run("--affected", "--collect-only")[1] == f"{HIGH}\n"
    project.write("app/tests/test_öther one.py", "def test_new():\n    pass\n")
    assert lens(world, "run", "--affected=main", "--json", cwd=app).outcomes == {
        HIGH: "failed",
        "tests/test_öther one.py::test_new": "passed",
    }
    # The importer of a deleted module fails, and must run.
    (app / "pkg/core.py").unlink()
    assert run("--affected", "--json")[0] == 2
    project.write("app/data.csv", "")
    assert "Every test may depend on it" in run("--affected", "--explain", HIGH)[1]


def test_a_module_without_a_source_reaches_its_importers(world: World, project: Project) -> None:
    app = project.root / "app"
    source = app / "pkg/core.py"
    source.write_text("x = 0\n")
    py_compile.compile(str(source), str(app / "pkg/core.pyc"), doraise=True)
    source.unlink()
    told = lens(world, "run", "--affected", "--json", cwd=app)
    assert told.status == 1
    assert told.outcomes[HIGH] == "failed"


def test_what_git_cannot_compare_is_a_sentence(
    world: World, project: Project, tmp_path: Path
) -> None:
    app = project.root / "app"
    told = lens(world, "run", "--affected=mian", cwd=app)
    assert (told.status, told.sentence) == (4, "git knows no commit `mian`; did you mean `main`?")
    alone = Project(tmp_path / "alone", {"test_a.py": "def test_a(): pass\n"})
    told = lens(world, "run", "--affected", cwd=alone.root)
    sentence = f"`--affected` compares with git, but `{alone.root}` is in no git repository"
    assert (told.status, told.sentence) == (4, sentence)
    (alone.root / "test_a.py").unlink()
    git(alone.root, "init", "-q")
    assert lens(world, "run", "--affected", cwd=alone.root).status == 5, "as without it"
    told = lens(world, "run", "--affected", cwd=app, env={"PATH": str(tmp_path)})
    assert (told.status, told.sentence) == (4, "`--affected` needs git, which is not on the PATH")


def test_what_a_person_asks_for_is_collected_where_nothing_is_in_advance(
    world: World, tmp_path: Path
) -> None:
    conftest = "from pathlib import Path\n\nPath('log.txt').write_text('imported')\n"
    files = {"pytest.ini": "[pytest]\n", "conftest.py": conftest, "test_o.py": OTHER_TEST}
    root = Project(tmp_path / "logs", files).root
    git(root, "init", "-q")
    told = lens(world, "run", "--affected", "--explain", "test_o.py::test_x", cwd=root)
    sentence = "there is no test `test_o.py::test_x`; did you mean `test_o.py::test_o`?"
    assert (told.status, told.sentence) == (4, sentence)
    told = lens(world, "doctor", cwd=root)
    assert told.status == 0 and " 2 collected in " in told.out, told


def test_where_collecting_has_effects_the_present_tests_count(world: World, tmp_path: Path) -> None:
    conftest = "from pathlib import Path\n\nPath('log.txt').write_text('imported')\n"
    bad = "def test_bad():\n    assert 0\n\ndef test_good():\n    pass\n"
    project = Project(tmp_path / "logs", {"conftest.py": conftest, "test_a.py": bad})
    project.write(".gitignore", "log.txt\n__pycache__\n")
    git(project.root, "init", "-q")
    git(project.root, "add", "-A")
    git(project.root, "commit", "-q", "-m", "x")
    assert lens(world, "run", cwd=project.root).status == 1
    told = lens(world, "run", "--lf", "--json", cwd=project.root)
    assert told.outcomes == {"test_a.py::test_bad": "failed"}, "not all, as if none had failed"
    project.write("test_new.py", "def test_new():\n    pass\n")
    told = lens(world, "run", "--affected", "--json", cwd=project.root)
    assert set(told.outcomes) == {"test_a.py::test_bad", "test_new.py::test_new"}


def test_a_file_that_goes_after_the_selection_is_left_out(world: World, tmp_path: Path) -> None:
    files = {"test_a.py": "def test_a():\n    pass\n", "test_b.py": "def test_b():\n    assert 0\n"}
    project = Project(tmp_path / "project", files)
    git(project.root, "init", "-q")
    git(project.root, "add", "-A")
    git(project.root, "commit", "-q", "-m", "x")
    assert lens(world, "run", cwd=project.root).status == 1
    # The command asks git for the changes when it has collected: then the file goes.
    real = shutil.which("git")
    shim = tmp_path / "bin" / "git"
    shim.parent.mkdir()
    gone = f'case "$*" in *ls-files*) rm -f "{project.root}/test_b.py";; esac'
    shim.write_text(f'#!/bin/sh\n{gone}\nexec "{real}" "$@"\n')
    shim.chmod(0o755)
    project.write("test_a.py", "def test_a():\n    pass  # edited\n\ndef test_c():\n    pass\n")
    path = f"{shim.parent}{os.pathsep}{os.environ['PATH']}"
    told = lens(world, "run", "--affected", "--json", cwd=project.root, env={"PATH": path})
    assert told.outcomes == {"test_a.py::test_a": "passed", "test_a.py::test_c": "passed"}, told


@pytest.mark.parametrize("is_committed", [False, True])
def test_a_folder_that_cannot_be_collected_is_never_left_out(
    world: World, project: Project, is_committed: bool
) -> None:
    app = project.root / "app"
    project.write("app/part/__init__.py", "")
    project.write("app/part/test_part.py", "def test_part(): pass\n")
    git(project.root, "add", "-A")
    git(project.root, "commit", "-q", "-m", "a part")
    assert lens(world, "run", cwd=app).status == 0
    project.write("app/part/conftest.py", "raise RuntimeError('no')\n")
    if is_committed:
        git(project.root, "add", "-A")
        git(project.root, "commit", "-q", "-m", "a broken part")
    for arguments in (
        ["--affected"],
        ["--affected", "part"],
        ["--affected", "part/test_part.py"],
        ["--affected", "--collect-only"],
    ):
        told = lens(world, "run", *arguments, cwd=app)
        assert told.status in (2, 4), told
        assert "part/conftest.py:1" in told.out + told.err, told
    said = lens(world, "run", "--affected", "--explain", "part/test_part.py", cwd=app)
    why = "part/test_part.py uses part/conftest.py, which changed since the last commit"
    why = "part/conftest.py could not be collected" if is_committed else why
    assert said.out == f"part/test_part.py would run: {why}.\n"
    assert lens(world, "run", "--affected", "tests", cwd=app).status == 0
