"""`:Lens` and its completion, code lenses, maps, events, health and debugging."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Start
from dap import Debugger
from editor import Editor

NAMES = [
    "all",
    "collect",
    "coverage",
    "debug",
    "failed",
    "file",
    "flaky",
    "kill",
    "last",
    "log",
    "output",
    "quickfix",
    "restart",
    "run",
    "stop",
    "summary",
]

FILE = """
    class TestPair:
        def test_left(self):
            pass

        def test_right(self):
            pass
"""


@pytest.fixture
def editor(project: Callable[..., Path], start: Start) -> Editor:
    """A Neovim with a file of two tests."""
    editor = start(project({"test_pair.py": FILE}))
    editor.open("test_pair.py")
    return editor


def complete(editor: Editor, line: str) -> list[str]:
    """The completions of a command line."""
    return list(editor.lua("return vim.fn.getcompletion(..., 'cmdline')", line))


def test_completion(editor: Editor) -> None:
    editor.collected()
    assert complete(editor, "Lens ") == NAMES
    assert complete(editor, "Lens s") == ["stop", "summary"]
    assert "test_pair.py::TestPair::test_left" in complete(editor, "Lens run test_pair.py::")
    assert complete(editor, "Lens all work") == ["workers="]
    assert complete(editor, "Lens collect ") == ["force"]
    assert complete(editor, "Lens stop ") == []


def test_every_subcommand_has_its_map(editor: Editor) -> None:
    maps = editor.lua("""
        return vim.tbl_map(function(map) return map.lhs end, vim.api.nvim_get_keymap('n'))
    """)
    assert sorted(f"<Plug>(pytest-lens-{name})" for name in NAMES) == sorted(
        name for name in maps if name.startswith("<Plug>(pytest-lens-")
    )


def test_an_unknown_subcommand_is_told_with_those_there_are(editor: Editor) -> None:
    editor.lens("rum")
    assert (
        editor.message("rum")
        == f"pytest-lens: there is no `:Lens rum`; there are {', '.join(NAMES)}"
    )


def test_a_command_waits_for_a_server_that_starts(
    project: Callable[..., Path], start: Start
) -> None:
    editor = start(project({"test_pair.py": FILE}))
    editor.watch_runs()
    editor.open("test_pair.py", served=False)
    editor.wait("#vim.lsp.get_clients({ _uninitialized = true }) > 0", what="a server that starts")
    editor.lens("file")
    editor.ended()
    assert editor.said() == []


def test_lenses_do_what_they_say(project: Callable[..., Path], start: Start) -> None:
    editor = start(project({"test_pair.py": FILE}), {"code_lens": True})
    editor.open("test_pair.py")
    line = editor.shown("▶ Run | Debug")
    assert "class TestPair" in line
    editor.watch_runs()
    editor.lua("vim.ui.select = function(items, _, choose) _G.items = items choose(items[1]) end")
    editor.cursor(editor.line_of("test_left"))
    editor.lua("vim.lsp.codelens.run()")
    editor.ended()
    assert editor.lua("return _G.ended[1].counts.total") == 1
    editor.shown("✓ passed")
    editor.lua("vim.ui.select = function(items, _, choose) choose(items[#items]) end")
    editor.lua("vim.lsp.codelens.run()")
    assert editor.lines("output")[0] == "test_pair.py::TestPair::test_left"


def test_lenses_in_the_way_of_0_12(project: Callable[..., Path], start: Start) -> None:
    newer = """
        _G.enabled = {}
        vim.lsp.codelens.enable = function(on, filter) _G.enabled[filter.bufnr] = on end
        vim.lsp.codelens.is_enabled = function(filter) return _G.enabled[filter.bufnr] or false end
        vim.lsp.codelens.refresh = nil
    """
    editor = start(project({"test_pair.py": FILE}), {"code_lens": True}, init=newer)
    editor.open("test_pair.py")
    editor.wait("_G.enabled[vim.api.nvim_get_current_buf()]")
    editor.run("file")
    editor.signed(
        {"class TestPair:": "✓", "def test_left(self):": "✓", "def test_right(self):": "✓"}
    )
    assert {mark["text"] for mark in editor.marks().values()} == {""}, "the lenses say it"
    editor.lua("_G.enabled = {}")
    editor.run("file")
    editor.shown("2 passed")
    assert editor.said() == []


def test_code_actions_run_tests(editor: Editor) -> None:
    editor.watch_runs()
    editor.cursor(editor.line_of("test_right"))
    editor.lua("""
        vim.lsp.buf.code_action({
          apply = true,
          filter = function(action) return action.title == 'Run test_right' end,
        })
    """)
    editor.ended()
    assert editor.lua("return _G.ended[1].counts.total") == 1


def test_others_can_listen(editor: Editor) -> None:
    editor.lua("""
        _G.heard = {}
        vim.api.nvim_create_autocmd('User', {
          pattern = 'PytestLens*',
          callback = function(args) table.insert(_G.heard, args.match) end,
        })
    """)
    editor.run("file")
    heard = editor.lua("return _G.heard")
    wanted = [
        "PytestLensRunStarted",
        "PytestLensTestStarted",
        "PytestLensTestOutcome",
        "PytestLensRunFinished",
    ]
    assert [name for name in dict.fromkeys(heard) if name in wanted] == wanted


def test_health(editor: Editor) -> None:
    editor.run("file")
    editor.nvim.command("checkhealth pytest_lens")
    text = "\n".join(editor.nvim.current.buffer[:])
    assert "OK pytest-lens 0." in text
    assert f"serves {editor.root} (1 file)" in text
    assert "changed files are noticed by the server itself" in text
    assert "found by" in text
    assert "mode" in text
    assert "ERROR" not in text


def test_health_names_options_that_are_wrong(project: Callable[..., Path], start: Start) -> None:
    editor = start(project({}), {"sings": True, "signs": "yes"})
    editor.nvim.command("checkhealth pytest_lens")
    text = "\n".join(editor.nvim.current.buffer[:])
    assert "`vim.g.pytest_lens.sings` is no option" in text
    assert "`vim.g.pytest_lens.signs` must be a boolean, not a string" in text


def test_debugging_without_nvim_dap(editor: Editor) -> None:
    editor.cursor(editor.line_of("test_left"))
    editor.lens("debug")
    assert "install it" in editor.message("nvim-dap")


def test_debugging_attaches_where_the_server_waits(editor: Editor) -> None:
    """Stands in for nvim-dap only: the debugger that listens is the server's real debugpy."""
    editor.collected()
    editor.watch_runs()
    editor.lua("package.loaded.dap = { adapters = {}, run = function(how) _G.how = how end }")
    editor.lens("debug test_pair.py::TestPair")
    how = editor.wait("_G.how", what="a debugger that is asked to attach")
    assert (how["request"], how["type"]) == ("attach", "pytest_lens")
    adapter = editor.lua("""
        package.loaded.dap.adapters.pytest_lens(function(adapter) _G.adapter = adapter end)
        return _G.adapter
    """)
    assert adapter == {"type": "server", **how["connect"]}
    debugger = Debugger(adapter["host"], adapter["port"])
    debugger.attach({editor.root / "test_pair.py": [3]}, **how)
    thread, frames = debugger.stopped()
    assert (frames[0]["name"], frames[0]["line"]) == ("test_left", 3)
    debugger.ask("continue", threadId=thread)
    editor.ended()
    assert editor.lua("return _G.ended[1].counts.passed") == 2
    debugger.close()


def test_the_log_opens(editor: Editor) -> None:
    editor.lens("log")
    assert editor.nvim.current.buffer.name.endswith("lsp.log")


def test_help_has_its_tags(editor: Editor) -> None:
    editor.nvim.command("helptags " + editor.lua("return vim.env.LENS_PLUGIN .. '/doc'"))
    editor.nvim.command("help :Lens")
    assert editor.nvim.current.buffer.name.endswith("pytest_lens.txt")
    text = "\n".join(editor.nvim.current.buffer[:])
    for name in NAMES:
        assert f"*:Lens-{name}*" in text, name
        assert f"<Plug>(pytest-lens-{name})" in text, name
