-- The way to the server: takes its notifications into the stores, tells those who show them, and asks it for things.

local Store = require('pytest_lens.store')

local M = {}

---What one notification changed, for those who show it.
---@class pytest_lens.Change
---@field client integer
---@field store pytest_lens.Store
---@field method string
---@field params table
---@field touched pytest_lens.Touched

-- A tree of so many items comes in so many pages at most: a server that never says `next` is none of ours.
local PAGES = 10000

---@type table<integer, table<string, pytest_lens.Store>> By client and folder.
local stores = {}

---@type table<string, boolean> Folders that a tree was asked for, as `client folder`.
local asked = {}

---@type fun(change: pytest_lens.Change)[]
local listeners = {}

---@type fun(client: integer)[]
local mourners = {}

---Calls `listener` behind each notification.
---@param listener fun(change: pytest_lens.Change)
function M.on_change(listener)
  table.insert(listeners, listener)
end

---Calls `mourner` when a server has ended.
---@param mourner fun(client: integer)
function M.on_exit(mourner)
  table.insert(mourners, mourner)
end

---@param change pytest_lens.Change
local function tell(change)
  for _, listener in ipairs(listeners) do
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

---Asks for the whole tree: something was missed.
---@param client_id integer
---@param store pytest_lens.Store
local function resynchronize(client_id, store)
  local key = client_id .. ' ' .. store.workspace
  local client = vim.lsp.get_client_by_id(client_id)
  if asked[key] or not client then
    return
  end
  asked[key] = true
  local items = {} ---@type pytest_lens.TestItem[]
  local pages = 0
  local function page(cursor)
    M.request(
      client,
      'pytestLens.tests',
      { workspace = store.workspace, cursor = cursor },
      function(answer, problem)
        pages = pages + 1
        vim.list_extend(items, answer and answer.items or {})
        if answer and answer.next and pages < PAGES then
          return page(answer.next)
        end
        asked[key] = nil
        if not problem then
          local changed = store:replace(items)
          tell({
            client = client_id,
            store = store,
            method = 'pytestLens/inventory',
            params = { workspace = store.workspace },
            touched = changed,
          })
        end
      end
    )
  end
  page(nil)
end

---@param params table
---@param ctx lsp.HandlerContext
local function receive(_, params, ctx)
  local store = store_of(ctx.client_id, params.workspace)
  local missed = params.seq ~= store.seq + 1
  local changed = store:apply(ctx.method, params)
  tell({ client = ctx.client_id, store = store, method = ctx.method, params = params, touched = changed })
  if missed then
    resynchronize(ctx.client_id, store)
  end
end

---The handlers of a client: the server's own notifications, and diagnostics but those that signs tell already.
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
  }) do
    handlers['pytestLens/' .. name] = receive
  end
  handlers['textDocument/publishDiagnostics'] = function(problem, result, ctx)
    result.diagnostics = vim.tbl_filter(function(diagnostic)
      return diagnostic.code ~= 'flaky'
    end, result.diagnostics)
    vim.lsp.handlers['textDocument/publishDiagnostics'](problem, result, ctx)
  end
  -- 0.11 has no handler of its own.
  if not require('pytest_lens.lenses').KEEPS_UP then
    handlers['workspace/codeLens/refresh'] = function(_, _, ctx)
      require('pytest_lens.lenses').refresh(ctx.client_id)
      return vim.NIL
    end
  end
  return handlers
end

---@type table<integer, fun()[]> What waits for a buffer's server, by buffer.
local waiting = {}

---Calls `act` once the server of a buffer answers; `false` where none is starting.
---@param bufnr integer
---@param act fun()
---@return boolean
function M.when_ready(bufnr, act)
  local starting = vim.lsp.get_clients({ name = 'pytest_lens', bufnr = bufnr, _uninitialized = true })
  if #starting == 0 then
    return false
  end
  waiting[bufnr] = waiting[bufnr] or {}
  table.insert(waiting[bufnr], act)
  return true
end

---A buffer is served from now on.
---@param client_id integer
---@param bufnr integer
function M.attached(client_id, bufnr)
  local acts = waiting[bufnr] or {}
  waiting[bufnr] = nil
  vim.schedule(function()
    if vim.api.nvim_buf_is_valid(bufnr) then
      vim.api.nvim_buf_call(bufnr, function()
        for _, act in ipairs(acts) do
          act()
        end
      end)
    end
  end)
  require('pytest_lens.shown')
  require('pytest_lens.marks').attach(client_id, bufnr)
  require('pytest_lens.lenses').attach(bufnr)
end

---A buffer is no longer served; where its server has ended, what is known from it is no longer so.
---@param client_id integer
---@param bufnr integer
function M.detached(client_id, bufnr)
  require('pytest_lens.marks').detach(bufnr)
  vim.schedule(function()
    local client = vim.lsp.get_client_by_id(client_id)
    if stores[client_id] and (not client or client:is_stopped()) then
      stores[client_id] = nil
      for _, mourner in ipairs(mourners) do
        mourner(client_id)
      end
    end
  end)
end

---The server of a buffer, or, for a window that is no file, the one whose files are open.
---@param bufnr? integer
---@return vim.lsp.Client?
function M.of(bufnr)
  local buffer = bufnr or vim.api.nvim_get_current_buf()
  local own = vim.lsp.get_clients({ name = 'pytest_lens', bufnr = buffer })[1]
  if own then
    return own
  end
  local id = vim.b[buffer].pytest_lens_client ---@type integer?
  local shown = id and vim.lsp.get_client_by_id(id)
  return shown or vim.lsp.get_clients({ name = 'pytest_lens' })[1]
end

---Stores of a server, or of all, by their folders' names.
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

---The store that knows an item.
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

---Tells the user one sentence.
---@param text string
---@param level? integer
function M.say(text, level)
  vim.notify('pytest-lens: ' .. text, level or vim.log.levels.WARN)
end

---Has the server carry out a command. `done` gets its answer, or one sentence that tells what to do; without it the
---sentence is shown.
---@param client vim.lsp.Client
---@param command string
---@param argument table
---@param done? fun(answer: table?, problem: string?)
function M.request(client, command, argument, done)
  if vim.tbl_isempty(argument) then
    argument = vim.empty_dict()
  end
  local sent = client:request(
    'workspace/executeCommand',
    { command = command, arguments = { argument } },
    function(problem, answer)
      local sentence = problem and problem.message
      if done then
        done(not problem and answer or nil, sentence)
      elseif sentence then
        M.say(sentence)
      end
    end
  )
  if not sent then
    local text = 'the server has ended: `:Lens restart` starts it again, `:Lens log` shows its last words'
    if done then
      done(nil, text)
    else
      M.say(text)
    end
  end
end

return M
