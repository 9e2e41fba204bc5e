"""A session collects the files of its arguments, and pytest's work for their neighbours is left
out unless somebody could see it.
"""

from __future__ import annotations

import pytest
from conftest import Project
from fake_engine import Message, run

RECORDER = """
import pytest
made = []
original = pytest.Module.from_parent.__func__
def from_parent(cls, parent, **named):
    made.append(named["path"].name)
    return original(cls, parent, **named)
pytest.Module.from_parent = classmethod(from_parent)
"""
TEST = "import conftest\ndef test_it(): raise RuntimeError(conftest.made)\n"
FILES = {
    "conftest.py": RECORDER,
    **{f"{folder}test_{name}.py": TEST for folder in ("", "sub/") for name in "abc"},
    "sub/__init__.py": "",
    "sub/deeper/test_d.py": TEST,
}


def made(project: Project, files: dict[str, str], *args: str) -> str:
    engine = project(files)
    host = engine.collected(args=list(args))
    assert sorted({node["path"] for node in host.nodes()}) == sorted(args)
    ids = [node["id"] for node in host.nodes()][:1]
    verdict: Message = run(engine.fork(host, "runner"), ids)[ids[0]]
    return str(verdict["message"])


@pytest.mark.parametrize("folder", ["", "sub/"])
def test_neighbours_of_a_file_are_not_collected(project: Project, folder: str) -> None:
    text = made(project, FILES, f"{folder}test_b.py")
    assert [text.count(f"test_{name}.py") for name in "abc"] == [0, 1, 0]


def test_a_folder_is_collected_once_for_all_files_in_it(project: Project) -> None:
    args = ("sub/test_a.py", "sub/test_c.py", "sub/deeper/test_d.py", "test_b.py")
    text = made(project, FILES, *args)
    assert [text.count(name) for name in ("test_a.", "test_b.", "test_c.", "test_d.")] == [1] * 4


@pytest.mark.parametrize(
    "hook",
    ["collect_file(file_path, parent)", "ignore_collect(collection_path)", "collectreport(report)"],
)
def test_hooks_of_the_project_see_the_neighbours(project: Project, hook: str) -> None:
    conftest = f"{RECORDER}def pytest_{hook}: pass\n"
    if int(pytest.__version__.split(".")[0]) >= 8:
        text = made(project, {**FILES, "conftest.py": conftest}, "test_b.py")
        assert all(name in text for name in ("test_a.py", "test_b.py", "test_c.py"))


def test_a_folder_among_the_arguments_is_collected_as_a_whole(project: Project) -> None:
    host = project(FILES).collected(args=["sub", "test_b.py"])
    paths = {node["path"] for node in host.nodes()}
    assert paths == {
        "test_b.py",
        "sub/deeper/test_d.py",
        *(f"sub/test_{name}.py" for name in "abc"),
    }
