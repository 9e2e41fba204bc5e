"""A project with 20,000 tests: typing stays fast. Prints how long a key takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Start
from editor import Editor

TESTS = 20_000
FILES = 100
#: Files whose tests are run.
RUN = 10


def typing(editor: Editor, keys: int = 200) -> list[float]:
    """How many milliseconds each of so many keys takes from press to drawn screen, sorted."""
    return sorted(
        editor.lua(
            """
            local times = {}
            vim.cmd('normal! Go')
            for index = 1, ... do
              local start = vim.uv.hrtime()
              vim.api.nvim_feedkeys('A#', 'nx', false)
              vim.cmd.redraw()
              times[index] = (vim.uv.hrtime() - start) / 1e6
              -- Others have their turn between keys, as they do when a person types.
              vim.wait(2, function() return false end, 1)
            end
            vim.cmd('silent undo')
            return times
            """,
            keys,
        )
    )


def watch_pauses(editor: Editor) -> None:
    """Has the editor note how long it was busy at a time, in processor time of its own."""
    editor.lua("""
        local timer = assert(vim.uv.new_timer())
        local last = os.clock()
        _G.pause = 0
        timer:start(1, 1, function()
          local now = os.clock()
          _G.pause = math.max(_G.pause, (now - last) * 1000)
          last = now
        end)
    """)


def report(editor: Editor, name: str, times: list[float]) -> None:
    """Prints how long keys took, and how long the editor was busy since the last report."""
    middle, slow, slowest = times[len(times) // 2], times[len(times) * 99 // 100], times[-1]
    pause = editor.lua("local pause = _G.pause _G.pause = 0 return pause")
    print(
        f"\n  {name}: a key takes {middle:.2f} ms,"
        f" 1 % over {slow:.2f} ms, the slowest {slowest:.2f} ms;",
        end="",
    )
    print(f" the editor was busy for {pause:.1f} ms at a time at most", end="")


def test_typing_with_many_tests(
    project: Callable[..., Path], start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        type_along(project, start)


def type_along(project: Callable[..., Path], start: Start) -> None:
    """Types while tests are collected, known and run."""
    each = TESTS // FILES
    body = "\n".join(f"def test_{number}():\n    pass\n\n" for number in range(each))
    editor = start(project({f"tests/test_{number:03}.py": body for number in range(FILES)}))
    watch_pauses(editor)
    editor.open("tests/test_000.py")
    editor.lens("summary")
    editor.nvim.command("wincmd p")
    report(editor, "while tests are collected", typing(editor))
    editor.wait(
        "vim.tbl_count(vim.tbl_get(require('pytest_lens.client').stores(), 1, 'items') or {})"
        f" > {TESTS}",
        what="all tests in the tree",
    )
    report(editor, "until all were known", typing(editor, 10))
    report(editor, "with all known", typing(editor))
    editor.nvim.command("silent edit!")
    editor.watch_runs()
    editor.lens("run " + " ".join(f"tests/test_{number:03}.py" for number in range(RUN)))
    editor.wait(
        "next(require('pytest_lens.client').stores()[1].running) ~= nil", what="the first test"
    )
    report(editor, "while tests run", typing(editor))
    editor.ended()
    report(editor, "until they had run", typing(editor, 10))
    counts = editor.lua("return _G.ended[1].counts")
    assert counts["passed"] == RUN * each
    line = editor.lua("return require('pytest_lens').statusline()")
    assert line.removeprefix("collecting ") == f"✓ {RUN * each}"
    editor.signed({f"def test_{number}():": "✓" for number in range(each)})
