-- The summary window: the tree of all tests with what is known of each, from which they are run and looked at.

local client = require('pytest_lens.client')
local config = require('pytest_lens.config')
local soon = require('pytest_lens.soon')
local tree = require('pytest_lens.tree')
local window = require('pytest_lens.window')

local M = {}

local NAMESPACE = vim.api.nvim_create_namespace('pytest_lens_summary')

-- Lines above the tree.
local HEAD = 2

---@type { client: integer, filter: integer, opened: table<pytest_lens.Filter, table<string, boolean>>, rows: pytest_lens.Row[] }
local state = { client = 0, filter = 1, opened = {}, rows = {} }

---@return integer
local function buffer()
  return window.buffer('summary', 'pytest_lens_summary')
end

---@return pytest_lens.Filter
local function filter()
  return tree.FILTERS[state.filter]
end

---What the user opened and closed, for each filter by itself.
---@return table<string, boolean>
local function opened()
  state.opened[filter()] = state.opened[filter()] or {}
  return state.opened[filter()]
end

---@return [string, string?][]
local function head()
  local text = require('pytest_lens.statusline').text(buffer())
  if text == '' then
    local count = 0
    for _, store in ipairs(client.stores(state.client)) do
      for _, item in pairs(store.items) do
        local is_test = item.kind == 'case'
          or (item.kind ~= 'dir' and item.kind ~= 'file' and item.kind ~= 'class')
        count = count + (is_test and not item.caseCount and 1 or 0)
      end
    end
    text = count == 1 and '1 test' or ('%d tests'):format(count)
  end
  return {
    { text, 'PytestLensHeading' },
    { filter() == 'all' and '' or ('  only ' .. filter()), 'PytestLensFlaky' },
    { '  g? for maps', 'PytestLensHint' },
  }
end

---@param lines string[]
---@param marks { line: integer, from: integer, to: integer, hl: string }[]
---@param chunks [string, string?][]
local function add(lines, marks, chunks)
  local text = ''
  for _, chunk in ipairs(chunks) do
    if chunk[2] and chunk[1] ~= '' then
      table.insert(marks, { line = #lines, from = #text, to = #text + #chunk[1], hl = chunk[2] })
    end
    text = text .. chunk[1]
  end
  table.insert(lines, text)
end

---@return string[]
local function nothing()
  if not vim.lsp.get_client_by_id(state.client) then
    return { '  The server has ended:', '  `:Lens restart` starts it again.' }
  elseif filter() ~= 'all' then
    return { '  Nothing here is ' .. filter() .. '.' }
  end
  return { '  There are no tests here (yet).', '  `:Lens collect` looks again.' }
end

local function render()
  local bufnr = buffer()
  local shown = window.showing(bufnr)
  if not shown then
    return
  end
  local cursor = vim.api.nvim_win_get_cursor(shown)
  local kept = state.rows[cursor[1] - HEAD]
  state.rows = tree.rows(client.stores(state.client), filter(), opened())
  local lines, marks = {}, {} ---@type string[], { line: integer, from: integer, to: integer, hl: string }[]
  add(lines, marks, head())
  add(lines, marks, { { '' } })
  local at = cursor[1]
  for index, row in ipairs(state.rows) do
    add(lines, marks, row.chunks)
    -- The cursor stays on its test, wherever that goes.
    if kept and row.id == kept.id and row.store.workspace == kept.store.workspace then
      at = index + HEAD
    end
  end
  for _, line in ipairs(#state.rows == 0 and nothing() or {}) do
    add(lines, marks, { { line, 'PytestLensHint' } })
  end
  local view = vim.api.nvim_win_call(shown, vim.fn.winsaveview)
  window.write(bufnr, lines)
  vim.api.nvim_buf_clear_namespace(bufnr, NAMESPACE, 0, -1)
  for _, mark in ipairs(marks) do
    vim.api.nvim_buf_set_extmark(
      bufnr,
      NAMESPACE,
      mark.line,
      mark.from,
      { end_col = mark.to, hl_group = mark.hl }
    )
  end
  vim.api.nvim_win_call(shown, function()
    vim.fn.winrestview(view)
  end)
  vim.api.nvim_win_set_cursor(shown, { math.min(at, #lines), cursor[2] })
end

local draw = soon(80, render)

---@return pytest_lens.Row?
local function current()
  return state.rows[vim.api.nvim_win_get_cursor(0)[1] - HEAD]
end

---@param row pytest_lens.Row
---@param open boolean?
local function fold(row, open)
  if #(row.store.children[row.id] or {}) == 0 then
    return
  end
  if open == nil then
    open = not tree.is_open(row.store, row.id, filter(), opened())
  end
  opened()[tree.key(row.store, row.id)] = open
  render()
end

---Goes to an item in its file, to where it is after all edits.
---@param store pytest_lens.Store
---@param id string
function M.jump(store, id)
  local item = store.items[id] ---@type pytest_lens.TestItem?
  local own = item
  while item and not (item.range and item.kind ~= 'case') and item.kind ~= 'file' and item.parent do
    item = store.items[item.parent]
  end
  if not own or not item or item.kind == 'dir' then
    return
  end
  local line = require('pytest_lens.marks').line(item.uri, item.id)
  line = line or (item.range and item.range.start.line) or 0
  window.jump(vim.uri_to_fname(item.uri), line + 1)
end

---@param argument fun(row: pytest_lens.Row): table
---@return fun()
local function running(argument)
  return function()
    local row = current()
    if row then
      require('pytest_lens.commands').start(state.client, 'pytestLens.run', argument(row))
    end
  end
end

---The argument that runs an item; a folder's id is a path, which runs all below it.
---@param row pytest_lens.Row
---@return table
local function this(row)
  return { ids = { row.id }, workspace = row.store.workspace }
end

---Opens all that an item lies in, and puts the cursor on it.
---@param store pytest_lens.Store
---@param id string
local function reveal(store, id)
  local at = store.items[id].parent
  while at do
    if not tree.is_open(store, at, filter(), opened()) then
      opened()[tree.key(store, at)] = true
    end
    at = store.items[at].parent
  end
  render()
  for index, row in ipairs(state.rows) do
    if row.store == store and row.id == id then
      return vim.api.nvim_win_set_cursor(0, { index + HEAD, 0 })
    end
  end
end

---Goes to a failure below the cursor or above it, as often as the count says.
---@param step 1|-1
local function to_failure(step)
  local moved = false
  for _ = 1, vim.v.count1 do
    local store, id = tree.failure(client.stores(state.client), filter(), current(), step)
    if not store or not id then
      break
    end
    moved = true
    reveal(store, id)
  end
  if not moved then
    local where = step == 1 and 'below' or 'above'
    client.say(('no failure %s this line'):format(where), vim.log.levels.INFO)
  end
end

---@param bufnr integer
local function maps(bufnr)
  ---@param act fun(row: pytest_lens.Row)
  local function on(act)
    return function()
      local row = current()
      if row then
        act(row)
      end
    end
  end
  window.map(
    bufnr,
    '<CR>',
    'go to the test',
    on(function(row)
      if row.store.items[row.id].kind == 'dir' then
        return fold(row)
      end
      M.jump(row.store, row.id)
    end)
  )
  window.map(bufnr, { '<Tab>', 'za' }, 'open or close', on(fold))
  window.map(
    bufnr,
    { 'zo', 'l' },
    'open',
    on(function(row)
      fold(row, true)
    end)
  )
  window.map(
    bufnr,
    { 'zc', 'h' },
    'close',
    on(function(row)
      fold(row, false)
    end)
  )
  window.map(bufnr, 'r', 'run what is under the cursor', running(this))
  window.map(bufnr, 'R', 'run all', function()
    require('pytest_lens.commands').start(state.client, 'pytestLens.run', {})
  end)
  window.map(
    bufnr,
    'd',
    'debug what is under the cursor',
    on(function(row)
      require('pytest_lens.dap').start(state.client, this(row))
    end)
  )
  window.map(
    bufnr,
    'o',
    'show its output',
    on(function(row)
      local result = row.store:results_within(row.id)[1]
      require('pytest_lens.output').open(state.client, result and result.id or row.id, row.store.workspace)
    end)
  )
  window.map(bufnr, 's', 'stop what runs', function()
    require('pytest_lens.commands').run('stop')
  end)
  window.map(bufnr, 'f', 'filter: failed, running, flaky, not run', function()
    state.filter = state.filter % #tree.FILTERS + 1
    -- What is looked for is shown, whatever was closed when it was looked for last.
    if filter() ~= 'all' then
      state.opened[filter()] = nil
    end
    render()
  end)
  window.map(bufnr, ']f', 'the next failure', function()
    to_failure(1)
  end)
  window.map(bufnr, '[f', 'the failure before', function()
    to_failure(-1)
  end)
  window.map_usual(bufnr, 'close this window')
end

---Opens the window, or closes it.
function M.toggle()
  local bufnr = buffer()
  local shown = window.showing(bufnr)
  if shown then
    return vim.api.nvim_win_close(shown, false)
  end
  local lsp_client = client.of()
  if not lsp_client then
    return client.say('no Python file of a project is open: open one, and its tests are shown')
  end
  if state.client ~= lsp_client.id then
    state = { client = lsp_client.id, filter = 1, opened = {}, rows = {} }
  end
  vim.b[bufnr].pytest_lens_client = lsp_client.id
  maps(bufnr)
  local shown_in = window.show(bufnr, { split = 'right', width = config.get().summary_width }, true)
  vim.wo[shown_in][0].winfixwidth = true
  render()
  if #state.rows > 0 then
    vim.api.nvim_win_set_cursor(shown_in, { HEAD + 1, 0 })
  end
end

---@param change pytest_lens.Change
function M.changed(change)
  if change.client == state.client then
    draw()
  end
end

---@param client_id integer
function M.exited(client_id)
  if client_id == state.client then
    draw()
  end
end

return M
