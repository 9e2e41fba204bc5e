-- Connects the plugin to the servers: folds their notifications into stores, passes each change to the listeners, and
-- sends requests. It knows none of its listeners: `listeners.lua` registers them.

local Store = require('pytest_lens.store')
local notify = require('pytest_lens.notify')

local M = {}

---A notification and the change that it made.
---@class pytest_lens.Change
---@field client integer
---@field store pytest_lens.Store
---@field method string
---@field params table
---@field touched pytest_lens.Touched

-- The tree comes in at most this many pages. The limit ends the requests where a server sets `next` in every answer.
local MAX_PAGES = 10000

---@type table<integer, table<string, pytest_lens.Store>> By client and folder.
local stores = {}

---@type table<string, boolean> Folders whose tree is being requested, as `client folder`.
local resyncing = {}

local listeners = {
  change = {}, ---@type fun(change: pytest_lens.Change)[]
  attach = {}, ---@type fun(client_id: integer, bufnr: integer)[]
  detach = {}, ---@type fun(client_id: integer, bufnr: integer)[]
  exit = {}, ---@type fun(client_id: integer)[]
}

---Calls `listener` after each notification.
---@param listener fun(change: pytest_lens.Change)
function M.on_change(listener)
  table.insert(listeners.change, listener)
end

---Calls `listener` when a server attaches to a buffer.
---@param listener fun(client_id: integer, bufnr: integer)
function M.on_attach(listener)
  table.insert(listeners.attach, listener)
end

---Calls `listener` when a server detaches from a buffer.
---@param listener fun(client_id: integer, bufnr: integer)
function M.on_detach(listener)
  table.insert(listeners.detach, listener)
end

---Calls `listener` after a server has exited and its stores are gone.
---@param listener fun(client_id: integer)
function M.on_exit(listener)
  table.insert(listeners.exit, listener)
end

---@param change pytest_lens.Change
local function emit(change)
  for _, listener in ipairs(listeners.change) do
    listener(change)
  end
end

---@param client_id integer
---@param workspace string
---@return pytest_lens.Store
local function store_of(client_id, workspace)
  stores[client_id] = stores[client_id] or {}
  stores[client_id][workspace] = stores[client_id][workspace] or Store.new(workspace)
  return stores[client_id][workspace]
end

---Requests the whole tree after a notification was missed.
---@param client_id integer
---@param store pytest_lens.Store
local function resync(client_id, store)
  local key = client_id .. ' ' .. store.workspace
  local client = vim.lsp.get_client_by_id(client_id)
  if resyncing[key] or not client then
    return
  end
  resyncing[key] = true
  local items = {} ---@type pytest_lens.TestItem[]
  local pages = 0
  local function request_page(cursor)
    local argument = { workspace = store.workspace, cursor = cursor }
    M.request(client, 'pytestLens.tests', argument, function(answer, problem)
      pages = pages + 1
      vim.list_extend(items, answer and answer.items or {})
      if answer and answer.next and pages < MAX_PAGES then
        return request_page(answer.next)
      end
      resyncing[key] = nil
      if not problem then
        local touched = store:replace(items)
        emit({
          client = client_id,
          store = store,
          method = 'pytestLens/inventory',
          params = { workspace = store.workspace },
          touched = touched,
        })
      end
    end)
  end
  request_page(nil)
end

---@param params table
---@param ctx lsp.HandlerContext
local function receive(_, params, ctx)
  local store = store_of(ctx.client_id, params.workspace)
  local has_gap = params.seq ~= store.seq + 1
  local touched = store:apply(ctx.method, params)
  emit({ client = ctx.client_id, store = store, method = ctx.method, params = params, touched = touched })
  if has_gap then
    resync(ctx.client_id, store)
  end
end

---The handlers of the server's own notifications.
---@return table<string, lsp.Handler>
function M.handlers()
  local handlers = {}
  for _, name in ipairs({
    'inventory',
    'runStarted',
    'testStarted',
    'testOutcome',
    'output',
    'runFinished',
    'flakinessHint',
    'staleOutcomes',
  }) do
    handlers['pytestLens/' .. name] = receive
  end
  return handlers
end

---Handles `LspAttach`.
---@param client_id integer
---@param bufnr integer
function M.attached(client_id, bufnr)
  for _, listener in ipairs(listeners.attach) do
    listener(client_id, bufnr)
  end
end

---Handles `LspDetach`. Drops the stores of a server that has exited.
---@param client_id integer
---@param bufnr integer
function M.detached(client_id, bufnr)
  for _, listener in ipairs(listeners.detach) do
    listener(client_id, bufnr)
  end
  vim.schedule(function()
    local client = vim.lsp.get_client_by_id(client_id)
    if stores[client_id] and (not client or client:is_stopped()) then
      stores[client_id] = nil
      for _, listener in ipairs(listeners.exit) do
        listener(client_id)
      end
    end
  end)
end

---The stores of one server, or of all servers, sorted by folder.
---@param client_id? integer
---@return pytest_lens.Store[]
function M.stores(client_id)
  local found = {}
  for id, folders in pairs(stores) do
    if not client_id or id == client_id then
      vim.list_extend(found, vim.tbl_values(folders))
    end
  end
  table.sort(found, function(a, b)
    return a.workspace < b.workspace
  end)
  return found
end

---The store that has an item or its result.
---@param client_id integer
---@param id string
---@param workspace? string
---@return pytest_lens.Store?
function M.store(client_id, id, workspace)
  for _, store in ipairs(M.stores(client_id)) do
    if (not workspace or store.workspace == workspace) and (store.items[id] or store.results[id]) then
      return store
    end
  end
end

---Executes a command on the server. `done` gets the answer, or an error message for the user; without `done` the
---message is shown.
---@param client vim.lsp.Client
---@param command string
---@param argument table
---@param done? fun(answer: table?, problem: string?)
function M.request(client, command, argument, done)
  if vim.tbl_isempty(argument) then
    argument = vim.empty_dict()
  end
  local is_sent = client:request(
    'workspace/executeCommand',
    { command = command, arguments = { argument } },
    function(problem, answer)
      local message = problem and problem.message
      if done then
        done(not problem and answer or nil, message)
      elseif message then
        notify.warn(message)
      end
    end
  )
  if not is_sent then
    local message =
      'the server has ended: `:Lens restart` starts it again, `:Lens log` shows its last messages'
    if done then
      done(nil, message)
    else
      notify.warn(message)
    end
  end
end

return M
