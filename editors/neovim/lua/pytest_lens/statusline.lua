-- One short text for the statusline: how far a run is, or what is known of all tests.

local outcomes = require('pytest_lens.outcomes')
local soon = require('pytest_lens.soon')

local M = {}

local redraw = soon(100, function()
  vim.cmd.redrawstatus({ bang = true })
end)

---`● 12/40 ✗ 2` while tests run, `✓ 38 ✗ 2` when they have; empty where nothing ran.
---@param bufnr? integer
---@return string
function M.text(bufnr)
  local client = require('pytest_lens.client').of(bufnr)
  if not client then
    return ''
  end
  local done, total, failed, counts = 0, 0, 0, {}
  for _, store in ipairs(require('pytest_lens.client').stores(client.id)) do
    for _, run in pairs(store.runs) do
      done, total, failed = done + run.done, total + run.total, failed + run.failed
    end
    for _, id in ipairs(store.children[''] or {}) do
      for outcome, count in pairs(store.tallies[id] and store.tallies[id].counts or {}) do
        counts[outcome] = (counts[outcome] or 0) + count
      end
    end
  end
  local parts = {} ---@type string[]
  if total > 0 then
    table.insert(parts, ('%s %d/%d'):format(outcomes.icon('running'), done, total))
    if failed > 0 then
      table.insert(parts, ('%s %d'):format(outcomes.icon('failed'), failed))
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

function M.exited()
  redraw()
end

return M
