"""That `run --affected` sees what git does not report, and what lies next to the project."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from test_affected import FILES, RECORDS, Project, pytestmark

__all__ = ["pytestmark"]

SETTINGS = {"pytest-lens.toml": FILES["pytest-lens.toml"]}


@pytest.mark.skipif(not RECORDS, reason="nothing is recorded")
def test_sources_that_git_ignores_count_when_they_go(tmp_path: Path) -> None:
    files = {
        **SETTINGS,
        ".gitignore": "_version.py\n",
        "_version.py": "V = '1'\n",
        "app.py": """
            def version():
                try:
                    from _version import V
                except ImportError:
                    V = "0"
                return V
        """,
        "test_a.py": """
            import app
            def test_version(): assert app.version() == "1"
            def test_none(): pass
        """,
    }
    project = Project(tmp_path, files)
    assert project.affected() == set()
    (project.root / "_version.py").unlink()
    assert "test_version" in project.affected()


@pytest.mark.skipif(not RECORDS, reason="nothing is recorded")
def test_ignored_files_in_other_folders_of_the_repository_count(tmp_path: Path) -> None:
    files = {
        ".gitignore": ".env\nmade/\n",
        ".env": "1",
        "made/x.json": "1",
        "shared.txt": "1",
        "app/pytest-lens.toml": FILES["pytest-lens.toml"],
        "app/pytest.ini": "[pytest]\n",
        "app/test_a.py": """
            def test_variables(): assert open("../.env").read() == "1"
            def test_made(): assert open("../made/x.json").read() == "1"
            def test_shared(): assert open("../shared.txt").read() == "1"
            def test_none(): pass
        """,
    }
    project = Project(tmp_path, files, "app")
    assert project.affected() == set()
    project.write(".env", "2")
    assert project.affected() == {"test_variables"}
    project.write("made/x.json", "2")
    assert project.affected() == {"test_variables", "test_made"}


def test_a_source_next_to_an_upper_conftest_reaches_every_test(tmp_path: Path) -> None:
    files = {
        "pytest.ini": "[pytest]\npythonpath = .\n",
        "conftest.py": """
            import pytest
            from common.limits import get
            @pytest.fixture
            def limit(): return get()
        """,
        "common/__init__.py": "",
        "common/limits.py": "def get():\n    return 3\n",
        "app/pytest-lens.toml": FILES["pytest-lens.toml"],
        "app/test_a.py": "def test_limit(limit): assert limit == 3\n",
    }
    project = Project(tmp_path, files, "app")
    assert project.affected() == set()
    project.write("common/limits.py", "def get():\n    return 4\n")
    assert project.affected() == {"test_limit"}


@pytest.mark.skipif(not RECORDS, reason="nothing is recorded")
def test_a_link_that_leads_elsewhere_counts_for_who_resolves_it(tmp_path: Path) -> None:
    files = {
        **SETTINGS,
        "one/d.txt": "1",
        "two/d.txt": "1",
        "test_a.py": """
            import pathlib
            def test_name(): assert pathlib.Path("current").resolve().name == "one"
            def test_none(): pass
        """,
    }
    project = Project(tmp_path, files, links={"current": "one"})
    assert project.affected() == set()
    (project.root / "current").unlink()
    os.symlink("two", project.root / "current")
    assert project.affected() == {"test_name"}


@pytest.mark.skipif(not RECORDS, reason="nothing is recorded")
def test_names_of_any_kind_and_their_kinds_count_in_a_listing(tmp_path: Path) -> None:
    files = {
        **SETTINGS,
        "docs/one.md": "",
        "docs/two.md": "",
        "test_a.py": """
            import os
            def test_listed(): assert sum(len(files) for _, _, files in os.walk("docs")) == 2
            def test_none(): pass
        """,
    }
    project = Project(tmp_path, files)
    (project.root / "docs/two.md").unlink()
    (project.root / "docs/two.md").mkdir()
    assert project.affected() == {"test_listed"}
    (project.root / "docs/two.md").rmdir()
    project.write("docs/two.md", "")
    assert project.affected() == set()
    if sys.platform == "linux":  # others have no such names
        with open(os.fsencode(project.root) + b"/docs/caf\xe9.md", "w", encoding="utf-8"):
            pass
        assert project.affected() == {"test_listed"}
