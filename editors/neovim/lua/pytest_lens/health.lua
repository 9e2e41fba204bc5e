-- `:checkhealth pytest_lens`: what is needed, what was found, and how to put right what is wrong.

local M = {}

local health = vim.health

-- A collection may take its time; the doctor is not waited for any longer.
local PATIENCE = 60000

---@return string?
local function binary()
  local configurations = vim.lsp.config --[[@as table<string, vim.lsp.Config>]]
  local cmd = configurations.pytest_lens and configurations.pytest_lens.cmd
  local name = type(cmd) == 'table' and cmd[1] or 'pytest-lens'
  local path = vim.fn.exepath(name)
  if path == '' then
    health.error(('`%s` is not on the PATH'):format(name), {
      'Install it: `cargo install --path server/cli` in a checkout of pytest-lens',
      "Or name it: `vim.lsp.config('pytest_lens', { cmd = { '/path/to/pytest-lens', 'lsp' } })`",
    })
    return
  end
  local asked = vim.system({ path, '--version' }, { text = true }):wait(PATIENCE)
  if asked.code ~= 0 then
    health.error(('%s does not run: %s'):format(path, vim.trim(asked.stderr or '')))
    return
  end
  health.ok(('%s (%s)'):format(vim.trim(asked.stdout or ''), path))
  return path
end

---@return vim.lsp.Client?
local function server()
  if vim.lsp.is_enabled and not vim.lsp.is_enabled('pytest_lens') then
    health.warn('it is not enabled', { "Put `vim.lsp.enable('pytest_lens')` into your configuration" })
  end
  local clients = vim.lsp.get_clients({ name = 'pytest_lens' })
  if #clients == 0 then
    health.info('no server is running: it starts with the first Python file of a project')
    return
  end
  for _, client in ipairs(clients) do
    local files = vim.tbl_count(client.attached_buffers)
    health.ok(('serves %s (%d %s)'):format(client.root_dir or '?', files, files == 1 and 'file' or 'files'))
    local path = { 'workspace', 'didChangeWatchedFiles', 'dynamicRegistration' }
    local watches = vim.tbl_get(client.capabilities, unpack(path))
    health.info('changed files are noticed by ' .. (watches and 'Neovim' or 'the server itself'))
  end
  return clients[1]
end

---What the doctor of the command line says of the project.
---@param path string
---@param root string
local function doctor(path, root)
  local asked = vim.system({ path, 'doctor', '--root', root }, { text = true }):wait(PATIENCE)
  local said = vim.trim((asked.stdout or '') .. (asked.stderr or ''))
  if asked.code == 124 then
    return health.warn(('the doctor took too long: run `pytest-lens doctor --root %s`'):format(root))
  end
  local tell = asked.code == 0 and health.ok or health.error
  tell(('`pytest-lens doctor` says of %s:\n%s'):format(root, said))
end

local function plugins()
  if pcall(require, 'dap') then
    health.ok('nvim-dap is there: `:Lens debug` works')
  else
    health.info('nvim-dap is not installed: `:Lens debug` needs it')
  end
  if pcall(require, 'neotest') then
    health.ok('neotest is there: its adapter is `require("neotest-pytest-lens")`')
  end
end

function M.check()
  health.start('pytest-lens: Neovim')
  if vim.fn.has('nvim-0.11') == 1 then
    local version = vim.version --[[@as fun(): vim.Version]]
    health.ok('Neovim ' .. tostring(version()))
  else
    health.error('Neovim 0.11 or newer is needed')
    return
  end
  for _, problem in ipairs(require('pytest_lens.config').problems()) do
    health.warn(problem)
  end
  plugins()
  health.start('pytest-lens: server')
  local path = binary()
  local client = server()
  health.start('pytest-lens: project')
  local root = client and client.root_dir or vim.fs.root(0, { 'pyproject.toml', 'pytest.ini', '.git' })
  if path and root then
    doctor(path, root)
  else
    health.info('no project is open: open a Python file and check again')
  end
end

return M
