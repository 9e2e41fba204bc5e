"""Broken projects: the error is shown at its place, other tests run, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

from editor import Editor
from lsprotocol import types
from world import Project, World

FINE = "def test_fine():\n    pass\n"
OTHER = "def test_one():\n    pass\n\n\ndef test_two():\n    pass\n"


async def test_a_syntax_error_keeps_what_is_known(world: World, tmp_path: Path) -> None:
    project = Project(tmp_path, {"test_fine.py": FINE, "test_other.py": OTHER})
    editor = await Editor.start(world, project)
    assert await editor.collected() == 3
    document = editor.open("test_other.py")
    document.replace("def test_two():", "def test_two(:")
    document.save()
    await editor.collected()
    (found,) = await editor.diagnosed(document, lambda all: len(all) == 1, "the collection error")
    assert found.range.start.line == document.line_of("def test_two(:")
    assert found.severity == types.DiagnosticSeverity.Error
    assert found.source == "pytest-lens"
    # The tree has all its tests, the lenses are there, and other files run.
    tree = await editor.tree()
    assert {"test_other.py::test_one", "test_other.py::test_two", "test_fine.py::test_fine"} <= set(
        tree
    )
    removed = [
        id for event in editor.sent("pytestLens/inventory") for id in event["params"]["removed"]
    ]
    assert removed == []
    errors = editor.sent("pytestLens/inventory")[-1]["params"]["errors"]
    assert [error["uri"] for error in errors] == [document.uri]
    assert document.line_of("def test_one") in await document.titles()
    run = await editor.run({"ids": ["test_fine.py"]})
    assert run.outcomes == {"test_fine": "passed"}
    run = await editor.run({})
    assert run.outcomes["test_fine"] == "passed"
    sentence = await editor.refused("pytestLens.run", {"ids": ["test_other.py::test_one"]})
    assert "test_other.py" in sentence

    document.replace("def test_two(:", "def test_two():")
    document.save()
    run = await editor.run({"textDocument": document.identifier})
    assert run.outcomes == {"test_one": "passed", "test_two": "passed"}
    await editor.diagnosed(document, lambda all: not all, "no diagnostics")
    await editor.stop()


async def test_a_file_that_does_not_import(world: World, tmp_path: Path) -> None:
    broken = "import os\nimport no_such_module\n\n\ndef test_broken():\n    pass\n"
    project = Project(tmp_path, {"test_fine.py": FINE, "test_broken.py": broken})
    editor = await Editor.start(world, project)
    document = editor.open("test_broken.py")
    await editor.collected()
    (found,) = await editor.diagnosed(document, lambda all: len(all) == 1, "the collection error")
    assert "no_such_module" in found.message
    assert found.range.start.line == document.line_of("import no_such_module")
    assert document.line_of("def test_broken") in await document.titles()
    # Its test is in the tree, as the source has it.
    tree = await editor.tree()
    assert "test_fine.py::test_fine" in tree and "test_broken.py::test_broken" in tree
    assert tree["test_broken.py::test_broken"]["provisional"] is True
    sentence = await editor.refused("pytestLens.run", document.cursor("def test_broken"))
    assert "test_broken.py" in sentence and "no_such_module" in sentence
    assert (await editor.run({"ids": ["test_fine.py"]})).outcomes == {"test_fine": "passed"}
    await editor.stop()


async def test_a_conftest_that_raises(world: World, tmp_path: Path) -> None:
    project = Project(
        tmp_path, {"conftest.py": "SETTING = 1\n", "test_fine.py": FINE, "sub/test_other.py": OTHER}
    )
    editor = await Editor.start(world, project)
    assert await editor.collected() == 3
    before = set(await editor.tree())
    document = editor.open("conftest.py")
    document.replace("SETTING = 1", 'SETTING = 1\nraise RuntimeError("the database is down")')
    document.save()
    sentence = await editor.refused("pytestLens.run", {})
    assert "conftest.py" in sentence and "the database is down" in sentence
    (found,) = await editor.diagnosed(
        document, lambda all: len(all) == 1, "the error in the conftest"
    )
    assert found.range.start.line == document.line_of("raise RuntimeError")
    assert "the database is down" in found.message
    assert set(await editor.tree()) == before
    test = editor.open("test_fine.py")
    assert await test.lenses()

    document.replace('\nraise RuntimeError("the database is down")', "")
    document.save()
    run = await editor.run({})
    assert set(run.outcomes.values()) == {"passed"} and run.total == 3
    await editor.diagnosed(document, lambda all: not all, "no diagnostics")
    await editor.stop()


async def test_a_broken_configuration(world: World, tmp_path: Path) -> None:
    project = Project(
        tmp_path, {"pytest.ini": "[pytest]\naddopts = --no-such-option\n", "test_fine.py": FINE}
    )
    editor = await Editor.start(world, project)
    document = editor.open("test_fine.py")
    assert await document.lenses()
    sentence = await editor.refused("pytestLens.run", {})
    assert "--no-such-option" in sentence
    await editor.until(editor.shown, "a message for the user")
    assert len([message for message in editor.shown() if "--no-such-option" in message]) == 1
    assert "test_fine.py::test_fine" in await editor.tree()

    project.write("pytest.ini", "[pytest]\n")
    run = await editor.run({})
    assert run.outcomes == {"test_fine": "passed"}
    await editor.stop()


async def test_a_run_sees_what_is_on_disk(world: World, tmp_path: Path) -> None:
    """Holds for edits in quick succession, and for any file that changes."""
    project = Project(
        tmp_path,
        {
            "shop.py": "PRICE = 1\n",
            "data.json": "[1]",
            "test_shop.py": """
                import json
                import pathlib

                import shop

                DATA = json.loads(pathlib.Path(__file__).with_name("data.json").read_text())


                def test_price():
                    assert shop.PRICE == 1


                def test_data():
                    assert DATA == [1]
            """,
        },
    )
    editor = await Editor.start(world, project)
    for number in (1, 2, 1, 1, 2, 3):
        project.write("shop.py", f"PRICE = {number}\n")
        project.write("data.json", f"[{number}]")
        run = await editor.run({"ids": ["test_shop.py"]})
        expected = "passed" if number == 1 else "failed"
        assert run.outcomes == {"test_price": expected, "test_data": expected}
    # Unsaved text does not run.
    document = editor.open("test_shop.py")
    document.replace("shop.PRICE == 1", "shop.PRICE == 3")
    run = await editor.run(document.cursor("def test_price"))
    assert run.outcomes == {"test_price": "failed"}
    document.save()
    run = await editor.run(document.cursor("def test_price"))
    assert run.outcomes == {"test_price": "passed"}
    await editor.stop()


async def test_a_file_that_ends_its_process(world: World, tmp_path: Path) -> None:
    crash = "import os\n\nos.abort()\n\ndef test_behind(): pass\n"
    project = Project(tmp_path, {"test_crash.py": crash, "test_fine.py": FINE})
    editor = await Editor.start(world, project)
    document = editor.open("test_crash.py")
    await editor.collected()
    (found,) = await editor.diagnosed(document, lambda all: len(all) == 1, "the crash")
    assert "test_crash.py" in found.message and "SIGABRT" in found.message
    run = await editor.run({"ids": ["test_fine.py"]})
    assert set(run.outcomes.values()) == {"passed"}
    document.replace("os.abort()", "")
    document.save()
    await editor.diagnosed(document, lambda all: not all, "no diagnostics")
    run = await editor.run({})
    assert set(run.outcomes.values()) == {"passed"} and "test_behind" in run.outcomes
    await editor.stop()
