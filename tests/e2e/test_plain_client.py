"""A client that supports nothing but the Language Server Protocol."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from editor import Document, Editor
from lsprotocol import types
from wire import all_capabilities
from world import Project, World

TESTS = """
    import time

    import pytest


    def check(number):
        if not number:
            raise KeyError("inside")


    def check_more(value):
        check(value)


    def test_sum():
        first = 20
        second = 22
        assert first + second == 43


    @pytest.mark.parametrize("number", [1, 2, 3])
    @pytest.mark.slow
    def test_number(number):
        assert number


    class TestGroup:
        def test_inside(self):
            check_more(0)

        class TestNested:
            def test_deep(self):
                pass


    def test_slow_enough():
        time.sleep(0.02)
"""

NAMES = ["run", "runFailed", "runLast", "debug", "stop", "kill", "collect", "tests", "output"]
FOR_PLUGINS = ["affected", "coverage", "flakiness", "resolve", "status"]
COMMANDS = {f"pytestLens.{name}" for name in [*NAMES, *FOR_PLUGINS]}


@pytest_asyncio.fixture(scope="module")
async def editor(world: World, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Editor]:
    project = Project(
        tmp_path_factory.mktemp("plain"),
        {
            "test_plain.py": TESTS,
            "pytest.ini": "[pytest]\nmarkers = slow: slow\n",
            "other.py": "def test_x(): pass\n",
        },
    )
    settings = {"inlayHints": {"enable": True}, "workers": 1}
    editor = await Editor.start(world, project, options={"settings": settings})
    yield editor
    await editor.stop()


@pytest.fixture(scope="module")
def document(editor: Editor) -> Document:
    return editor.open("test_plain.py")


def failures(document: Document) -> list[types.Diagnostic]:
    return [
        found
        for found in document.diagnostics()
        if found.severity == types.DiagnosticSeverity.Error
    ]


async def test_says_what_it_can(editor: Editor) -> None:
    can = editor.capabilities
    assert can.position_encoding == types.PositionEncodingKind.Utf16
    assert isinstance(can.text_document_sync, types.TextDocumentSyncOptions)
    assert can.text_document_sync.change == types.TextDocumentSyncKind.Incremental
    assert can.text_document_sync.open_close
    assert can.text_document_sync.save
    assert can.execute_command_provider is not None
    assert set(can.execute_command_provider.commands) == COMMANDS
    assert (
        can.code_lens_provider
        and can.code_action_provider
        and can.hover_provider
        and can.inlay_hint_provider
    )
    assert can.workspace is not None and can.workspace.workspace_folders is not None
    assert (
        can.workspace.workspace_folders.supported
        and can.workspace.workspace_folders.change_notifications
    )
    assert editor.result is not None and editor.result.server_info is not None
    assert editor.result.server_info.name == "pytest-lens"


async def test_each_test_has_lenses_on_its_def_line(editor: Editor, document: Document) -> None:
    titles = await document.titles()
    names = [
        "test_sum",
        "test_number",
        "TestGroup",
        "test_inside",
        "TestNested",
        "test_deep",
        "test_slow_enough",
    ]
    lines = [
        document.line_of(f"class {name}:" if name.startswith("Test") else f"def {name}(")
        for name in names
    ]
    assert sorted(titles) == lines
    assert all(any("Run" in title for title in own) and "Debug" in own for own in titles.values())
    assert any("3" in title for title in titles[lines[1]]), "the number of cases"
    lenses = await document.lenses()
    commands = {lens.command.command for lens in lenses if lens.command}
    assert commands <= COMMANDS
    assert all(
        lens.command and lens.command.arguments and len(lens.command.arguments) == 1
        for lens in lenses
    )


async def test_lenses_follow_unsaved_edits_and_broken_syntax(
    editor: Editor, document: Document
) -> None:
    document.replace("def test_sum():", "\n\ndef test_total(:\n    pass\n\ndef test_sum():")
    titles = await document.titles()
    assert document.line_of("def test_sum") in titles
    assert document.line_of("def test_slow_enough") in titles
    document.replace("\n\ndef test_total(:\n    pass\n\ndef test_sum():", "def test_sum():")
    assert document.line_of("def test_sum") in await document.titles()


async def test_a_file_without_tests_has_no_lenses(editor: Editor) -> None:
    other = editor.open("other.py")
    assert await other.lenses() == []
    other.close()


async def test_the_test_under_the_cursor_fails_at_its_line_and_passes_when_it_is_mended(
    editor: Editor, document: Document
) -> None:
    answer = await editor.command("pytestLens.run", document.cursor("second = 22"))
    assert answer["total"] == 1 and answer["runId"]
    (found,) = await editor.diagnosed(document, lambda all: len(all) == 1, "the failure")
    assert found.range.start.line == document.line_of("assert first + second")
    assert found.source == "pytest-lens"
    assert found.code == "failed"
    assert "(20 + 22) == 43" in found.message
    assert found.severity == types.DiagnosticSeverity.Error

    # It follows an edit above it that is not saved.
    document.replace("    first = 20\n", "    # One.\n    # Two.\n    first = 20\n")
    line = document.line_of("assert first + second")
    await editor.diagnosed(
        document, lambda all: [one.range.start.line for one in all] == [line], "the moved failure"
    )
    titles = await document.titles()
    assert any("failed" in title for title in titles[document.line_of("def test_sum")])

    document.replace("== 43", "== 42")
    document.save()
    await editor.command("pytestLens.run", document.cursor("second = 22"))
    await editor.diagnosed(document, lambda all: not all, "no failure")
    titles = await document.titles()
    assert any("passed" in title for title in titles[document.line_of("def test_sum")])


async def test_a_traceback_is_related_information(editor: Editor, document: Document) -> None:
    await editor.command("pytestLens.run", document.cursor("check_more(0)"))
    (found,) = await editor.diagnosed(document, lambda all: len(all) == 1, "the failure")
    # On the test's own line in the test's file; the related information has the rest of the
    # traceback.
    lines = [document.line_of(part) for part in ("check_more(0)", "check(value)", "raise KeyError")]
    assert found.range.start.line == document.line_of("raise KeyError")
    assert "inside" in found.message
    assert found.related_information
    told = [(one.location.uri, one.location.range.start.line) for one in found.related_information]
    assert told == [(document.uri, line) for line in lines]


async def test_a_lens_runs_as_it_stands(editor: Editor, document: Document) -> None:
    (lens,) = [
        lens
        for lens in await document.lenses()
        if lens.range.start.line == document.line_of("class TestGroup")
        and lens.command
        and lens.command.command == "pytestLens.run"
    ]
    assert lens.command and lens.command.arguments
    answer = await editor.command(lens.command.command, *lens.command.arguments)
    assert answer["total"] == 2


async def test_code_actions_offer_the_same(editor: Editor, document: Document) -> None:
    at = types.Position(document.line_of("def test_deep") + 1, 0)
    params = types.CodeActionParams(
        text_document=types.TextDocumentIdentifier(document.uri),
        range=types.Range(at, at),
        context=types.CodeActionContext(diagnostics=[]),
    )
    await editor.in_time(editor.client.text_document_code_action_async(params), "code actions")
    # As they arrive: the client takes an action that holds a command for a bare command.
    actions = editor.client.answered["result"]
    assert all(action["kind"].startswith("pytestLens.") for action in actions)
    commands = {action["title"]: action["command"] for action in actions}
    (run,) = [one for title, one in commands.items() if "Run test_deep" in title]
    (debug,) = [one for title, one in commands.items() if "Debug test_deep" in title]
    (file,) = [one for title, one in commands.items() if "test_plain.py" in title]
    assert [run["command"], debug["command"], file["command"]] == [
        "pytestLens.run",
        "pytestLens.debug",
        "pytestLens.run",
    ]
    answer = await editor.command(run["command"], *run["arguments"])
    assert answer["total"] == 1
    answer = await editor.command(file["command"], *file["arguments"])
    assert answer["total"] == 7


async def test_hover_and_hints_tell_the_last_outcome(editor: Editor, document: Document) -> None:
    def_line = document.line_of("def test_slow_enough")
    identifier = types.TextDocumentIdentifier(document.uri)
    await editor.command("pytestLens.run", document.cursor("time.sleep"))

    async def hover(line: int) -> str:
        params = types.HoverParams(identifier, types.Position(line, 6))
        answer = await editor.in_time(editor.client.text_document_hover_async(params), "hover")
        assert isinstance(answer.contents, types.MarkupContent)
        return answer.contents.value

    async def hints() -> dict[int, str]:
        everything = types.Range(types.Position(0, 0), types.Position(1000, 0))
        params = types.InlayHintParams(identifier, everything)
        answer = await editor.in_time(
            editor.client.text_document_inlay_hint_async(params), "inlay hints"
        )
        return {hint.position.line: str(hint.label) for hint in answer or []}

    # The server announces changes by a refresh: then the editor asks again.
    while True:
        seen = editor.mark()
        if "passed" in await hover(def_line):
            break
        await editor.asked("workspace/inlayHint/refresh", seen)
    label = (await hints())[def_line]
    assert label.endswith((" ms", " s"))
    text = await hover(document.line_of("def test_number"))
    assert "slow" in text and "3 cases" in text


async def test_nothing_of_its_own_is_sent_to_a_client_that_did_not_ask(
    editor: Editor, document: Document
) -> None:
    seen = editor.mark()
    await editor.command("pytestLens.run", document.cursor("def test_number"))

    def told() -> list[str]:
        return [text for text in editor.shown(seen) if re.search(r"3 passed.* in [0-9<]", text)]

    # A message reports how a run ended, and nothing else does.
    await editor.until(told, "the sentence at the end of the run")
    assert [
        message for message in editor.sent() if message["method"].startswith("pytestLens/")
    ] == []


@pytest.mark.parametrize(
    "encoding", [types.PositionEncodingKind.Utf8, types.PositionEncodingKind.Utf16]
)
async def test_columns_are_counted_as_agreed(
    world: World, tmp_path: Path, encoding: types.PositionEncodingKind
) -> None:
    text = "def test_wide():\n    '🦀é'; value = '🦀'; assert value == ''\n"
    project = Project(tmp_path, {"test_wide.py": text})
    offered = [types.PositionEncodingKind.Utf16, encoding]
    editor = await Editor.start(world, project, capabilities=all_capabilities(*offered))
    assert editor.capabilities.position_encoding == encoding
    document = editor.open("test_wide.py")
    # An edit after the wide characters lands at the right place.
    document.replace("value == ''", "value == 'é'")
    document.replace("assert value", "assert  value")
    document.save()
    run = await editor.run(document.cursor("assert"))
    (result,) = run.results.values()
    assert "'🦀' == 'é'" in result["message"]
    (found,) = await editor.diagnosed(document, lambda all: len(all) == 1, "the failure")
    line = document.text.splitlines()[1]
    assert found.range.start.line == 1
    assert found.range.end.character == editor.units(line)
    await editor.stop()


async def test_a_client_that_can_do_little_is_asked_nothing(world: World, tmp_path: Path) -> None:
    text = "def test_x():\n    check()\n\n\ndef check():\n    assert 0\n"
    project = Project(tmp_path, {"test_x.py": text})
    editor = await Editor.start(world, project, options={}, capabilities=types.ClientCapabilities())
    assert editor.capabilities.position_encoding in (None, types.PositionEncodingKind.Utf16)
    document = editor.open("test_x.py")
    assert await document.titles()
    await editor.command("pytestLens.run", document.cursor("    check()"))
    (found,) = await editor.diagnosed(document, lambda all: len(all) == 1, "the failure")
    assert found.related_information is None
    await editor.until(editor.shown, "the sentence at the end of the run")
    methods = {message["method"] for message in editor.sent()}
    assert methods == {"textDocument/publishDiagnostics", "window/showMessage"}
    await editor.stop()


async def test_what_a_client_can_do_is_asked_of_it(world: World, tmp_path: Path) -> None:
    project = Project(tmp_path, {"test_x.py": "def test_x():\n    pass\n"})
    can = all_capabilities()
    assert can.workspace is not None
    can.workspace.configuration = True
    watching = types.DidChangeWatchedFilesClientCapabilities(dynamic_registration=True)
    can.workspace.did_change_watched_files = watching
    configuration = {"": {"pytestLens": {"codeLens": {"enable": False}}}}
    editor = await Editor.start(
        world, project, options={"pytestLens": True}, capabilities=can, configuration=configuration
    )
    (asked, *_) = await editor.until(
        lambda: editor.sent("workspace/configuration"), "the question for the settings"
    )
    assert asked["params"]["items"] == [{"scopeUri": project.uri(), "section": "pytestLens"}]
    document = editor.open("test_x.py")
    await editor.collected()
    assert await document.lenses() == []
    (registered,) = editor.sent("client/registerCapability")
    (watchers,) = registered["params"]["registrations"]
    assert watchers["method"] == "workspace/didChangeWatchedFiles"
    globs = {watcher["globPattern"] for watcher in watchers["registerOptions"]["watchers"]}
    assert {"**/*.py", "**/pytest.ini", "**/pyproject.toml"} <= globs

    # They change: the server asks again.
    seen = editor.mark()
    editor.client.set_configuration({"pytestLens": {"codeLens": {"enable": True}}})
    params = types.DidChangeConfigurationParams(settings=None)
    editor.client.workspace_did_change_configuration(params)
    await editor.asked("workspace/configuration", seen)
    while not await document.lenses():
        await editor.asked("workspace/codeLens/refresh", seen)
        seen = editor.mark()
    await editor.stop()
