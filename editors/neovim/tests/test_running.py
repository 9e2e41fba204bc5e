"""Running tests by map and command: signs while tests run, failures at their lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from conftest import Start

CAFE = """
    import pytest


    def test_good():
        assert 1 + 1 == 2


    def test_bad():
        total = 40
        assert total == 42


    @pytest.mark.parametrize("number", [1, 2, 3])
    def test_cases(number):
        assert number != 3


    class TestTable:
        def test_legs(self):
            assert True

        @pytest.mark.skip(reason="later")
        def test_top(self):
            assert False
"""

#: Of that file, when all has run.
SIGNS = {
    "def test_good():": "✓",
    "def test_bad():": "✗",
    "def test_cases(number):": "✗",
    "class TestTable:": "✓",
    "def test_legs(self):": "✓",
    "def test_top(self):": "○",
}


def test_the_test_under_the_cursor_runs_by_its_map(
    project: Callable[..., Path], start: Start
) -> None:
    editor = start(project({"test_cafe.py": CAFE}))
    editor.open("test_cafe.py")
    editor.watch_runs()
    editor.nvim.command("nmap gt <Plug>(pytest-lens-run)")
    editor.cursor(editor.line_of("assert 1 + 1"))
    editor.press("gt")
    editor.ended()
    assert editor.lua("return _G.ended[1].counts.total") == 1
    editor.wait(
        "require('pytest_lens').result('test_cafe.py::test_good') ~= nil", what="the outcome"
    )
    line = editor.shown("passed")
    assert line.startswith("✓ def test_good():")
    assert "ms" in line
    editor.signed({"def test_good():": "✓"})


def test_a_file_gets_signs_words_and_diagnostics(
    project: Callable[..., Path], start: Start
) -> None:
    editor = start(project({"test_cafe.py": CAFE}))
    editor.open("test_cafe.py")
    counts = editor.run("file")["counts"]
    assert (counts["passed"], counts["failed"], counts["skipped"]) == (4, 2, 1)
    editor.shown("1 failed, 2 passed")
    editor.signed(SIGNS)
    editor.wait("#vim.diagnostic.get(0) == 2")
    found = {diagnostic["line"]: diagnostic for diagnostic in editor.diagnostics()}
    bad = found[editor.line_of("assert total == 42")]
    assert bad["source"] == "pytest-lens"
    assert bad["code"] == "failed"
    assert "40 == 42" in bad["message"]
    assert found[editor.line_of("assert number != 3")]["message"].startswith("[3]")


def test_a_pass_is_stale_when_what_it_depends_on_has_changed(
    project: Callable[..., Path], start: Start
) -> None:
    root = project(
        {
            "core.py": "LIMIT = 1\n",
            "test_limit.py": "import core\n\n\ndef test_limit():\n    assert core.LIMIT\n",
        }
    )
    editor = start(root)
    editor.open("test_limit.py")
    editor.run("file")
    editor.signed({"def test_limit():": "✓"})
    # The file is not open: a formatter, git or an agent may write it.
    (root / "core.py").write_text("LIMIT = 2\n")
    editor.shown("stale")
    editor.signed({"def test_limit():": "◌"})
    editor.run("file")
    editor.signed({"def test_limit():": "✓"})


def test_nothing_is_drawn_twice(project: Callable[..., Path], start: Start) -> None:
    editor = start(project({"test_cafe.py": CAFE}), {"code_lens": True})
    editor.open("test_cafe.py")
    editor.run("file")
    line = editor.shown("✗ failed")
    assert line.count("failed") == 1, line
    editor.signed(SIGNS)
    assert editor.marks()[editor.line_of("def test_bad")]["text"] == ""


def test_signs_and_diagnostics_follow_edits(project: Callable[..., Path], start: Start) -> None:
    editor = start(project({"test_cafe.py": CAFE}))
    editor.open("test_cafe.py")
    editor.run("file")
    editor.wait("#vim.diagnostic.get(0) == 2")
    editor.signed(SIGNS)
    editor.nvim.current.buffer[0:0] = ["# one", "# two", "# three"]
    assert editor.signs() == SIGNS, "signs move with their lines at once"
    editor.wait(
        "vim.iter(vim.diagnostic.get(0)):any(function(d) return d.lnum + 1 == arguments[1] end)",
        editor.line_of("assert total == 42"),
        what="the diagnostic at its new line",
    )
    editor.nvim.command("undo")
    assert editor.signs() == SIGNS
    editor.nvim.command(f"{editor.line_of('def test_bad')},{editor.line_of('assert total')}delete")
    assert "def test_bad():" not in editor.signs(), "what was deleted has no sign"
    editor.nvim.command("undo")
    assert editor.signs() == SIGNS


def test_a_mended_test_loses_its_diagnostic(project: Callable[..., Path], start: Start) -> None:
    editor = start(project({"test_cafe.py": CAFE}))
    editor.open("test_cafe.py")
    editor.run("file")
    editor.wait("#vim.diagnostic.get(0) == 2")
    editor.cursor(editor.line_of("total = 40"))
    editor.nvim.current.line = "    total = 42"
    editor.run("run")
    assert not editor.nvim.current.buffer.options["modified"], "it was saved before it ran"
    editor.wait("#vim.diagnostic.get(0) == 1")
    # The others ran before their file changed. A failure remains one.
    stale = {line: "◌" for line, sign in SIGNS.items() if sign != "✗"}
    editor.signed({**SIGNS, **stale, "def test_bad():": "✓"})


def test_outcomes_stream_while_others_run(project: Callable[..., Path], start: Start) -> None:
    text = """
        import pathlib
        import time


        def test_first():
            pass


        def test_second():
            gate = pathlib.Path(__file__).with_name("gate")
            while not gate.exists():
                time.sleep(0.01)
    """
    root = project({"test_slow.py": text})
    editor = start(root)
    editor.open("test_slow.py")
    editor.watch_runs()
    editor.lens("file")
    editor.shown("running")
    editor.wait("require('pytest_lens').result('test_slow.py::test_first') ~= nil")
    editor.shown("✓ def test_first():")
    editor.signed({"def test_first():": "✓", "def test_second():": "●"})
    assert editor.lua("return require('pytest_lens').statusline()") == "● 1/2"
    assert editor.lua("return #_G.ended") == 0
    (root / "gate").touch()
    editor.ended()
    editor.shown("✓ def test_second():")
    # Tests may be collected again meanwhile: the folder has a new file.
    editor.wait("require('pytest_lens').statusline() == '✓ 2'")


def test_failed_and_last_run_again(project: Callable[..., Path], start: Start) -> None:
    editor = start(project({"test_cafe.py": CAFE}))
    editor.open("test_cafe.py")
    editor.run("all")
    assert editor.run("failed")["counts"]["total"] == 2
    assert editor.run("last")["counts"]["total"] == 2


def test_options_go_to_the_server(project: Callable[..., Path], start: Start) -> None:
    editor = start(project({"test_cafe.py": CAFE}))
    editor.open("test_cafe.py")
    assert editor.run("all keyword=good")["counts"]["total"] == 1
    assert editor.run("run test_cafe.py::TestTable runDisabled=true")["counts"]["failed"] == 1


def test_a_flaky_test_has_a_highlight_of_its_own(
    project: Callable[..., Path], start: Start
) -> None:
    text = """
        import pathlib


        def test_moody():
            state = pathlib.Path(__file__).parents[1] / "mood"
            good = not state.exists()
            state.unlink() if state.exists() else state.touch()
            assert good
    """
    editor = start(project({"test_mood.py": text}))
    editor.open("test_mood.py")
    for _ in range(3):
        editor.run("file")
    editor.shown("flaky 33 %")
    editor.wait("require('pytest_lens').result('test_mood.py::test_moody').outcome == 'passed'")
    editor.signed({"def test_moody():": "≈"})
    mark = editor.marks()[editor.line_of("def test_moody")]
    assert mark["hl"] == "PytestLensFlaky"
    assert editor.diagnostics() == [], "the hint is drawn by the sign alone"
    editor.lens("flaky")
    lines = editor.lines("flaky")
    assert lines[0] == "1 flaky, 0 unstable, 0 stable"
    assert any(line.endswith("test_mood.py::test_moody") for line in lines)
    assert any("✓✗✓" in line for line in lines)


def test_a1_a_written_data_file_runs_what_reads_it(
    project: Callable[..., Path], start: Start
) -> None:
    text = """
        import json
        import pathlib

        CASES = pathlib.Path(__file__).with_name("cases.json")


        def test_cases():
            assert json.loads(CASES.read_text())
    """
    init = "vim.lsp.config('pytest_lens', { settings = { pytestLens = { runOnSave = 'affected' }}})"
    editor = start(project({"test_data.py": text, "cases.json": "[1]\n"}), init=init)
    editor.open("test_data.py")
    assert editor.run("file")["status"] == "passed"
    editor.lua("_G.ended = {}")
    editor.open("cases.json", served=False)
    editor.lua("vim.api.nvim_buf_set_lines(0, 0, -1, false, { '[]' })")
    editor.nvim.command("write")
    editor.ended()
    assert editor.lua("return _G.ended[1].status") == "failed"
