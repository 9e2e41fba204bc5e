"""A folder that is not trusted: all comes from its source, and nothing of it is executed."""

from __future__ import annotations

from pathlib import Path

from editor import Editor
from world import Project, World

#: Importing it leaves a trace.
TRACE = """
    import pathlib

    pathlib.Path(__file__).with_name("executed").touch()
"""

TESTS = """
    import conftest


    def test_x():
        pass


    class TestY:
        def test_y(self):
            pass
"""


def upserts(editor: Editor) -> list[dict[str, object]]:
    """The items that the server has sent so far."""
    events = editor.sent("pytestLens/inventory")
    return [item for event in events for item in event["params"]["upserts"]]


async def test_nothing_is_executed_until_it_is_trusted(world: World, tmp_path: Path) -> None:
    project = Project(
        tmp_path,
        {
            "conftest.py": TRACE,
            "test_x.py": TESTS,
        },
    )
    trace = project.root / "executed"
    editor = await Editor.start(world, project, options={"pytestLens": True, "trusted": False})
    document = editor.open("test_x.py")
    titles = await document.titles()
    assert sorted(titles) == [
        document.line_of(part) for part in ("def test_x", "class TestY", "def test_y")
    ]

    def provisional() -> list[dict[str, object]]:
        return [item for item in upserts(editor) if item["id"] == "test_x.py::TestY::test_y"]

    (item, *_) = await editor.until(provisional, "the tree of the source")
    assert item["provisional"] is True
    for name, argument in [
        ("run", document.cursor("def test_x")),
        ("run", {}),
        ("collect", {}),
        ("flakiness", {}),
    ]:
        sentence = await editor.refused(f"pytestLens.{name}", argument)
        assert "trust" in sentence, f"{name}: {sentence}"
    tree = await editor.tree()
    assert "test_x.py::test_x" in tree
    document.save()
    assert not trace.exists()
    # No interpreter was started at all.
    assert [line for line in world.processes().values() if "python" in line] == []

    editor.client.protocol.notify("pytestLens/trust", {"trusted": True})
    run = await editor.run(document.cursor("def test_x"))
    assert run.outcomes == {"test_x": "passed"}
    assert trace.exists()
    await editor.collected()
    assert "provisional" not in (await editor.tree())["test_x.py::test_x"]

    # And back: what was known stays, and nothing runs.
    editor.client.protocol.notify("pytestLens/trust", {"trusted": False})
    assert "trust" in await editor.refused("pytestLens.run", {})
    assert await document.titles()
    assert "test_x.py::test_x" in await editor.tree()
    await editor.stop()


#: Programs that find a project's environment, and git, which runs hooks and filters.
PROGRAMS = ["uv", "poetry", "hatch", "pdm", "pipenv", "conda", "pyenv", "direnv", "git"]


async def test_no_file_of_a_strangers_folder_makes_anything_run(
    world: World, tmp_path: Path
) -> None:
    traces = tmp_path / "traces"
    traces.mkdir()
    tools = tmp_path / "tools"

    def program(path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\ntouch '{traces}/{path.name}'\n", encoding="utf-8")
        path.chmod(0o755)

    def python(name: str) -> str:
        return f"open({str(traces / name)!r}, 'w').close()\n"

    for name in PROGRAMS:
        program(tools / name)
    packages = ".venv/lib/python3.11/site-packages"
    project = Project(
        tmp_path / "project",
        {
            "pytest-lens.toml": """
                pythonPath = "own/python"
                envFile = "own.env"
                arguments = ["-p", "own_plugin", "--rootdir=own"]
                runOnSave = "affected"
                projects = ["nested"]
                executionMode = "subprocess"
                [env]
                PYTHONSTARTUP = "sitecustomize.py"
                PYTHONPATH = "."
            """,
            "pyproject.toml": """
                [tool.uv]
                [tool.poetry]
                [tool.hatch]
                [tool.pdm]
                [tool.pytest.ini_options]
                addopts = "-p own_plugin"
            """,
            "own.env": "PYTHONPATH=.\nLD_PRELOAD=own.so\n",
            ".env": "PYTHONPATH=.\n",
            ".envrc": f"touch '{traces}/envrc'\n",
            ".python-version": "own\n",
            "uv.lock": "",
            "poetry.lock": "",
            "pdm.lock": "",
            "Pipfile": "",
            "sitecustomize.py": python("sitecustomize"),
            "usercustomize.py": python("usercustomize"),
            "own_plugin.py": python("plugin"),
            "pytest.py": python("pytest"),
            "conftest.py": python("conftest"),
            f"{packages}/own.pth": f"import sys; {python('pth')}",
            f"{packages}/sitecustomize.py": python("site-packages"),
            ".venv/pyvenv.cfg": "home = ..\n",
            "test_x.py": f"{python('test')}\ndef test_x():\n    pass\n",
            "nested/pytest.ini": "[pytest]\naddopts = -p own_plugin\n",
            "nested/conftest.py": python("nested"),
            "nested/test_n.py": "def test_n():\n    pass\n",
            ".git/config": "[core]\nfsmonitor = own/fsmonitor\nhooksPath = own\n",
        },
    )
    own = [
        "own/python",
        "own/fsmonitor",
        "own/post-checkout",
        ".venv/bin/python",
        "venv/bin/python",
    ]
    for name in own:
        program(project.root / name)
    path = f"{tools}:{world.env()['PATH']}"
    options = {"pytestLens": True, "trusted": False}
    editor = await Editor.start(world, project, options=options, env={"PATH": path})
    document = editor.open("test_x.py")
    assert list(await document.titles()) == [document.line_of("def test_x")]
    wanted = {"test_x.py::test_x", "nested/test_n.py::test_n"}
    # Each project is listed by itself.
    await editor.until(
        lambda: wanted <= {item["id"] for item in upserts(editor)}, "the trees of both projects"
    )
    assert wanted <= set(await editor.tree())
    commands: list[tuple[str, dict[str, object]]] = [
        ("run", {"ids": ["test_x.py::test_x"]}),
        ("run", {"ids": ["nested/test_n.py::test_n"]}),
        ("debug", {"ids": ["test_x.py::test_x"]}),
        ("runFailed", {}),
        ("collect", {}),
    ]
    for name, argument in commands:
        sentence = await editor.refused(f"pytestLens.{name}", argument)
        assert "trust" in sentence, f"{name}: {sentence}"
    # A save asks for the affected tests, and a file of settings is read again.
    document.save()
    editor.configure({"runOnSave": "affected", "pythonPath": "own/python"})
    assert await document.titles()
    assert [path.name for path in traces.iterdir()] == []

    # The traps work: with trust, the interpreter that the folder names is started.
    editor.client.protocol.notify("pytestLens/trust", {"trusted": True})
    assert await editor.refused("pytestLens.collect", {})
    assert "python" in [path.name for path in traces.iterdir()]
    await editor.stop()
