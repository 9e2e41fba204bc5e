"""Problems that users reported: failures in the tree, two servers, missing messages, coverage."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

from conftest import Start
from editor import Editor
from test_neotest import STAND_IN

TREE = {
    "tests/test_a.py": """
        import pytest


        @pytest.mark.parametrize("number", [1, 2])
        def test_cases(number):
            assert number == 1


        def test_good():
            pass
    """,
    "tests/test_b.py": """
        class TestPair:
            def test_bad(self):
                assert 1 == 2
    """,
}

SLOW = """
    import pathlib
    import time


    def test_slow():
        print("going")
        pathlib.Path(__file__).with_name("begun").touch()
        gate = pathlib.Path(__file__).with_name("gate")
        while not gate.exists():
            time.sleep(0.01)


    def test_next():
        pass
"""


def tree(editor: Editor) -> list[str]:
    """The names in the summary, from above."""
    return [line.split("✗ ", 1)[1].split()[0] for line in editor.lines("summary")[2:]]


def under_cursor(editor: Editor) -> str:
    """The line that the cursor is in."""
    return str(editor.nvim.current.line).strip()


def test_e1_failures_are_found_in_what_is_closed(
    project: Callable[..., Path], start: Start
) -> None:
    editor = start(project(TREE))
    editor.open("tests/test_a.py")
    editor.run("all")
    editor.lens("summary")
    editor.enter("summary")
    editor.cursor(1)
    editor.press("]f")
    assert under_cursor(editor).startswith("✗ 2 "), "the second case"
    editor.press("]f")
    assert "test_bad" in under_cursor(editor)
    editor.press("]f")
    assert "test_bad" in under_cursor(editor), "there is no other below"
    assert "no failure below" in editor.message("below")
    editor.press("[f")
    assert under_cursor(editor).startswith("✗ 2 ")
    editor.press("[f")
    assert "no failure above" in editor.message("above")
    editor.press("gg2]f")
    assert "test_bad" in under_cursor(editor), "a count goes so many on"
    editor.press("gg[f")
    assert editor.nvim.current.window.cursor[0] == 1, "above the tree there is none"


def test_e1_the_filter_opens_what_holds_a_failure(
    project: Callable[..., Path], start: Start
) -> None:
    editor = start(project(TREE))
    editor.open("tests/test_a.py")
    editor.run("all")
    editor.lens("summary")
    editor.enter("summary")
    editor.cursor(editor.line_of("test_a.py"))
    editor.press("zozc")
    editor.press("f")
    shown = tree(editor)
    assert shown == ["tests", "test_a.py", "test_cases", "2", "test_b.py", "TestPair", "test_bad"]
    editor.cursor(editor.line_of("test_a.py"))
    editor.press("zc")
    assert "2" not in tree(editor), "what the user closes is closed"
    editor.press("fffff")
    assert tree(editor) == shown


HELPED = {
    "conftest.py": """
        def check(number):
            assert number == 1, "the helper says no"
    """,
    "test_helped.py": """
        import pytest
        from conftest import check


        def test_helped():
            print("said by the test")
            check(2)


        @pytest.mark.parametrize("number", [2, 3])
        def test_cases(number):
            assert False, "the same"


        def test_quiet():
            pass
    """,
}

RUN_BY_NEOTEST = """
    local position = { id = ..., path = ... }
    local spec = _G.adapter.build_spec({ tree = { data = function() return position end } })
    local process = spec.strategy(spec)
    for _ in spec.stream(process.output_stream()) do end
    process.result()
    local results = _G.adapter.results(spec)
    for _, result in pairs(results) do
      result.text = table.concat(vim.fn.readfile(result.output), '\\n')
    end
    return results
"""


def test_e2_neotest_is_told_where_and_what(project: Callable[..., Path], start: Start) -> None:
    root = project(HELPED)
    editor = start(root)
    editor.open("test_helped.py")
    editor.collected()
    editor.lua(STAND_IN)
    path = f"{root}/test_helped.py"
    results = editor.lua(RUN_BY_NEOTEST, path)
    helped = results[f"{path}::test_helped"]
    (error,) = helped["errors"]
    assert error["line"] + 1 == editor.line_of("check(2)")
    assert "conftest.py:2: " in error["message"]
    assert "said by the test" in helped["text"]
    assert "the same" not in helped["text"], "no other test's output"
    cases = results[f"{path}::test_cases"]
    (same,) = cases["errors"]
    assert same["message"].startswith("AssertionError: the same")
    assert "test_cases[2]" in cases["text"] and "test_cases[3]" in cases["text"]
    assert "printed nothing" in results[f"{path}::test_quiet"]["text"]


def test_e2_failures_are_shown_once(project: Callable[..., Path], start: Start) -> None:
    root = project(HELPED)
    editor = start(root)
    editor.open("test_helped.py")
    editor.collected()
    editor.lua(STAND_IN)
    editor.lua(RUN_BY_NEOTEST, f"{root}/test_helped.py")
    editor.wait("next(require('pytest_lens.client').stores()[1].runs) == nil")
    editor.wait("#vim.diagnostic.get(0) == 0", what="an end of the server's own diagnostics")
    # The server reports a run that neotest does not know.
    editor.nvim.current.buffer[editor.line_of("check(2)") - 1] = "    check(3)"
    editor.run("run test_helped.py::test_helped")
    editor.wait("#vim.diagnostic.get(0) > 0", what="the server's own diagnostics")


def test_e3_a_dead_server_s_buffers_are_nobody_else_s(tmp_path: Path, start: Start) -> None:
    for name, text in {
        "one": "def test_a():\n    pass\n",
        "two": "def test_b():\n    pass\n",
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "pytest.ini").write_text("[pytest]\n")
        (tmp_path / name / f"test_{name}.py").write_text(text)
    editor = start(tmp_path)
    editor.open("one/test_one.py")
    editor.run("file")
    children = "return vim.api.nvim_get_proc_children(vim.fn.getpid())"
    first = editor.lua(children)
    editor.open("two/test_two.py")
    editor.run("file")
    (pid,) = set(editor.lua(children)) - set(first)
    os.kill(pid, signal.SIGKILL)
    editor.wait("#vim.lsp.get_clients({ name = 'pytest_lens' }) == 1", what="the server's end")
    editor.wait("#require('pytest_lens.client').stores() == 1")
    assert editor.lua("return require('pytest_lens').statusline()") == ""
    assert editor.marks() == {}
    editor.lens("file")
    assert "the server of two has ended: `:Lens restart`" in editor.message("has ended")
    editor.nvim.command("edit two/notes.txt")
    assert editor.lua("return require('pytest_lens').statusline()") == ""
    editor.nvim.command("edit one/notes.txt")
    assert editor.lua("return require('pytest_lens').statusline()") == "✓ 1"
    editor.nvim.command("edit two/test_two.py")
    editor.lens("restart")
    editor.wait(
        "#vim.lsp.get_clients({ name = 'pytest_lens', bufnr = 0 }) > 0", what="a new server"
    )
    assert editor.run("file")["counts"]["passed"] == 1


def test_e4_lenses_and_words_are_not_both_shown(project: Callable[..., Path], start: Start) -> None:
    editor = start(project(TREE), {"code_lens": True})
    editor.open("tests/test_b.py")
    editor.run("file")
    editor.shown("✗ failed")
    editor.nvim.command("edit!")
    editor.wait("#vim.lsp.get_clients({ name = 'pytest_lens', bufnr = 0 }) > 0")
    editor.signed({"class TestPair:": "✗", "def test_bad(self):": "✗"})
    editor.shown("▶ Run")
    assert {mark["text"] for mark in editor.marks().values()} == {""}


def test_e4_lenses_of_the_user_s_own(project: Callable[..., Path], start: Start) -> None:
    editor = start(project(TREE))
    editor.open("tests/test_b.py")
    editor.run("file")
    editor.lua("vim.lsp.codelens.refresh({ bufnr = 0 })")
    editor.shown("▶ Run")
    editor.wait(
        """vim.iter(vim.api.nvim_buf_get_extmarks(
             0, vim.api.nvim_get_namespaces().pytest_lens, 0, -1, { details = true }
           )):all(function(mark) return mark[4].virt_text == nil end)""",
        what="an end of the words",
    )


def test_e4_what_is_no_option_runs_nothing(project: Callable[..., Path], start: Start) -> None:
    editor = start(project(TREE))
    editor.open("tests/test_a.py")
    editor.collected()
    editor.watch_runs()
    editor.lens("all bogus=1")
    assert '"bogus=1" is no option of a run' in editor.message("bogus")
    editor.lens("run bogus=2")
    assert '"bogus=2" is no option of a run' in editor.message("bogus=2")
    editor.lens("file fast")
    assert '"fast" is no option' in editor.message("fast")
    editor.lens("all workers=many")
    assert "`workers` takes a whole number" in editor.message("many")
    editor.lens("all rerun=perhaps")
    assert "`rerun` takes `true` or `false`" in editor.message("perhaps")
    editor.lens("stop now")
    assert "nothing follows `:Lens stop`" in editor.message("stop now")
    editor.lens("collect all")
    assert "only `force` may follow" in editor.message("collect all")
    assert editor.lua("return #_G.ended") == 0
    assert editor.lua("return next(require('pytest_lens.client').stores()[1].runs)") is None


def test_e4_a_killed_test_says_so(project: Callable[..., Path], start: Start) -> None:
    root = project({"test_slow.py": SLOW})
    editor = start(root)
    editor.open("test_slow.py")
    editor.watch_runs()
    editor.lens("file")
    editor.shown("running")
    editor.wait("vim.uv.fs_stat(arguments[1]) ~= nil", str(root / "begun"))
    editor.lens("stop")
    assert "1 test goes on to the end" in editor.message("stopping")
    assert editor.lua("return require('pytest_lens').statusline()") == "● 0/2 stopping"
    editor.lens("kill")
    editor.ended()
    assert "without an outcome" in editor.message("the run was killed")
    editor.shown("ended while it ran")
    editor.cursor(editor.line_of("def test_slow"))
    editor.lens("output")
    assert any("ended while it ran: the run was killed" in line for line in editor.lines("output"))


def test_e4_commands_while_the_server_starts(project: Callable[..., Path], start: Start) -> None:
    editor = start(project(TREE))
    editor.watch_runs()
    editor.nvim.command("edit tests/test_a.py | Lens all")
    editor.ended()
    assert editor.said() == []


def test_e4_a_project_without_an_open_file(project: Callable[..., Path], start: Start) -> None:
    editor = start(project(TREE))
    editor.watch_runs()
    editor.lens("all")
    editor.ended()
    assert editor.said() == []
    editor.lens("summary")
    assert any("test_a.py" in line for line in editor.lines("summary"))
    editor.open("tests/test_a.py")
    assert editor.lua("return #vim.lsp.get_clients({ name = 'pytest_lens' })") == 1


def test_e4_failures_are_known_after_a_restart(project: Callable[..., Path], start: Start) -> None:
    root = project(TREE)
    editor = start(root)
    editor.open("tests/test_a.py")
    editor.run("all")
    editor.wait("#vim.diagnostic.get(0) > 0")
    editor.lens("restart")
    editor.wait("#vim.lsp.get_clients({ name = 'pytest_lens', bufnr = 0 }) > 0")
    editor.collected()
    counts = editor.run("failed")["counts"]
    assert (counts["total"], counts["failed"]) == (2, 2)
    editor.wait("#vim.fn.getqflist() == 2", what="the list of what still fails")


def test_e4_collecting_is_shown(project: Callable[..., Path], start: Start) -> None:
    root = project({"test_slow.py": "import pathlib, time\n" + SLOW.replace("\n    ", "\n")})
    text = (root / "test_slow.py").read_text()
    gate = "while not pathlib.Path(__file__).with_name('open').exists():\n    time.sleep(0.01)\n"
    (root / "test_slow.py").write_text(text + gate)
    editor = start(root)
    editor.open("test_slow.py")
    editor.wait("require('pytest_lens').statusline() == 'collecting'", what="the word for it")
    (root / "open").touch()
    editor.wait("require('pytest_lens').statusline() == ''", what="its end")


def test_e4_coverage_marks_lines(project: Callable[..., Path], start: Start) -> None:
    root = project(
        {
            "shop.py": """
                def change(paid, cost):
                    if paid < cost:
                        raise ValueError
                    return paid - cost
            """,
            "test_shop.py": """
                from shop import change


                def test_change():
                    assert change(10, 4) == 6
            """,
        }
    )
    editor = start(root)
    editor.open("test_shop.py")
    editor.run("coverage")
    assert "coverage: " in editor.message("`:Lens coverage list`")
    editor.nvim.command("edit shop.py")
    found = editor.lua("""
        local namespace = vim.api.nvim_get_namespaces().pytest_lens_coverage
        local all = vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, { details = true })
        return vim.tbl_map(function(mark) return { mark[2] + 1, mark[4].sign_hl_group } end, all)
    """)
    assert found == [
        [1, "PytestLensCovered"],
        [2, "PytestLensPartial"],
        [3, "PytestLensMissed"],
        [4, "PytestLensCovered"],
    ]
    editor.shown("never to line 3")
    editor.lens("coverage list")
    entries = editor.lua("return vim.fn.getqflist()")
    assert [(entry["lnum"], entry["text"]) for entry in entries] == [(3, "not run: line 3")]
    editor.lens("coverage clear")
    assert (
        editor.lua("""
            local namespace = vim.api.nvim_get_namespaces().pytest_lens_coverage
            return #vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, {})
        """)
        == 0
    )


MOODY = """
    import pathlib


    def test_moody():
        state = pathlib.Path(__file__).parents[1] / "mood"
        good = not state.exists()
        state.unlink() if state.exists() else state.touch()
        assert good
"""


def test_c8_known_flaky_tests_are_marked_when_opened(
    project: Callable[..., Path], start: Start
) -> None:
    root = project({"test_mood.py": MOODY})
    editor = start(root)
    editor.open("test_mood.py")
    for _ in range(3):
        editor.run("file")
    editor.shown("flaky 33 %")
    editor.nvim.command("qall!", async_=True)
    editor = start(root)
    editor.open("test_mood.py")
    editor.shown("flaky 33 %")
    editor.signed({"def test_moody():": "≈"})
    editor.lens("summary")
    editor.wait(
        "vim.fn.getbufline(vim.fn.bufnr('pytest-lens://summary'), 3)[1]:find('flaky') ~= nil",
        what="the flaky test in the tree",
    )
