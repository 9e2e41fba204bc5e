"""Failures around the tests: stopped runs, dead servers, missing programs; each has a message."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Start
from editor import Editor, binary

SLOW = """
    import pathlib
    import time


    def test_one():
        gate = pathlib.Path(__file__).with_name("gate")
        while not gate.exists():
            time.sleep(0.01)


    def test_two():
        pass
"""

MANY = (
    SLOW
    + """

    import pytest


    @pytest.mark.parametrize("number", range(100))
    def test_more(number):
        time.sleep(0.05)
"""
)


@pytest.fixture
def slow(project: Callable[..., Path], start: Start) -> Editor:
    """A Neovim in which a test runs that waits for its gate."""
    return begin(start(project({"test_slow.py": SLOW})))


def begin(editor: Editor) -> Editor:
    """Starts the tests of the file, and waits until one runs."""
    editor.open("test_slow.py")
    editor.watch_runs()
    editor.lens("file")
    editor.shown("running")
    return editor


def test_stop_lets_finish_what_runs(project: Callable[..., Path], start: Start) -> None:
    editor = begin(start(project({"test_slow.py": MANY})))
    editor.lens("stop")
    editor.wait("next(vim.lsp.get_clients()[1].requests) == nil", what="the answer to `stop`")
    (editor.root / "gate").touch()
    editor.ended()
    ended = editor.lua("return _G.ended[1]")
    assert ended["status"] == "stopped"
    counts = ended["counts"]
    # The answer may come a moment before the runner knows: it may have begun another test by then.
    assert counts["passed"] and counts["notRun"], counts
    assert counts["passed"] + counts["notRun"] == 102
    editor.shown("✓ def test_one():")


def test_the_summary_stops_what_runs(slow: Editor) -> None:
    slow.lens("summary")
    slow.enter("summary")
    slow.press("s")
    assert "1 test goes on to the end" in slow.message("stopping")
    (slow.root / "gate").touch()
    slow.ended()
    assert slow.lua("return _G.ended[1].status") == "stopped"


def test_kill_ends_it_now(slow: Editor) -> None:
    slow.lens("kill")
    slow.ended()
    assert slow.lua("return _G.ended[1].status") == "killed"
    slow.signed({})


def test_progress_can_be_cancelled(slow: Editor) -> None:
    slow.wait("next(vim.lsp.get_clients()[1].progress.pending) ~= nil", what="progress of the run")
    slow.lua("""
        local client = vim.lsp.get_clients()[1]
        for token in pairs(client.progress.pending) do
          client:notify('window/workDoneProgress/cancel', { token = token })
        end
        -- The server answers a later request after it has handled the cancellation.
        local command = { command = 'pytestLens.flakiness', arguments = { vim.empty_dict() } }
        client:request_sync('workspace/executeCommand', command, 60000)
    """)
    (slow.root / "gate").touch()
    slow.ended()
    assert slow.lua("return _G.ended[1].status") == "stopped"


def test_nothing_to_stop(project: Callable[..., Path], start: Start) -> None:
    editor = start(project({"test_one.py": "def test_one(): pass\n"}))
    editor.open("test_one.py")
    editor.run("file")
    editor.lens("stop")
    assert editor.message("no test is running") == "pytest-lens: no test is running"


def test_a_server_that_dies_takes_its_signs_along(slow: Editor) -> None:
    slow.lens("summary")
    pid = slow.lua("""
        for _, child in ipairs(vim.api.nvim_get_proc_children(vim.fn.getpid())) do
          if vim.api.nvim_get_proc(child).name:find('pytest%-lens') then return child end
        end
    """)
    os.kill(pid, signal.SIGKILL)
    slow.wait("#vim.lsp.get_clients({ name = 'pytest_lens' }) == 0")
    slow.shown("The server has ended")
    slow.lens("summary")
    assert slow.marks() == {}
    slow.lens("run")
    assert "`:Lens restart`" in slow.message("Lens restart")
    (slow.root / "gate").touch()
    slow.lens("restart")
    slow.wait(
        "#vim.lsp.get_clients({ name = 'pytest_lens', bufnr = 0 }) > 0", what="the new server"
    )
    assert slow.run("file")["status"] == "passed"
    slow.shown("✓ def test_one():")


def test_a_project_without_tests(project: Callable[..., Path], start: Start) -> None:
    editor = start(project({"tool.py": "def tool():\n    return 1\n"}))
    editor.open("tool.py")
    editor.lens("all")
    assert "no test" in editor.message("no test")
    editor.lens("run")
    assert "there is no test at line 1" in editor.message("line 1")
    editor.lens("output")
    assert editor.message("put the cursor into one")
    editor.lens("summary")
    editor.shown("There are no tests here")


def test_no_pytest(project: Callable[..., Path], start: Start, tmp_path: Path) -> None:
    import venv

    venv.create(tmp_path / "bare", with_pip=False)
    editor = start(
        project({"test_one.py": "def test_one(): pass\n"}), VIRTUAL_ENV=str(tmp_path / "bare")
    )
    editor.open("test_one.py")
    editor.lens("run")
    assert "-m pip install pytest" in editor.message("pytest is not installed")


def test_no_binary(project: Callable[..., Path], start: Start) -> None:
    editor = start(project({"test_one.py": "def test_one(): pass\n"}), LENS_BINARY="not-a-program")
    editor.open("test_one.py", served=False)
    editor.lens("run")
    assert ":checkhealth pytest_lens" in editor.message("checkhealth")
    editor.nvim.command("checkhealth pytest_lens")
    text = "\n".join(editor.nvim.current.buffer[:])
    assert "`not-a-program` is not on the PATH" in text
    assert "cargo install" in text


def test_the_projects_own_binary_is_found(project: Callable[..., Path], start: Start) -> None:
    root = project({"test_one.py": "def test_one(): pass\n"})
    own = root / ".venv" / "bin" / "pytest-lens"
    own.parent.mkdir(parents=True)
    own.symlink_to(binary())
    editor = start(root, LENS_BINARY="")
    editor.open("test_one.py")
    editor.nvim.command("checkhealth pytest_lens")
    text = "\n".join(editor.nvim.current.buffer[:])
    assert f"({own})" in text
    find = "return require('pytest_lens.program').find(...)"
    assert editor.lua(find, str(root)) == str(own)
    own.unlink()
    assert editor.lua(find, str(root)) == "pytest-lens"


def test_a_file_of_no_project_is_left_alone(start: Start, tmp_path: Path) -> None:
    (tmp_path / "loose").mkdir()
    (tmp_path / "loose" / "script.py").write_text("print(1)\n")
    editor = start(tmp_path / "loose")
    editor.open("script.py", served=False)
    assert editor.lua("return #vim.lsp.get_clients({ _uninitialized = true })") == 0


def test_a_file_that_does_not_import(project: Callable[..., Path], start: Start) -> None:
    editor = start(
        project({"test_one.py": "import nowhere_to_be_found\n\n\ndef test_one(): pass\n"})
    )
    editor.open("test_one.py")
    editor.wait("#vim.diagnostic.get(0) == 1")
    (found,) = editor.diagnostics()
    assert (found["line"], found["code"]) == (1, "collection_error")
    editor.lens("quickfix")
    assert editor.lua("return vim.fn.getqflist()[1].lnum") == 1
