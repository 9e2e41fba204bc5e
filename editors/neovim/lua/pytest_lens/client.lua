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

-- Codes of diagnostics that are a test's failure.
local FAILURES = { failed = true, error = true, timed_out = true, crashed = true }

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

-- The server whose file the cursor was in last: windows that belong to none mean this one.
local latest ---@type integer?

---@type table<string, boolean> Roots whose server has ended, and no other has begun.
local ended = {}

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

---@type table<integer, table<string, { result: lsp.PublishDiagnosticsParams, ctx: lsp.HandlerContext }>> By client, URI.
local published = {}

---Whether somebody else shows the failures of a file's tests: neotest may.
---@type fun(client_id: integer, uri: string): boolean
local is_told_elsewhere = function()
  return false
end

---Shows a file's diagnostics, but those that are told in another way: by signs, or by somebody else.
---@param result lsp.PublishDiagnosticsParams
---@param ctx lsp.HandlerContext
local function publish(result, ctx)
  local options = require('pytest_lens.config').get()
  local elsewhere = not options.diagnostics or is_told_elsewhere(ctx.client_id, result.uri)
  local shown = vim.tbl_filter(function(diagnostic)
    return diagnostic.code ~= 'flaky' and not (elsewhere and FAILURES[diagnostic.code])
  end, result.diagnostics)
  local params = vim.tbl_extend('force', result, { diagnostics = shown })
  vim.lsp.handlers['textDocument/publishDiagnostics'](nil, params, ctx)
end

---From now on `is_told` says whether somebody else shows the failures of a file's tests.
---@param is_told fun(client_id: integer, uri: string): boolean
function M.tell_elsewhere(is_told)
  is_told_elsewhere = is_told
end

---Shows a file's diagnostics once more: who shows them may be another now.
---@param client_id integer
---@param uri string
function M.publish_again(client_id, uri)
  local last = (published[client_id] or {})[uri]
  if last and vim.lsp.get_client_by_id(client_id) then
    publish(last.result, last.ctx)
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
  handlers['textDocument/publishDiagnostics'] = function(_, result, ctx)
    published[ctx.client_id] = published[ctx.client_id] or {}
    published[ctx.client_id][result.uri] = { result = result, ctx = ctx }
    publish(result, ctx)
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

-- A server that is about to begin is looked for so often, with so many milliseconds between.
local LOOKS, PAUSE = 150, 20

---Calls `act` when `is_ready` says so, or when that is no longer to be hoped for.
---@param is_ready fun(): boolean
---@param act fun()
---@param looks? integer
local function when(is_ready, act, looks)
  local left = looks or LOOKS
  if is_ready() or left == 0 then
    act()
  else
    vim.defer_fn(function()
      when(is_ready, act, left - 1)
    end, PAUSE)
  end
end

---Calls `act` once the server of a buffer answers, or once it is clear that none comes.
---@param bufnr integer
---@param act fun()
local function when_begun(bufnr, act)
  local function own()
    return vim.lsp.get_clients({ name = 'pytest_lens', bufnr = bufnr, _uninitialized = true })[1]
  end
  when(function()
    return not vim.api.nvim_buf_is_valid(bufnr) or own() ~= nil
  end, function()
    local lsp_client = own()
    if lsp_client and not lsp_client.initialized then
      waiting[bufnr] = waiting[bufnr] or {}
      table.insert(waiting[bufnr], act)
    elseif vim.api.nvim_buf_is_valid(bufnr) then
      vim.api.nvim_buf_call(bufnr, act)
    end
  end)
end

---Starts the server of the folder that Neovim is in, where that is a project; there may be no file of it open yet.
---@return boolean
local function begin_here()
  local configurations = vim.lsp.config --[[@as table<string, vim.lsp.Config>]]
  local config = configurations.pytest_lens
  local root = config and require('pytest_lens.root').of(vim.fn.getcwd())
  if not root or ended[root] then
    return false
  end
  require('pytest_lens.shown')
  local found = vim.tbl_extend('force', config, { root_dir = root }) --[[@as vim.lsp.ClientConfig]]
  return vim.lsp.start(found, { attach = false }) ~= nil
end

---Whether servers are started at all: Neovim 0.11 can't say.
---@return boolean
local function is_enabled()
  return not vim.lsp.is_enabled or vim.lsp.is_enabled('pytest_lens')
end

---Calls `act` once there is a server for a buffer; `false` where none is starting, and none can be started.
---@param bufnr integer
---@param act fun()
---@return boolean
function M.when_ready(bufnr, act)
  local is_python = vim.bo[bufnr].filetype == 'python'
  local own = vim.lsp.get_clients({ name = 'pytest_lens', bufnr = bufnr, _uninitialized = true })[1]
  if not own and not is_enabled() then
    return false
  end
  local root = is_python and M.root_of(bufnr)
  if own or (root and not ended[root]) then
    when_begun(bufnr, act)
    return true
  elseif is_python or vim.b[bufnr].pytest_lens_client then
    return false
  end
  local any = vim.lsp.get_clients({ name = 'pytest_lens', _uninitialized = true })[1]
  if not any and not begin_here() then
    return false
  end
  when(function()
    return M.of(bufnr) ~= nil
  end, act)
  return true
end

---The root of the project that a buffer's file lies in.
---@param bufnr integer
---@return string?
function M.root_of(bufnr)
  local found ---@type string?
  require('pytest_lens.root').find(bufnr, function(root)
    found = root
  end)
  return found
end

---Servers are started anew: none has ended that would not begin again.
function M.begin_anew()
  ended = {}
end

---Whether the server of a root has ended, and no other has begun.
---@param root string
---@return boolean
function M.has_ended(root)
  return ended[root] == true
end

---A buffer is served from now on.
---@param client_id integer
---@param bufnr integer
function M.attached(client_id, bufnr)
  local lsp_client = vim.lsp.get_client_by_id(client_id)
  if lsp_client and lsp_client.root_dir then
    ended[lsp_client.root_dir] = nil
  end
  latest = client_id
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
  local root = vim.tbl_get(vim.lsp.get_client_by_id(client_id) or {}, 'root_dir')
  vim.schedule(function()
    local client = vim.lsp.get_client_by_id(client_id)
    if root and (not client or client:is_stopped()) then
      ended[root] = true
    end
    if stores[client_id] and (not client or client:is_stopped()) then
      stores[client_id], published[client_id] = nil, nil
      for _, mourner in ipairs(mourners) do
        mourner(client_id)
      end
    end
  end)
end

---The cursor is in a buffer.
---@param bufnr integer
function M.entered(bufnr)
  local own = vim.lsp.get_clients({ name = 'pytest_lens', bufnr = bufnr })[1]
  latest = own and own.id or latest
end

---A buffer was written. Neovim tells the servers that serve it; one whose tests may read it as data hears it here.
---@param bufnr integer
function M.written(bufnr)
  if vim.bo[bufnr].buftype ~= '' or vim.lsp.get_clients({ name = 'pytest_lens', bufnr = bufnr })[1] then
    return
  end
  local path = vim.api.nvim_buf_get_name(bufnr)
  for _, lsp_client in ipairs(vim.lsp.get_clients({ name = 'pytest_lens' })) do
    local folder = lsp_client.root_dir
    if folder and vim.startswith(path, folder .. '/') then
      lsp_client:notify('textDocument/didSave', { textDocument = { uri = vim.uri_from_fname(path) } })
    end
  end
end

---The server that a file of no server's own belongs to: that of the innermost folder around it; for a file of no
---project at all, or what is no file, the one whose file the cursor was in last.
---@param bufnr integer
---@return vim.lsp.Client?
local function around(bufnr)
  local clients = vim.lsp.get_clients({ name = 'pytest_lens' })
  local path = vim.bo[bufnr].buftype == '' and vim.api.nvim_buf_get_name(bufnr) or ''
  local root = path ~= '' and M.root_of(bufnr)
  if root then
    table.sort(clients, function(a, b)
      return #(a.root_dir or '') > #(b.root_dir or '')
    end)
    local is_python = vim.bo[bufnr].filetype == 'python'
    for _, lsp_client in ipairs(clients) do
      local folder = lsp_client.root_dir
      if folder == root or (folder and not is_python and vim.startswith(path, folder .. '/')) then
        return lsp_client
      end
    end
    return nil
  end
  local newest = latest and vim.lsp.get_client_by_id(latest)
  return newest and not newest:is_stopped() and newest or clients[1]
end

---The server of a buffer; see `around` for one that has none of its own.
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
  return around(buffer)
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
