-- Finds and starts the server's program: the project's own, or that on the PATH. A `cmd` of the user's goes over it.

local M = {}

local NAME = 'pytest-lens'

-- As the server looks for the interpreter of the tests.
local ENVIRONMENTS = { '.venv', 'venv' }

---The program in the environment of a project, or of the repository around it; otherwise its name, for the PATH.
---@param root? string
---@return string
function M.find(root)
  local folders = root and { root, vim.fs.root(root, '.git') } or {}
  for _, folder in ipairs(folders) do
    for _, environment in ipairs(ENVIRONMENTS) do
      local path = vim.fs.joinpath(folder, environment, 'bin', NAME)
      if vim.fn.executable(path) == 1 then
        return path
      end
    end
  end
  return NAME
end

---The `cmd` of the server's configuration.
---@param dispatchers vim.lsp.rpc.Dispatchers
---@param config? vim.lsp.ClientConfig The first versions of Neovim 0.11 do not pass it.
---@return vim.lsp.rpc.PublicClient
function M.start(dispatchers, config)
  local given = config or {}
  local command = { M.find(given.root_dir), 'lsp' }
  return vim.lsp.rpc.start(command, dispatchers, { cwd = given.cmd_cwd, env = given.cmd_env })
end

return M
