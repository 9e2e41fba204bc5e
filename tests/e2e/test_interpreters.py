"""No interpreter, none with pytest, an old pytest, wrong settings: one sentence each."""

from __future__ import annotations

import marshal
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command_line import lens
from editor import Editor
from world import DEADLINE, Project, World

FILES = {"test_x.py": "def test_x():\n    pass\n"}


@pytest.fixture(scope="module")
def without_pytest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment in which nothing is installed."""
    folder = tmp_path_factory.mktemp("bare") / "env"
    make = [sys.executable, "-m", "venv", "--without-pip", str(folder)]
    subprocess.run(make, check=True, timeout=DEADLINE, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def old_pytest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter whose pytest says that it is older than those that are served."""
    folder = tmp_path_factory.mktemp("old")
    (folder / "pytest.py").write_text('__version__ = "6.2.5"\n')
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{folder}" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    return python


async def check_refusal(editor: Editor, *named: str) -> None:
    """Lenses and tree come from the source; the reason why nothing runs is shown once, and in each
    command's error.
    """
    document = editor.open("test_x.py")
    assert list(await document.titles()) == [0]
    for argument in (document.cursor("def test_x"), {}):
        sentence = await editor.refused("pytestLens.run", argument)
        assert all(part in sentence for part in named), sentence
    await editor.until(editor.shown, "a message for the user")
    (message,) = editor.shown()
    assert all(part in message for part in named), message
    tree = await editor.tree()
    assert tree["test_x.py::test_x"]["provisional"] is True


async def test_no_such_interpreter(world: World, tmp_path: Path) -> None:
    editor = await Editor.start(
        world, Project(tmp_path, FILES), settings={"pythonPath": "/nowhere/bin/python"}
    )
    await check_refusal(editor, "/nowhere/bin/python")

    # It is repaired while the server runs.
    editor.configure({"pythonPath": sys.executable})
    run = await editor.run({"ids": ["test_x.py::test_x"]})
    assert run.outcomes == {"test_x": "passed"}
    assert len(editor.shown()) == 1
    await editor.stop()


async def test_no_interpreter_at_all(world: World, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    env = {"PATH": str(empty), "VIRTUAL_ENV": str(empty)}
    editor = await Editor.start(world, Project(tmp_path / "project", FILES), env=env)
    await check_refusal(editor, "Python", "pytestLens.pythonPath")

    # An environment appears where it is looked for: the next command finds it.
    folder = editor.project.root / ".venv" / "bin"
    folder.mkdir(parents=True)
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    run = await editor.run({"ids": ["test_x.py::test_x"]})
    assert run.outcomes == {"test_x": "passed"}
    await editor.stop()


async def test_python_without_pytest(world: World, tmp_path: Path, without_pytest: Path) -> None:
    python = str(without_pytest / "bin" / "python")
    editor = await Editor.start(world, Project(tmp_path, FILES), settings={"pythonPath": python})
    await check_refusal(editor, python, "pytest", "install")
    await editor.stop()


async def test_pytest_that_is_too_old(world: World, tmp_path: Path, old_pytest: Path) -> None:
    editor = await Editor.start(
        world, Project(tmp_path, FILES), settings={"pythonPath": str(old_pytest)}
    )
    await check_refusal(editor, "6.2.5", "7")
    await editor.stop()


async def test_a_folder_that_is_not_there(world: World, tmp_path: Path) -> None:
    project = Project(tmp_path / "gone")
    project.root.rmdir()
    editor = await Editor.start(world, project)
    sentence = await editor.refused("pytestLens.run", {})
    assert str(project.root) in sentence
    await editor.stop()


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"runOnSave": "always"}, "pytestLens.runOnSave"),
    ({"rerun": {"enabled": "yes", "maxReruns": 1}}, "pytestLens.rerun.enabled"),
    ({"executionMode": "warm"}, "pytestLens.executionMode"),
    ({"env": {"A": 1}}, "pytestLens.env"),
    ({"arguments": "--tb=short"}, "pytestLens.arguments"),
    ({"codeLens": True}, "pytestLens.codeLens"),
]


async def test_a_setting_of_the_wrong_type(world: World, tmp_path: Path) -> None:
    editor = await Editor.start(world, Project(tmp_path, FILES), settings={"workers": "many"})
    told = ["pytestLens.workers"]
    for settings, key in WRONG:
        for _ in range(2):
            editor.configure(settings)
        await editor.until(lambda: len(editor.shown()) > len(told), f"the message about {key}")
        told.append(key)
    run = await editor.run({"ids": ["test_x.py::test_x"]})
    assert run.outcomes == {"test_x": "passed"}
    # Each is reported once, by its name.
    assert len(editor.shown()) == len(told)
    assert all(key in message for key, message in zip(told, editor.shown()))
    await editor.stop()


async def test_settings_take_effect(world: World, tmp_path: Path) -> None:
    text = """
        import os
        import sys


        def test_sees(request):
            print("env", os.environ.get("CAFE"), os.environ.get("FROM_FILE"))
            print("tb", request.config.getoption("tbstyle"))
            print("pid", os.getppid())


        def test_fails_once(tmp_path_factory):
            assert not os.environ.get("CAFE_FAILS")
    """
    project = Project(tmp_path, {"test_x.py": text, ".env": "FROM_FILE=milk\nCAFE=tea\n"})
    env = {"CAFE": "espresso", "CAFE_FAILS": "1"}
    settings: dict[str, Any] = {
        "env": env,
        "envFile": ".env",
        "arguments": ["--tb=line"],
        "codeLens": {"enable": False},
        "rerun": {"enabled": True, "maxReruns": 1},
        "pythonPath": os.path.relpath(sys.executable, project.root),
    }
    editor = await Editor.start(world, project, settings=settings)
    document = editor.open("test_x.py")
    assert await document.lenses() == []
    run = await editor.run({})
    printed = run.results["test_x.py::test_sees"]["stdout"]
    assert "env espresso milk" in printed and "tb line" in printed
    attempts = [one["attempt"] for one in run.attempts if one["id"] == "test_x.py::test_fails_once"]
    assert attempts == [1, 2]
    assert run.outcomes["test_fails_once"] == "failed"

    # Changed while the server runs.
    editor.configure({"env": {"CAFE": "water"}, "codeLens": {"enable": True}, "runOnSave": "file"})
    run = await editor.run({})
    printed = run.results["test_x.py::test_sees"]["stdout"]
    assert "env water None" in printed and "tb line" not in printed
    assert set(run.outcomes.values()) == {"passed"}
    assert await document.lenses()
    seen = editor.mark()
    document.save()
    await editor.until(
        lambda: editor.sent("pytestLens/runFinished", since=seen), "the run that saving begins"
    )
    (started,) = editor.sent("pytestLens/runStarted", since=seen)
    assert started["params"]["total"] == 2
    await editor.stop()


def test_the_worker_loads_from_one_file_that_may_be_damaged(world: World, tmp_path: Path) -> None:
    """Without bytecode, as in many containers, the worker would be compiled at each start."""
    project = Project(tmp_path, FILES)

    def run() -> Path:
        ended = lens(world, "run", "-q", cwd=project.root, env={"PYTHONDONTWRITEBYTECODE": "1"})
        assert (ended.status, ended.err) == (0, ""), ended
        (file,) = (world.home / "cache").rglob("*.modules*")
        return file

    file = run()
    whole, made = file.read_bytes(), file.stat().st_ino
    kind, modules = marshal.loads(whole)
    assert "_pytest_lens_worker.session.plugin" in modules
    assert run().stat().st_ino == made
    elsewhere = marshal.dumps(((kind[0], "/elsewhere"), modules))
    for damaged in (b"", whole[: len(whole) // 2], marshal.dumps(1), elsewhere):
        file.write_bytes(damaged)
        assert marshal.loads(run().read_bytes())[0] == kind
