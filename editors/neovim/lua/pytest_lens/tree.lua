-- Computes the rows of the summary window from the stores, the filter and the open items.

local outcomes = require('pytest_lens.outcomes')

local M = {}

---The items that the summary shows.
---@alias pytest_lens.Filter 'all'|'failed'|'running'|'flaky'|'not run'

---@type pytest_lens.Filter[]
M.FILTERS = { 'all', 'failed', 'running', 'flaky', 'not run' }

---@class pytest_lens.Row
---@field store pytest_lens.Store
---@field id string
---@field chunks [string, string?][] Texts with their highlight groups.

---@param tally pytest_lens.Tally?
---@param item pytest_lens.TestItem
---@param filter pytest_lens.Filter
---@return boolean
local function matches(tally, item, filter)
  if filter == 'all' then
    return true
  elseif filter == 'failed' then
    return tally ~= nil and outcomes.failures(tally.counts) > 0
  elseif filter == 'running' then
    return tally ~= nil and tally.running > 0
  elseif filter == 'flaky' then
    return tally ~= nil and tally.flaky > 0
  end
  local is_test = item.kind == 'function' or item.kind == 'case' or item.kind == 'doctest'
  return not is_test or tally == nil or outcomes.worst(tally.counts) == nil
end

local HIGHLIGHTS = { dir = 'PytestLensFile', file = 'PytestLensFile', class = 'PytestLensClass' }

---@param store pytest_lens.Store
---@param item pytest_lens.TestItem
---@param depth integer
---@param open boolean?
---@return [string, string?][]
local function chunks(store, item, depth, open)
  local tally = store.tallies[item.id]
  local worst = tally and outcomes.worst(tally.counts)
  local has_children = #(store.children[item.id] or {}) > 0
  local fold = not has_children and '  ' or open and '▾ ' or '▸ '
  local sign, hl = ' ', 'PytestLensHint'
  if tally and tally.running > 0 then
    sign, hl = outcomes.icon('running'), 'PytestLensRunning'
  elseif worst then
    sign, hl = outcomes.sign(tally)
  elseif item.skip then
    sign = outcomes.icon('skipped')
  end
  local problem = item.kind == 'file' and store:error_of(item.uri)
  if problem then
    sign, hl = outcomes.icon('failed'), 'PytestLensFailed'
  end
  local name_hl = HIGHLIGHTS[item.kind]
  local found = {
    { ('  '):rep(depth) .. fold, 'PytestLensHint' },
    { sign .. ' ', hl },
    { (item.label:gsub('%c', ' ')), item.provisional and 'PytestLensHint' or name_hl },
  }
  if item.caseCount then
    table.insert(found, { (' ×%d'):format(item.caseCount), 'PytestLensHint' })
  end
  if problem then
    local why = vim.split(problem.message, '\n')[1]
    table.insert(found, { '  not collected: ' .. why, 'PytestLensFailed' })
  end
  if tally and worst then
    local failures = outcomes.failures(tally.counts)
    if has_children and failures > 0 then
      table.insert(found, { ('  %d failed'):format(failures), 'PytestLensFailed' })
    end
    table.insert(found, { '  ' .. outcomes.duration(tally.ms), 'PytestLensDuration' })
    local age = outcomes.age(tally)
    if age then
      table.insert(found, { ' · ' .. age, 'PytestLensHint' })
    end
    local stale = outcomes.staleness(tally)
    if stale then
      table.insert(found, { ' · ' .. stale, 'PytestLensStale' })
    end
  end
  if tally and tally.flaky > 0 then
    local text = has_children and (' %d flaky'):format(tally.flaky) or ' flaky'
    table.insert(found, { ' ' .. outcomes.icon('flaky') .. text, 'PytestLensFlaky' })
  end
  return found
end

---Sorts children: folders and files by name, tests by line, cases in the server's order.
---@param store pytest_lens.Store
---@param id string
---@return string[]
local function sorted_children(store, id)
  local children = store.children[id] or {}
  local first = store.items[children[1]]
  if not first or first.kind == 'case' then
    return children
  end
  local position = {} ---@type table<string, integer>
  for index, child in ipairs(children) do
    position[child] = index
  end
  local sorted = vim.list_slice(children)
  table.sort(sorted, function(a, b)
    local one, two = store.items[a], store.items[b]
    local is_test = one.kind ~= 'dir' and one.kind ~= 'file'
    if is_test and one.range and two.range then
      if one.range.start.line ~= two.range.start.line then
        return one.range.start.line < two.range.start.line
      end
    elseif not is_test and one.label ~= two.label then
      return one.label < two.label
    end
    return position[a] < position[b]
  end)
  return sorted
end

---Whether an item is open: as the user left it; by default folders are, and most items while a filter is set.
---@param store pytest_lens.Store
---@param id string
---@param filter pytest_lens.Filter
---@param opened table<string, boolean> By `key`: what the user opened and closed.
---@return boolean
function M.is_open(store, id, filter, opened)
  local chosen = opened[M.key(store, id)]
  if chosen ~= nil then
    return chosen
  end
  local kind = store.items[id].kind
  -- A function may have many cases that did not run: they stay hidden until the user opens it.
  return kind == 'dir' or (filter ~= 'all' and (filter ~= 'not run' or kind ~= 'function'))
end

---The next or the previous failure that matches the filter, also within closed items.
---@param stores pytest_lens.Store[]
---@param filter pytest_lens.Filter
---@param from pytest_lens.Row? The row to start from; nil for the top.
---@param step 1|-1
---@return pytest_lens.Store?, string?
function M.failure(stores, filter, from, step)
  local before ---@type [pytest_lens.Store, string]?
  local is_after = from == nil
  local found ---@type [pytest_lens.Store, string]?
  ---@param store pytest_lens.Store
  ---@param id string
  ---@param on_path table<string, boolean> The start and its parents.
  local function walk(store, id, on_path)
    local item, tally = store.items[id], store.tallies[id]
    local fails = tally ~= nil and outcomes.failures(tally.counts) > 0 and matches(tally, item, filter)
    if found or not (fails or on_path[id]) then
      return
    elseif from and store == from.store and id == from.id then
      is_after = true
    elseif fails and store.results[id] then
      if not is_after then
        before = { store, id }
      elseif step == 1 then
        found = { store, id }
      end
    end
    if is_after and step == -1 then
      return
    end
    for _, child in ipairs(sorted_children(store, id)) do
      walk(store, child, on_path)
    end
  end
  for _, store in ipairs(stores) do
    local on_path = {} ---@type table<string, boolean>
    local at = from and from.store == store and from.id or nil
    while at do
      on_path[at] = true
      at = store.items[at] and store.items[at].parent
    end
    for _, id in ipairs(sorted_children(store, '')) do
      walk(store, id, on_path)
    end
  end
  if step == -1 then
    found = from and before or nil
  end
  return unpack(found or {})
end

---The rows of all trees.
---@param stores pytest_lens.Store[]
---@param filter pytest_lens.Filter
---@param opened table<string, boolean> By `key`: what the user opened and closed.
---@return pytest_lens.Row[]
function M.rows(stores, filter, opened)
  local rows = {} ---@type pytest_lens.Row[]
  for _, store in ipairs(stores) do
    local function add(id, depth)
      local item = store.items[id]
      if not matches(store.tallies[id], item, filter) then
        return
      end
      local open = M.is_open(store, id, filter, opened)
      local at = #rows + 1
      rows[at] = { store = store, id = id, chunks = chunks(store, item, depth, open) }
      local children = store.children[id] or {}
      if open and #children > 0 then
        for _, child in ipairs(sorted_children(store, id)) do
          add(child, depth + 1)
        end
        local is_test = item.kind == 'function' or item.kind == 'doctest'
        if #rows == at and filter ~= 'all' and not is_test then
          rows[at] = nil -- Nothing within it matches the filter.
        end
      end
    end
    for _, id in ipairs(sorted_children(store, '')) do
      add(id, 0)
    end
  end
  return rows
end

---The key of an item among those of all folders.
---@param store pytest_lens.Store
---@param id string
---@return string
function M.key(store, id)
  return store.workspace .. ' ' .. id
end

return M
