-- Finds the root of the project that a Python file belongs to.

local M = {}

-- The nearest of these is usually pytest's rootdir. Without any, the root is that of the git repository.
local CONFIGURATION = {
  'pytest.toml',
  '.pytest.toml',
  'pytest.ini',
  '.pytest.ini',
  'pyproject.toml',
  'tox.ini',
  'setup.cfg',
  'setup.py',
}

---The root of the project that a path lies in.
---@param path string
---@return string?
function M.of(path)
  return vim.fs.root(path, CONFIGURATION) or vim.fs.root(path, '.git')
end

---Calls `on_dir` with the root of a buffer's file. A file outside of any project has no root, unless its name is that of
---a test file: then the root is its folder.
---@param bufnr integer
---@param on_dir fun(root: string)
function M.find(bufnr, on_dir)
  local path = vim.api.nvim_buf_get_name(bufnr)
  if path == '' or path:find('^%a[%w+.-]*://') then
    return
  end
  local root = M.of(path)
  if not root then
    local name = vim.fs.basename(path)
    if name:find('^test_.*%.py$') or name:find('_test%.py$') then
      root = vim.fs.dirname(path)
    end
  end
  if root then
    on_dir(root)
  end
end

return M
