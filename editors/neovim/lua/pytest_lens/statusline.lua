-- One short text for the statusline: that tests are collected, how far a run is, or what is known of all tests.

local outcomes = require('pytest_lens.outcomes')
local soon = require('pytest_lens.soon')

local M = {}

---@type table<integer, table<string, boolean>> Collections that go on, by client.
local collections = {}

local redraw = soon(100, function()
  vim.cmd.redrawstatus({ bang = true })
end)

---`● 12/40 ✗ 2` while tests run, with `stopping` where that was asked for; `✓ 38 ✗ 2` when they have, with `collecting`
---before it while that goes on. Empty where nothing ran.
---@param bufnr? integer
---@return string
function M.text(bufnr)
  local client = require('pytest_lens.client').of(bufnr)
  if not client then
    return ''
  end
  local done, total, failed, stopping, counts = 0, 0, 0, false, {}
  for _, store in ipairs(require('pytest_lens.client').stores(client.id)) do
    for _, run in pairs(store.runs) do
      done, total, failed = done + run.done, total + run.total, failed + run.failed
      stopping = stopping or run.stopping == true
    end
    for _, id in ipairs(store.children[''] or {}) do
      for outcome, count in pairs(store.tallies[id] and store.tallies[id].counts or {}) do
        counts[outcome] = (counts[outcome] or 0) + count
      end
    end
  end
  local parts = {} ---@type string[]
  -- Beside a run it is no news: collecting waits for that.
  if total == 0 and next(collections[client.id] or {}) then
    table.insert(parts, 'collecting')
  end
  if total > 0 then
    table.insert(parts, ('%s %d/%d'):format(outcomes.icon('running'), done, total))
    if failed > 0 then
      table.insert(parts, ('%s %d'):format(outcomes.icon('failed'), failed))
    end
    if stopping then
      table.insert(parts, 'stopping')
    end
  else
    local sums = { passed = 0, failed = 0, skipped = 0 }
    for outcome, count in pairs(counts) do
      local icon = outcomes.look(outcome).icon
      sums[icon] = sums[icon] + count
    end
    for _, icon in ipairs({ 'passed', 'failed', 'skipped' }) do
      if sums[icon] > 0 then
        table.insert(parts, ('%s %d'):format(outcomes.icon(icon), sums[icon]))
      end
    end
  end
  return table.concat(parts, ' ')
end

---@param change pytest_lens.Change
function M.changed(change)
  if change.method ~= 'pytestLens/testStarted' and change.method ~= 'pytestLens/output' then
    redraw()
  end
end

---A progress of the server's moves: of a collection it is the only word.
---@param client_id integer
---@param params lsp.ProgressParams
function M.progressed(client_id, params)
  local token, value = tostring(params.token), params.value --[[@as { kind: string }]]
  if vim.startswith(token, 'pytest-lens/collect/') then
    collections[client_id] = collections[client_id] or {}
    collections[client_id][token] = value.kind ~= 'end' or nil
    redraw()
  end
end

---Draws once more: a run was told to stop.
M.redraw = redraw

---@param client_id integer
function M.exited(client_id)
  collections[client_id] = nil
  redraw()
end

return M
