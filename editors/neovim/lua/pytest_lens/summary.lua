-- The summary window: a tree of all tests with their outcomes, from which the user runs and opens them.

local client = require('pytest_lens.client')
local config = require('pytest_lens.config')
local dap = require('pytest_lens.dap')
local jump = require('pytest_lens.jump')
local notify = require('pytest_lens.notify')
local output = require('pytest_lens.output')
local runs = require('pytest_lens.runs')
local servers = require('pytest_lens.servers')
local statusline = require('pytest_lens.statusline')
local throttle = require('pytest_lens.throttle')
local tree = require('pytest_lens.tree')
local window = require('pytest_lens.window')

local M = {}

local NAMESPACE = vim.api.nvim_create_namespace('pytest_lens_summary')

-- Number of lines above the tree.
local HEADER_LINES = 2

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

---The items that the user opened and closed, separately for each filter.
---@return table<string, boolean>
local function opened()
  state.opened[filter()] = state.opened[filter()] or {}
  return state.opened[filter()]
end

---@return [string, string?][]
local function header()
  local text = statusline.text(buffer())
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
local function add_line(lines, marks, chunks)
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
local function empty_message()
  if not vim.lsp.get_client_by_id(state.client) then
    return { '  The server has ended:', '  `:Lens restart` starts it again.' }
  elseif filter() ~= 'all' then
    return { '  Nothing here is ' .. filter() .. '.' }
  end
  return { '  There are no tests here (yet).', '  `:Lens collect` looks again.' }
end

local function render()
  local bufnr = buffer()
  local win = window.find(bufnr)
  if not win then
    return
  end
  local cursor = vim.api.nvim_win_get_cursor(win)
  local previous = state.rows[cursor[1] - HEADER_LINES]
  state.rows = tree.rows(client.stores(state.client), filter(), opened())
  local lines, marks = {}, {} ---@type string[], { line: integer, from: integer, to: integer, hl: string }[]
  add_line(lines, marks, header())
  add_line(lines, marks, { { '' } })
  local at = cursor[1]
  for index, row in ipairs(state.rows) do
    add_line(lines, marks, row.chunks)
    -- The cursor follows its test.
    if previous and row.id == previous.id and row.store.workspace == previous.store.workspace then
      at = index + HEADER_LINES
    end
  end
  for _, line in ipairs(#state.rows == 0 and empty_message() or {}) do
    add_line(lines, marks, { { line, 'PytestLensHint' } })
  end
  local view = vim.api.nvim_win_call(win, vim.fn.winsaveview)
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
  vim.api.nvim_win_call(win, function()
    vim.fn.winrestview(view)
  end)
  vim.api.nvim_win_set_cursor(win, { math.min(at, #lines), cursor[2] })
end

local draw = throttle(80, render)

---@return pytest_lens.Row?
local function current_row()
  return state.rows[vim.api.nvim_win_get_cursor(0)[1] - HEADER_LINES]
end

---Opens or closes an item.
---@param row pytest_lens.Row
---@param open boolean? Nil toggles.
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

---The argument that runs an item. The id of a folder is its path, which runs everything within it.
---@param row pytest_lens.Row
---@return table
local function run_argument(row)
  return { ids = { row.id }, workspace = row.store.workspace }
end

---Opens the parents of an item, and puts the cursor on it.
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
      return vim.api.nvim_win_set_cursor(0, { index + HEADER_LINES, 0 })
    end
  end
end

---Moves the cursor to the next or the previous failure, as many times as the count.
---@param step 1|-1
local function jump_to_failure(step)
  local moved = false
  for _ = 1, vim.v.count1 do
    local store, id = tree.failure(client.stores(state.client), filter(), current_row(), step)
    if not store or not id then
      break
    end
    moved = true
    reveal(store, id)
  end
  if not moved then
    local where = step == 1 and 'below' or 'above'
    notify.info(('no failure %s this line'):format(where))
  end
end

---@param bufnr integer
local function set_maps(bufnr)
  ---@param keys string|string[]
  ---@param desc string
  ---@param action fun(row: pytest_lens.Row)
  local function map_row(keys, desc, action)
    window.map(bufnr, keys, desc, function()
      local row = current_row()
      if row then
        action(row)
      end
    end)
  end
  map_row('<CR>', 'go to the test', function(row)
    if row.store.items[row.id].kind == 'dir' then
      return fold(row)
    end
    jump.to_item(row.store, row.id)
  end)
  map_row({ '<Tab>', 'za' }, 'open or close', fold)
  map_row({ 'zo', 'l' }, 'open', function(row)
    fold(row, true)
  end)
  map_row({ 'zc', 'h' }, 'close', function(row)
    fold(row, false)
  end)
  map_row('r', 'run the item at the cursor', function(row)
    runs.start(state.client, 'pytestLens.run', run_argument(row))
  end)
  window.map(bufnr, 'R', 'run all', function()
    runs.start(state.client, 'pytestLens.run', {})
  end)
  map_row('d', 'debug the item at the cursor', function(row)
    dap.start(state.client, run_argument(row))
  end)
  map_row('o', 'show its output', function(row)
    local result = row.store:results_within(row.id)[1]
    output.open(state.client, result and result.id or row.id, row.store.workspace)
  end)
  window.map(bufnr, 's', 'stop all runs', function()
    runs.stop(state.client)
  end)
  window.map(bufnr, 'f', 'filter: failed, running, flaky, not run', function()
    state.filter = state.filter % #tree.FILTERS + 1
    -- The items that match are shown, even if the user closed their parents under this filter before.
    if filter() ~= 'all' then
      state.opened[filter()] = nil
    end
    render()
  end)
  window.map(bufnr, ']f', 'the next failure', function()
    jump_to_failure(1)
  end)
  window.map(bufnr, '[f', 'the previous failure', function()
    jump_to_failure(-1)
  end)
  window.map_common(bufnr, 'close this window')
end

---Opens or closes the window.
function M.toggle()
  local bufnr = buffer()
  local open = window.find(bufnr)
  if open then
    return vim.api.nvim_win_close(open, false)
  end
  local lsp_client = servers.of()
  if not lsp_client then
    return notify.warn('no Python file of a project is open: open one to see its tests')
  end
  if state.client ~= lsp_client.id then
    state = { client = lsp_client.id, filter = 1, opened = {}, rows = {} }
  end
  vim.b[bufnr].pytest_lens_client = lsp_client.id
  set_maps(bufnr)
  local win = window.show(bufnr, { split = 'right', width = config.get().summary_width }, true)
  vim.wo[win][0].winfixwidth = true
  render()
  if #state.rows > 0 then
    vim.api.nvim_win_set_cursor(win, { HEADER_LINES + 1, 0 })
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
