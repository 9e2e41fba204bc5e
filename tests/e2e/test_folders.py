"""Several folders in one editor: each has its own tests, runs and numbers; they come and go."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
import schema
from editor import Editor
from lsprotocol import types
from world import Project, World

SAME = "import os\n\n\ndef test_same():\n    assert os.path.basename(os.getcwd()) == {name!r}\n"


@pytest_asyncio.fixture(scope="module")
async def editor(world: World, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Editor]:
    base = tmp_path_factory.mktemp("folders")
    projects = [
        Project(
            base / "left",
            {"test_same.py": SAME.format(name="left"), "test_left.py": "def test_left(): pass\n"},
        ),
        Project(base / "right", {"test_same.py": SAME.format(name="right")}),
    ]
    editor = await Editor.start(world, *projects)
    for project in projects:
        await editor.collected(project)
    yield editor
    await editor.stop()


async def test_each_runs_its_own(editor: Editor) -> None:
    for project in editor.projects:
        document = editor.open("test_same.py", project=project)
        run = await editor.run(document.cursor("def test_same"))
        assert run.outcomes == {"test_same": "passed"}
        assert run.events[0]["params"]["workspace"] == project.uri()
        run = await editor.run({"ids": ["test_same.py::test_same"], "workspace": project.uri()})
        assert {event["params"]["workspace"] for event in run.events} == {project.uri()}
        document.close()


async def test_all_run_at_once(editor: Editor) -> None:
    answer = await editor.command("pytestLens.run", {})
    assert answer["total"] == 3
    runs = {run["workspace"]: run for run in answer["runs"]}
    assert set(runs) == {project.uri() for project in editor.projects}
    assert answer["runId"] in {run["runId"] for run in answer["runs"]}
    totals = []
    for run in answer["runs"]:
        finished = await editor.finished(run)
        assert set(finished.outcomes.values()) == {"passed"}
        totals.append((run["total"], len(finished.outcomes)))
    assert sorted(totals) == [(1, 1), (2, 2)]


async def test_an_id_finds_the_folder_that_has_it(editor: Editor) -> None:
    run = await editor.run({"ids": ["test_left.py::test_left"]})
    assert run.outcomes == {"test_left": "passed"}
    sentence = await editor.refused("pytestLens.run", {"ids": ["test_gone.py::test_x"]})
    assert "test_gone.py::test_x" in sentence


async def test_numbers_have_no_gap_in_any_folder(editor: Editor) -> None:
    notifications = [
        message for message in editor.sent() if message["method"].startswith("pytestLens/")
    ]
    assert {message["params"]["workspace"] for message in notifications} == {
        p.uri() for p in editor.projects
    }
    schema.check_order(notifications)
    tree = await editor.command("pytestLens.tests", {})
    assert {item["workspace"] for item in tree["items"]} == {
        project.uri() for project in editor.projects
    }


async def test_a_folder_comes_and_goes(editor: Editor) -> None:
    third = Project(
        editor.project.root.parent / "third", {"test_same.py": SAME.format(name="other")}
    )
    folder = types.WorkspaceFolder(uri=third.uri(), name="third")

    def change(event: types.WorkspaceFoldersChangeEvent) -> None:
        params = types.DidChangeWorkspaceFoldersParams(event)
        editor.client.workspace_did_change_workspace_folders(params)

    change(types.WorkspaceFoldersChangeEvent(added=[folder], removed=[]))
    document = editor.open("test_same.py", project=third)
    run = await editor.run(document.cursor("def test_same"))
    assert run.outcomes == {"test_same": "failed"}
    await editor.diagnosed(document, lambda all: len(all) == 1, "the failure")
    change(types.WorkspaceFoldersChangeEvent(added=[], removed=[folder]))
    await editor.diagnosed(document, lambda all: not all, "no diagnostics in a closed folder")
    assert await document.lenses() == []
    sentence = await editor.refused("pytestLens.run", {"workspace": third.uri()})
    assert third.uri() in sentence
    document.close()
