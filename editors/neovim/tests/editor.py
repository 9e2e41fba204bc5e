"""Drives a child Neovim with the plugin: sends keys, reads the screen and the state."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import sysconfig
import tempfile
import textwrap
from pathlib import Path
from types import TracebackType
from typing import Any

import pynvim

PLUGIN = Path(__file__).resolve().parents[1]
REPO = PLUGIN.parents[1]

#: The longest wait, in milliseconds. Only a wait that can't succeed reaches it.
DEADLINE = 120_000

#: The user's configuration.
INIT = """
vim.opt.rtp:prepend(vim.env.LENS_PLUGIN)
vim.opt.swapfile = false
vim.opt.shortmess:append('I')
vim.g.pytest_lens = vim.json.decode(vim.env.LENS_OPTIONS)
if (vim.env.LENS_BINARY or '') ~= '' then
  vim.lsp.config('pytest_lens', { cmd = { vim.env.LENS_BINARY, 'lsp' } })
end
vim.lsp.enable('pytest_lens')
_G.said = {}
vim.notify = function(text) table.insert(_G.said, text) end
"""


def binary() -> Path:
    """The server under test: `PYTEST_LENS_BIN`, else the debug build."""
    path = Path(os.environ.get("PYTEST_LENS_BIN") or REPO / "target" / "debug" / "pytest-lens")
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: `cargo xtask test neovim` builds it")
    return path


def nvim() -> str:
    """The Neovim of this environment."""
    found = shutil.which("nvim", path=sysconfig.get_path("scripts"))
    if not found:
        raise FileNotFoundError("no nvim in this environment: `cargo xtask test neovim` makes one")
    return found


class Editor:
    """One Neovim in one project."""

    def __init__(
        self,
        root: Path,
        home: Path,
        options: dict[str, Any] | None = None,
        init: str = "",
        **env: str,
    ) -> None:
        self.root = root
        self.runtime = tempfile.TemporaryDirectory(prefix="lens-nvim-")
        config = home / "init.lua"
        config.write_text(INIT + textwrap.dedent(init))
        inherited = {
            name: os.environ[name] for name in ("TMPDIR", "RUST_BACKTRACE") if name in os.environ
        }
        environment = {
            "PATH": os.pathsep.join(
                [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
            ),
            "VIRTUAL_ENV": sys.prefix,
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "XDG_CACHE_HOME": str(home / "cache"),
            "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_DATA_HOME": str(home / "data"),
            "XDG_STATE_HOME": str(home / "state"),
            "XDG_RUNTIME_DIR": self.runtime.name,
            "LENS_PLUGIN": str(PLUGIN),
            "LENS_BINARY": str(binary()),
            "LENS_OPTIONS": pynvim_json(options or {}),
            **inherited,
            **env,
        }
        assignments = [f"{name}={value}" for name, value in environment.items()]
        arguments = ["/usr/bin/env", "-i", "-C", str(root), *assignments]
        self.nvim = pynvim.attach(
            "child", argv=[*arguments, nvim(), "--embed", "--clean", "-u", str(config)]
        )
        self.nvim.ui_attach(120, 40, rgb=True)

    def __enter__(self) -> Editor:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None:
            with contextlib.suppress(Exception):
                print("\n".join([*self.screen(), *self.said()]))
        with contextlib.suppress(Exception):
            self.nvim.command("qall!", async_=True)
        self.nvim.close()
        self.runtime.cleanup()

    def lua(self, code: str, *arguments: Any) -> Any:
        """Executes Lua code with the arguments as `...`, and returns its value."""
        return self.nvim.exec_lua(textwrap.dedent(code), *arguments)

    def wait(self, condition: str, *arguments: Any, what: str = "") -> Any:
        """Waits until a Lua expression is neither nil nor false, and returns its value."""
        code = f"""
            local arguments = {{ ... }}
            local value
            local come = vim.wait({DEADLINE}, function()
              local ok, found = pcall(function() return {condition} end)
              value = ok and found or nil
              _G.problem = not ok and found or nil
              return value ~= nil and value ~= false
            end, 10)
            return {{ come, value, _G.problem }}
        """
        come, value, problem = (*self.lua(code, *arguments), None, None)[:3]
        if not come:
            raise AssertionError(f"never came: {what or condition} ({problem})")
        return value

    def open(self, file: str, served: bool = True) -> None:
        """Opens a file, and waits until the server is attached."""
        self.nvim.command(f"edit {file}")
        if served:
            self.wait(
                "#vim.lsp.get_clients({ name = 'pytest_lens', bufnr = 0 }) > 0", what="the server"
            )

    def collected(self) -> None:
        """Waits until pytest has collected the tests of the open file."""
        self.wait(
            """(function()
                local uri = vim.uri_from_bufnr(0)
                for _, store in ipairs(require('pytest_lens.client').stores()) do
                  local any = false
                  for id in pairs(store.files[uri] or {}) do
                    any = true
                    if store.items[id].provisional then return false end
                  end
                  if any then return true end
                end
              end)()""",
            what="pytest's own tests of the file",
        )

    def lens(self, arguments: str) -> None:
        """Executes `:Lens ARGUMENTS`."""
        self.nvim.command(f"Lens {arguments}")

    def ended(self, count: int = 1) -> None:
        """Waits until that number of runs have ended since `watch_runs`."""
        self.wait(f"#_G.ended >= {count} and #_G.ended", what="the end of the run")

    def watch_runs(self) -> None:
        """Records the ends of runs from now on."""
        self.lua("""
            _G.ended = {}
            vim.api.nvim_create_autocmd('User', {
              pattern = 'PytestLensRunFinished',
              callback = function(args) table.insert(_G.ended, args.data) end,
            })
        """)

    def run(self, arguments: str) -> dict[str, Any]:
        """Executes `:Lens ARGUMENTS`, waits for the end of the run, and returns it."""
        self.watch_runs()
        self.lens(arguments)
        self.ended()
        return dict(self.lua("return _G.ended[1]"))

    def cursor(self, line: int) -> None:
        """Puts the cursor on a line, from 1."""
        self.nvim.current.window.cursor = (line, 0)

    def line_of(self, text: str) -> int:
        """The first line that holds a text, from 1."""
        return next(
            number for number, line in enumerate(self.nvim.current.buffer[:], 1) if text in line
        )

    def screen(self) -> list[str]:
        """The lines of the screen."""
        return list(
            self.lua("""
                vim.cmd.redraw()
                local lines = {}
                for row = 1, vim.o.lines do
                  local line = {}
                  for column = 1, vim.o.columns do
                    line[column] = vim.fn.screenstring(row, column)
                  end
                  lines[row] = (table.concat(line):gsub('%s+$', ''))
                end
                return lines
            """)
        )

    def shown(self, text: str) -> str:
        """Waits until a text is on the screen, and returns its line."""
        self.wait(
            """(function()
                vim.cmd.redraw()
                for row = 1, vim.o.lines do
                  local line = {}
                  for column = 1, vim.o.columns do
                    line[column] = vim.fn.screenstring(row, column)
                  end
                  if table.concat(line):find(arguments[1], 1, true) then return true end
                end
              end)()""",
            text,
            what=f"{text!r} on the screen",
        )
        return next(line for line in self.screen() if text in line)

    def marks(self) -> dict[int, dict[str, str]]:
        """Signs and virtual text of the current buffer by line, from 1: `{sign, hl, text}`."""
        found = self.lua("""
            local marks = {}
            local namespace = vim.api.nvim_get_namespaces().pytest_lens
            local all = vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, { details = true })
            for _, mark in ipairs(all) do
              local details, text = mark[4], ''
              for _, chunk in ipairs(details.virt_text or {}) do text = text .. chunk[1] end
              if (details.sign_text or text ~= '') and not details.invalid then
                table.insert(marks, {
                  line = mark[2] + 1,
                  sign = vim.trim(details.sign_text or ''),
                  hl = details.sign_hl_group or '',
                  text = vim.trim(text),
                })
              end
            end
            return marks
        """)
        return {mark.pop("line"): mark for mark in found}

    def signed(self, expected: dict[str, str]) -> None:
        """Waits until the current buffer has exactly these signs, by their lines' texts."""
        self.wait(
            """(function()
                local signs = {}
                local namespace = vim.api.nvim_get_namespaces().pytest_lens
                local all = vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, { details = true })
                for _, mark in ipairs(all) do
                  if mark[4].sign_text and not mark[4].invalid then
                    local line = vim.api.nvim_buf_get_lines(0, mark[2], mark[2] + 1, false)[1]
                    signs[vim.trim(line)] = vim.trim(mark[4].sign_text)
                  end
                end
                return vim.deep_equal(signs, arguments[1])
              end)()""",
            expected,
            what=f"the signs {expected}",
        )

    def signs(self) -> dict[str, str]:
        """Signs of the current buffer as they are now, by their lines' texts."""
        lines = self.nvim.current.buffer[:]
        marks = self.marks().items()
        return {lines[line - 1].strip(): mark["sign"] for line, mark in marks if mark["sign"]}

    def diagnostics(self) -> list[dict[str, Any]]:
        """Of the current buffer: line from 1, message, source, code."""
        return list(
            self.lua("""
                return vim.tbl_map(function(found)
                  return {
                    line = found.lnum + 1,
                    message = found.message,
                    source = found.source,
                    code = found.code,
                  }
                end, vim.diagnostic.get(0))
            """)
        )

    def said(self) -> list[str]:
        """The messages that the user has seen."""
        return list(self.lua("return _G.said"))

    def message(self, part: str) -> str:
        """Waits for a message that contains a text, and returns the message."""
        self.wait(
            """vim.iter(_G.said):any(function(text)
                 return text:find(arguments[1], 1, true) ~= nil
               end)""",
            part,
            what=f"the sentence with {part!r}",
        )
        return next(text for text in self.said() if part in text)

    def lines(self, name: str) -> list[str]:
        """Waits for one of the plugin's windows, and returns its lines."""
        self.wait(
            "vim.fn.bufwinid(arguments[1]) > 0", f"pytest-lens://{name}", what=f"the window {name}"
        )
        return list(
            self.lua(
                "return vim.api.nvim_buf_get_lines(vim.fn.bufnr(...), 0, -1, false)",
                f"pytest-lens://{name}",
            )
        )

    def enter(self, name: str) -> None:
        """Waits for one of the plugin's windows, and enters it."""
        self.wait(
            "vim.fn.bufwinid(arguments[1]) > 0", f"pytest-lens://{name}", what=f"the window {name}"
        )
        self.lua("vim.api.nvim_set_current_win(vim.fn.bufwinid(...))", f"pytest-lens://{name}")

    def press(self, keys: str) -> None:
        """Types keys with their maps, and returns when they are processed."""
        self.lua(
            """
            local keys = vim.api.nvim_replace_termcodes(..., true, true, true)
            vim.api.nvim_feedkeys(keys, 'mx', false)
            """,
            keys,
        )


def pynvim_json(value: Any) -> str:
    """JSON for `vim.json.decode`, in which an empty table is an object."""
    import json

    return json.dumps(value)
