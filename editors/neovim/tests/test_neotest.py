"""The neotest adapter, driven by stand-ins for the few functions of neotest that it calls."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from conftest import Start

FILE = """
    import pytest


    class TestPair:
        def test_left(self):
            pass


    @pytest.mark.parametrize("number", [1, 2])
    def test_cases(number):
        assert number == 1
"""

#: Events and queues that wait as those of neotest do; a tree is the list that it is made from.
STAND_IN = """
    package.loaded['neotest.types'] = { Tree = { from_list = function(list) return list end } }
    package.loaded.nio = { control = {
      event = function()
        local is_set = false
        return {
          set = function() is_set = true end,
          wait = function() vim.wait(60000, function() return is_set end, 10) end,
        }
      end,
      queue = function()
        local items = {}
        return {
          put_nowait = function(item) table.insert(items, { item }) end,
          get = function()
            vim.wait(60000, function() return #items > 0 end, 10)
            return table.remove(items, 1)[1]
          end,
        }
      end,
    } }
    _G.adapter = require('neotest-pytest-lens')
"""


def test_positions_and_results_are_the_server_s(project: Callable[..., Path], start: Start) -> None:
    root = project({"test_pair.py": FILE})
    editor = start(root)
    editor.open("test_pair.py")
    editor.collected()
    editor.lua(STAND_IN)
    path = f"{root}/test_pair.py"
    assert editor.lua("return _G.adapter.root(...)", str(root)) == str(root)
    assert editor.lua("return _G.adapter.is_test_file(...)", path)
    assert not editor.lua("return _G.adapter.is_test_file(...)", f"{root}/pytest.ini")
    file, pair, cases = editor.lua("return _G.adapter.discover_positions(...)", path)
    assert (file["id"], file["type"]) == (path, "file")
    assert (pair[0]["id"], pair[0]["type"], pair[0]["range"][0]) == (
        f"{path}::TestPair",
        "namespace",
        3,
    )
    assert pair[1][0]["id"] == f"{path}::TestPair::test_left"
    assert (cases[0]["id"], len(cases)) == (f"{path}::test_cases", 1)
    results, streamed, code, output = editor.lua(
        """
        local position = { id = ..., path = ... }
        local spec = _G.adapter.build_spec({ tree = { data = function() return position end } })
        local process = spec.strategy(spec)
        local streamed = {}
        for results in spec.stream(process.output_stream()) do
          for id, result in pairs(results) do streamed[id] = result.status end
        end
        local code = process.result()
        local results = _G.adapter.results(spec)
        return { results, streamed, code, table.concat(vim.fn.readfile(process.output()), ' ') }
        """,
        path,
    )
    assert code == 1
    assert streamed == {f"{path}::TestPair::test_left": "passed", f"{path}::test_cases": "failed"}
    assert results[f"{path}::TestPair::test_left"]["status"] == "passed"
    failed = results[f"{path}::test_cases"]
    assert failed["status"] == "failed"
    assert failed["errors"][0]["line"] == 10
    assert "2 == 1" in failed["short"]
    assert "test_pair.py::test_cases[2] failed" in output
