"""`--affected`: a change counts until its tests have passed with it, whatever git says of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_affected import RECORDS, Project, pytestmark

pytestmark = [pytestmark, pytest.mark.skipif(not RECORDS, reason="nothing is recorded")]

FILES = {
    "pytest-lens.toml": 'runOnSave = "affected"\n',
    "pkg/__init__.py": "",
    "pkg/core.py": "def one():\n    return 1\n\n\ndef two():\n    return 2\n",
    "limit.txt": "2",
    "test_a.py": """
        from pathlib import Path
        from pkg import core

        def test_one(): assert core.one() == 1
        def test_two(): assert core.two() == int(Path("limit.txt").read_text())
    """,
    "test_b.py": "def test_nothing(): pass\n",
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path, FILES)


def change(project: Project, name: str, old: str, new: str) -> None:
    text = (project.root / name).read_text(encoding="utf-8")
    assert old in text
    project.write(name, text.replace(old, new))


def commit(project: Project) -> None:
    project.git("commit", "-q", "-a", "-m", "y")


def test_a_commit_is_no_pass(project: Project) -> None:
    change(project, "pkg/core.py", "return 1", "return 0")
    commit(project)
    assert project.affected() == {"test_one"}
    told = project.run("--affected", "--explain", "test_a.py::test_one").stdout
    assert "`pkg/core.py::one`, which it uses, changed since" in told
    assert project.run("--affected").returncode == 1


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [("pkg/core.py", "return 2", "return 3"), ("limit.txt", "2", "3")],
)
def test_a_tree_that_goes_back_to_a_broken_base_is_not_green(
    project: Project, name: str, good: str, bad: str
) -> None:
    change(project, name, good, bad)
    commit(project)
    change(project, name, bad, good)
    assert project.run("--affected").returncode == 0
    assert project.affected() == set()
    project.git("checkout", "-q", "--", ".")
    assert project.affected() == {"test_two"}
    assert project.run("--affected").returncode == 1


def test_a_branch_on_which_no_test_has_run(project: Project) -> None:
    project.git("checkout", "-q", "-b", "other")
    change(project, "pkg/core.py", "return 2", "return 3")
    commit(project)
    project.git("checkout", "-q", "-")
    assert project.affected() == set()
    project.git("checkout", "-q", "other")
    assert project.affected() == {"test_two"}


def test_an_earlier_change_does_not_hide_a_later_one(project: Project) -> None:
    change(project, "pkg/core.py", "return 1", "return 1.0")
    commit(project)
    change(project, "pkg/core.py", "return 2", "return 3")
    assert project.affected() == {"test_one", "test_two"}
    assert project.run("--affected").returncode == 1
    assert project.affected() == {"test_two"}, "the other one has passed"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("test_new.py", "def test_new(): assert 0\n", {"test_new"}),
        ("test_b.py", "def test_nothing(): pass\ndef test_more(): assert 0\n", {"test_more"}),
        (
            "test_b.py",
            'import pytest\n@pytest.mark.parametrize("x", [0, 1])\ndef test_nothing(x): assert x\n',
            {"test_nothing[0]", "test_nothing[1]"},
        ),
    ],
)
def test_a_test_that_has_never_run_counts_though_others_have(
    project: Project, name: str, text: str, expected: set[str]
) -> None:
    project.write(name, text)
    project.git("add", "-A")
    commit(project)
    assert project.run("test_a.py").returncode == 0
    assert expected <= project.affected()
    assert project.run("--affected").returncode == 1
