-- `:checkhealth pytest_lens`: checks Neovim, the options, the server and the project, and names the way out of problems.

local config = require('pytest_lens.config')
local program = require('pytest_lens.program')

local M = {}

local health = vim.health

-- How long a program may take, in milliseconds: `pytest-lens doctor` collects the tests.
local TIMEOUT = 60000

---@param root? string
---@return string? path
local function check_program(root)
  local configurations = vim.lsp.config --[[@as table<string, vim.lsp.Config>]]
  local cmd = configurations.pytest_lens and configurations.pytest_lens.cmd
  local name = type(cmd) == 'table' and cmd[1] or program.find(root)
  local path = vim.fn.exepath(name)
  if path == '' then
    health.error(('`%s` is not on the PATH'):format(name), {
      'Install it: `cargo install --path server/cli` in a checkout of pytest-lens',
      'Or install the Python package `pytest-lens` in the `.venv` of the project',
      "Or name it: `vim.lsp.config('pytest_lens', { cmd = { '/path/to/pytest-lens', 'lsp' } })`",
    })
    return
  end
  local result = vim.system({ path, '--version' }, { text = true }):wait(TIMEOUT)
  if result.code ~= 0 then
    health.error(('%s does not run: %s'):format(path, vim.trim(result.stderr or '')))
    return
  end
  health.ok(('%s (%s)'):format(vim.trim(result.stdout or ''), path))
  return path
end

local function check_servers()
  if vim.lsp.is_enabled and not vim.lsp.is_enabled('pytest_lens') then
    health.warn(
      'the server is not enabled',
      { "Put `vim.lsp.enable('pytest_lens')` into your configuration" }
    )
  end
  local clients = vim.lsp.get_clients({ name = 'pytest_lens' })
  if #clients == 0 then
    health.info('no server is running: one starts with the first Python file of a project')
    return
  end
  for _, client in ipairs(clients) do
    local files = vim.tbl_count(client.attached_buffers)
    health.ok(('serves %s (%d %s)'):format(client.root_dir or '?', files, files == 1 and 'file' or 'files'))
    local path = { 'workspace', 'didChangeWatchedFiles', 'dynamicRegistration' }
    local watches = vim.tbl_get(client.capabilities, unpack(path))
    health.info('changed files are noticed by ' .. (watches and 'Neovim' or 'the server itself'))
  end
end

---Reports what `pytest-lens doctor` finds in the project.
---@param path string
---@param root string
local function check_project(path, root)
  local result = vim.system({ path, 'doctor', '--root', root }, { text = true }):wait(TIMEOUT)
  local text = vim.trim((result.stdout or '') .. (result.stderr or ''))
  if result.code == 124 then
    return health.warn(
      ('`pytest-lens doctor` took too long: run `pytest-lens doctor --root %s`'):format(root)
    )
  end
  local report = result.code == 0 and health.ok or health.error
  report(('`pytest-lens doctor` reports on %s:\n%s'):format(root, text))
end

local function check_plugins()
  if pcall(require, 'dap') then
    health.ok('nvim-dap is installed: `:Lens debug` works')
  else
    health.info('nvim-dap is not installed: `:Lens debug` needs it')
  end
  if pcall(require, 'neotest') then
    health.ok('neotest is installed: its adapter is `require("neotest-pytest-lens")`')
  end
end

---Runs all checks.
function M.check()
  health.start('pytest-lens: Neovim')
  if vim.fn.has('nvim-0.11') == 1 then
    local version = vim.version --[[@as fun(): vim.Version]]
    health.ok('Neovim ' .. tostring(version()))
  else
    health.error('Neovim 0.11 or newer is needed')
    return
  end
  for _, problem in ipairs(config.problems()) do
    health.warn(problem)
  end
  check_plugins()
  health.start('pytest-lens: server')
  local running = vim.lsp.get_clients({ name = 'pytest_lens' })[1]
  local root = running and running.root_dir or vim.fs.root(0, { 'pyproject.toml', 'pytest.ini', '.git' })
  local path = check_program(root)
  check_servers()
  health.start('pytest-lens: project')
  if path and root then
    check_project(path, root)
  else
    health.info('no project is open: open a Python file and check again')
  end
end

return M
