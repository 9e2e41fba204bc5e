"""The plugin's windows: output in colour, the quickfix list, the tree of all tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Start
from editor import Editor

FILES = {
    "shop/__init__.py": "",
    "shop/till.py": """
        def change(paid, cost):
            if paid < cost:
                raise ValueError("too little")
            return paid - cost
    """,
    "conftest.py": "",
    "tests/test_till.py": """
        import sys

        from shop.till import change


        def test_change():
            assert change(10, 4) == 6


        def test_debt():
            print("\\033[31mred\\033[0m and plain")
            print("to the other stream", file=sys.stderr); print("long" * 100)
            change(1, 2)


        def test_rest():
            assert change(5, 5) == 1
    """,
    "tests/deep/test_other.py": """
        class TestOther:
            def test_it(self):
                pass
    """,
}


@pytest.fixture
def editor(project: Callable[..., Path], start: Start) -> Editor:
    """A Neovim in which all tests ran."""
    editor = start(project(FILES))
    editor.open("tests/test_till.py")
    editor.run("all")
    editor.wait("#vim.diagnostic.get(0) == 2")
    return editor


def quickfix(editor: Editor) -> list[dict[str, Any]]:
    """The quickfix list: file, line from 1, text."""
    return list(
        editor.lua("""
            return vim.tbl_map(function(item)
              return {
                file = vim.fn.fnamemodify(vim.fn.bufname(item.bufnr), ':t'),
                line = item.lnum,
                text = item.text,
              }
            end, vim.fn.getqflist())
        """)
    )


def test_output_is_shown_in_colour(editor: Editor) -> None:
    editor.cursor(editor.line_of("change(1, 2)"))
    editor.lens("output")
    lines = editor.lines("output")
    assert lines[0] == "tests/test_till.py::test_debt"
    assert lines[1].startswith("✗ failed in ")
    assert "ValueError: too little" in "\n".join(lines)
    assert "red and plain" in lines
    assert "to the other stream" in lines
    assert "long" * 100 in lines, "no line is broken at the width of the window"
    colour = editor.lua(
        """
        local bufnr = vim.fn.bufnr('pytest-lens://output')
        local namespace = vim.api.nvim_get_namespaces().pytest_lens_output
        local at = { ..., 0 }
        local to = { ..., -1 }
        local mark = vim.api.nvim_buf_get_extmarks(bufnr, namespace, at, to, { details = true })[1]
        return { mark[4].end_col, vim.api.nvim_get_hl(0, { name = mark[4].hl_group }).fg }
        """,
        lines.index("red and plain"),
    )
    assert colour == [3, 0xCD0000]
    assert editor.nvim.current.buffer.name.endswith("test_till.py"), "the cursor stays where it was"


def test_a_traceback_leads_to_its_lines(editor: Editor) -> None:
    editor.cursor(editor.line_of("change(1, 2)"))
    editor.lens("output")
    editor.enter("output")
    editor.cursor(editor.line_of("shop/till.py:3"))
    editor.press("gf")
    assert editor.nvim.current.buffer.name.endswith("shop/till.py")
    assert editor.nvim.current.line.strip() == 'raise ValueError("too little")'
    editor.enter("output")
    editor.press("<C-q>")
    assert [(entry["file"], entry["line"]) for entry in quickfix(editor)] == [
        ("test_till.py", 13),
        ("till.py", 3),
    ]


def test_output_follows_the_next_run(editor: Editor) -> None:
    editor.cursor(editor.line_of("assert change(5, 5)"))
    editor.lens("output")
    assert editor.lines("output")[1].startswith("✗ failed")
    editor.nvim.current.line = "    assert change(5, 5) == 0"
    editor.run("run")
    editor.wait(
        "vim.fn.getbufline(vim.fn.bufnr('pytest-lens://output'), 2)[1]:find('passed') ~= nil",
        what="the new outcome in the output window",
    )


def test_a_comparison_is_shown_side_by_side(editor: Editor) -> None:
    editor.lens("output tests/test_till.py::test_rest")
    editor.enter("output")
    editor.press("D")
    shown = editor.lua("""
        return vim.tbl_map(function(window)
          local bufnr = vim.api.nvim_win_get_buf(window)
          return { vim.wo[window].winbar, vim.api.nvim_buf_get_lines(bufnr, 0, 1, false)[1] }
        end, vim.api.nvim_tabpage_list_wins(0))
    """)
    assert shown == [["expected", "1"], ["actual", "0"]]


def test_failures_fill_the_quickfix_list(editor: Editor) -> None:
    debt, rest = editor.line_of("change(1, 2)"), editor.line_of("assert change(5, 5)")
    editor.nvim.current.buffer[rest - 1] = "    assert change(5, 5) == 0"
    editor.watch_runs()
    editor.lens("failed")
    listed = quickfix(editor)
    assert [(entry["file"], entry["line"]) for entry in listed] == [
        ("test_till.py", debt),
        ("test_till.py", rest),
    ]
    assert listed[0]["text"] == "test_debt: ValueError: too little"
    assert editor.lua("return vim.fn.getqflist({ winid = 0 }).winid") != 0, "its window is open"
    assert editor.nvim.current.buffer.name.endswith("test_till.py"), "the cursor stays where it was"
    editor.ended()
    editor.wait("#vim.fn.getqflist() == 1", what="the list without the repaired test")
    assert quickfix(editor)[0]["text"].startswith("test_debt")


def test_nothing_failed(editor: Editor) -> None:
    editor.run("run tests/deep/test_other.py")
    editor.nvim.current.buffer[:] = ["def test_only():", "    pass"]
    editor.run("file")
    editor.wait("#vim.diagnostic.get(0) == 0")
    editor.lens("quickfix")
    assert "no test failed" in editor.message("no test failed")
    editor.lens("failed")
    assert "run tests first" in editor.message("run tests first")


def test_the_summary_is_a_tree(editor: Editor) -> None:
    editor.lens("summary")
    lines = editor.lines("summary")
    assert lines[0].startswith("✓ 2 ✗ 2")
    tree = [
        line.split("  ")[0] if not line.startswith(" ") else line.rstrip() for line in lines[2:]
    ]
    assert tree[0].startswith("▾ ✗ tests")
    assert any("▸ ✗ test_till.py" in line and "2 failed" in line for line in lines)
    editor.cursor(editor.line_of("test_till.py"))
    editor.press("<Tab>")
    assert [line.split()[:2] for line in editor.lines("summary")[-3:]] == [
        ["✓", "test_change"],
        ["✗", "test_debt"],
        ["✗", "test_rest"],
    ]
    editor.cursor(editor.line_of("test_debt"))
    editor.press("<CR>")
    assert editor.nvim.current.line == "def test_debt():"
    editor.lens("summary")
    assert editor.lua("return vim.fn.bufwinid('pytest-lens://summary')") == -1, (
        "a second time closes it"
    )


def test_the_summary_runs_and_filters(editor: Editor) -> None:
    editor.lens("summary")
    editor.press("f")
    shown = [line.strip() for line in editor.lines("summary")]
    assert "only failed" in shown[0]
    assert [line.split()[1] for line in shown if line.startswith("✗")] == ["test_debt", "test_rest"]
    assert not any("test_other" in line for line in shown)
    editor.watch_runs()
    editor.cursor(editor.line_of("test_rest"))
    editor.press("r")
    editor.ended()
    assert editor.lua("return _G.ended[1].counts.total") == 1
    editor.press("ffff")
    editor.cursor(editor.line_of("deep"))
    editor.watch_runs()
    editor.press("r")
    editor.ended()
    assert editor.lua("return _G.ended[1].counts") == {
        "total": 1,
        "passed": 1,
        "failed": 0,
        "skipped": 0,
        "errors": 0,
        "notRun": 0,
    }


def test_the_summary_keeps_the_cursor_on_its_test(editor: Editor) -> None:
    editor.lens("summary")
    editor.cursor(editor.line_of("test_till.py"))
    editor.press("<Tab>")
    editor.cursor(editor.line_of("test_rest"))
    (editor.root / "tests" / "aaa").mkdir()
    (editor.root / "tests" / "aaa" / "test_new.py").write_text("def test_new(): pass\n")
    editor.lens("collect")
    editor.wait(
        "table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), ' '):find('test_new') ~= nil",
        what="the new file in the tree",
    )
    assert "test_rest" in editor.nvim.current.line
