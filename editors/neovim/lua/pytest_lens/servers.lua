-- Finds the server that a buffer belongs to, starts one where no file is open yet, and waits for one that is starting.

local project_root = require('pytest_lens.root')

local M = {}

-- The server of the last current buffer. It stands in for windows that belong to no server.
local last_client ---@type integer?

---@type table<string, boolean> Roots whose server has exited and was not started again.
local exited = {}

---@type table<integer, fun()[]> Functions that wait for a buffer's server to initialize.
local waiting = {}

-- How often and how long apart, in milliseconds, to look for a server that is starting.
local MAX_POLLS, POLL_INTERVAL = 150, 20

---Calls `callback` once `is_ready` returns true, or after the last poll.
---@param is_ready fun(): boolean
---@param callback fun()
---@param polls? integer
local function poll(is_ready, callback, polls)
  local left = polls or MAX_POLLS
  if is_ready() or left == 0 then
    callback()
  else
    vim.defer_fn(function()
      poll(is_ready, callback, left - 1)
    end, POLL_INTERVAL)
  end
end

---@param bufnr integer
---@return vim.lsp.Client?
local function starting_or_running(bufnr)
  return vim.lsp.get_clients({ name = 'pytest_lens', bufnr = bufnr, _uninitialized = true })[1]
end

---Calls `callback` once a buffer's server is initialized, or once it is clear that none starts.
---@param bufnr integer
---@param callback fun()
local function when_initialized(bufnr, callback)
  poll(function()
    return not vim.api.nvim_buf_is_valid(bufnr) or starting_or_running(bufnr) ~= nil
  end, function()
    local client = starting_or_running(bufnr)
    if client and not client.initialized then
      waiting[bufnr] = waiting[bufnr] or {}
      table.insert(waiting[bufnr], callback)
    elseif vim.api.nvim_buf_is_valid(bufnr) then
      vim.api.nvim_buf_call(bufnr, callback)
    end
  end)
end

---Starts the server of the current directory if that lies in a project. No file needs to be open.
---@return boolean
local function start_in_cwd()
  local configurations = vim.lsp.config --[[@as table<string, vim.lsp.Config>]]
  local config = configurations.pytest_lens
  local root = config and project_root.of(vim.fn.getcwd())
  if not root or exited[root] then
    return false
  end
  local with_root = vim.tbl_extend('force', config, { root_dir = root }) --[[@as vim.lsp.ClientConfig]]
  return vim.lsp.start(with_root, { attach = false }) ~= nil
end

---Whether the user enabled the server. Neovim 0.11 has no way to ask.
---@return boolean
local function is_enabled()
  return not vim.lsp.is_enabled or vim.lsp.is_enabled('pytest_lens')
end

---Calls `callback` once a buffer has a server. Returns `false` if none is starting and none can be started.
---@param bufnr integer
---@param callback fun()
---@return boolean
function M.when_ready(bufnr, callback)
  local is_python = vim.bo[bufnr].filetype == 'python'
  local own = starting_or_running(bufnr)
  if not own and not is_enabled() then
    return false
  end
  local root = is_python and M.root_of(bufnr)
  if own or (root and not exited[root]) then
    when_initialized(bufnr, callback)
    return true
  elseif is_python or vim.b[bufnr].pytest_lens_client then
    return false
  end
  local any = vim.lsp.get_clients({ name = 'pytest_lens', _uninitialized = true })[1]
  if not any and not start_in_cwd() then
    return false
  end
  poll(function()
    return M.of(bufnr) ~= nil
  end, callback)
  return true
end

---The root of the project that a buffer's file lies in.
---@param bufnr integer
---@return string?
function M.root_of(bufnr)
  local found ---@type string?
  project_root.find(bufnr, function(root)
    found = root
  end)
  return found
end

---Lets commands wait for servers that have exited: they are being restarted.
function M.restarting()
  exited = {}
end

---Whether the server of a root has exited and was not started again.
---@param root string
---@return boolean
function M.has_exited(root)
  return exited[root] == true
end

---@param client_id integer
---@param bufnr integer
function M.attached(client_id, bufnr)
  local client = vim.lsp.get_client_by_id(client_id)
  if client and client.root_dir then
    exited[client.root_dir] = nil
  end
  last_client = client_id
  local callbacks = waiting[bufnr] or {}
  waiting[bufnr] = nil
  vim.schedule(function()
    if vim.api.nvim_buf_is_valid(bufnr) then
      vim.api.nvim_buf_call(bufnr, function()
        for _, callback in ipairs(callbacks) do
          callback()
        end
      end)
    end
  end)
end

---@param client_id integer
function M.detached(client_id)
  local root = vim.tbl_get(vim.lsp.get_client_by_id(client_id) or {}, 'root_dir')
  vim.schedule(function()
    local client = vim.lsp.get_client_by_id(client_id)
    if root and (not client or client:is_stopped()) then
      exited[root] = true
    end
  end)
end

---Handles `BufEnter`.
---@param bufnr integer
function M.entered(bufnr)
  local own = vim.lsp.get_clients({ name = 'pytest_lens', bufnr = bufnr })[1]
  last_client = own and own.id or last_client
end

---Handles `BufWritePost`. Neovim notifies only the servers that are attached to a buffer; this notifies the project's
---server of other files, because tests may read them as data.
---@param bufnr integer
function M.written(bufnr)
  if vim.bo[bufnr].buftype ~= '' or vim.lsp.get_clients({ name = 'pytest_lens', bufnr = bufnr })[1] then
    return
  end
  local path = vim.api.nvim_buf_get_name(bufnr)
  for _, client in ipairs(vim.lsp.get_clients({ name = 'pytest_lens' })) do
    local folder = client.root_dir
    if folder and vim.startswith(path, folder .. '/') then
      client:notify('textDocument/didSave', { textDocument = { uri = vim.uri_from_fname(path) } })
    end
  end
end

---The server for a buffer without an attached server: for a file in a project, the server of the innermost root around
---it; for any other buffer, the server of the last current buffer.
---@param bufnr integer
---@return vim.lsp.Client?
local function nearest(bufnr)
  local clients = vim.lsp.get_clients({ name = 'pytest_lens' })
  local path = vim.bo[bufnr].buftype == '' and vim.api.nvim_buf_get_name(bufnr) or ''
  local root = path ~= '' and M.root_of(bufnr)
  if root then
    table.sort(clients, function(a, b)
      return #(a.root_dir or '') > #(b.root_dir or '')
    end)
    local is_python = vim.bo[bufnr].filetype == 'python'
    for _, client in ipairs(clients) do
      local folder = client.root_dir
      if folder == root or (folder and not is_python and vim.startswith(path, folder .. '/')) then
        return client
      end
    end
    return nil
  end
  local last = last_client and vim.lsp.get_client_by_id(last_client)
  return last and not last:is_stopped() and last or clients[1]
end

---The server of a buffer: the attached one, the one that a window of this plugin shows, or else the nearest.
---@param bufnr? integer
---@return vim.lsp.Client?
function M.of(bufnr)
  local buffer = bufnr or vim.api.nvim_get_current_buf()
  local own = vim.lsp.get_clients({ name = 'pytest_lens', bufnr = buffer })[1]
  if own then
    return own
  end
  local id = vim.b[buffer].pytest_lens_client ---@type integer?
  if id then
    return vim.lsp.get_client_by_id(id)
  end
  return nearest(buffer)
end

return M
