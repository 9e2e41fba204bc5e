-- A short text for the statusline: a collection or a run in progress, or else the outcomes of all tests.

local client = require('pytest_lens.client')
local outcomes = require('pytest_lens.outcomes')
local servers = require('pytest_lens.servers')
local throttle = require('pytest_lens.throttle')

local M = {}

---@type table<integer, table<string, boolean>> Progress tokens of collections that are running, by client.
local collections = {}

---Redraws the statuslines of all windows.
M.redraw = throttle(100, function()
  vim.cmd.redrawstatus({ bang = true })
end)

---@param sums table<'passed'|'failed'|'skipped', integer>
---@param parts string[]
local function add_sums(sums, parts)
  for _, icon in ipairs({ 'passed', 'failed', 'skipped' }) do
    if sums[icon] > 0 then
      table.insert(parts, ('%s %d'):format(outcomes.icon(icon), sums[icon]))
    end
  end
end

---`● 12/40 ✗ 2` while tests run, followed by `stopping` after a stop; `✓ 38 ✗ 2` otherwise, preceded by `collecting`
---during a collection. Empty if no test has run.
---@param bufnr? integer
---@return string
function M.text(bufnr)
  local lsp_client = servers.of(bufnr)
  if not lsp_client then
    return ''
  end
  local done, total, failed, stopping = 0, 0, 0, false
  local sums = { passed = 0, failed = 0, skipped = 0 }
  for _, store in ipairs(client.stores(lsp_client.id)) do
    for _, run in pairs(store.runs) do
      done, total, failed = done + run.done, total + run.total, failed + run.failed
      stopping = stopping or run.stopping == true
    end
    for _, id in ipairs(store.children[''] or {}) do
      for outcome, count in pairs(store.tallies[id] and store.tallies[id].counts or {}) do
        local icon = outcomes.display(outcome).icon
        sums[icon] = sums[icon] + count
      end
    end
  end
  local parts = {} ---@type string[]
  if total > 0 then
    table.insert(parts, ('%s %d/%d'):format(outcomes.icon('running'), done, total))
    if failed > 0 then
      table.insert(parts, ('%s %d'):format(outcomes.icon('failed'), failed))
    end
    if stopping then
      table.insert(parts, 'stopping')
    end
  else
    -- A collection waits for a run to end, so it is shown only without a run.
    if next(collections[lsp_client.id] or {}) then
      table.insert(parts, 'collecting')
    end
    add_sums(sums, parts)
  end
  return table.concat(parts, ' ')
end

---@param change pytest_lens.Change
function M.changed(change)
  if change.method ~= 'pytestLens/testStarted' and change.method ~= 'pytestLens/output' then
    M.redraw()
  end
end

---Handles `LspProgress`: the server reports collections in no other way.
---@param client_id integer
---@param params lsp.ProgressParams
function M.progressed(client_id, params)
  local token, value = tostring(params.token), params.value --[[@as { kind: string }]]
  if vim.startswith(token, 'pytest-lens/collect/') then
    collections[client_id] = collections[client_id] or {}
    collections[client_id][token] = value.kind ~= 'end' or nil
    M.redraw()
  end
end

---@param client_id integer
function M.exited(client_id)
  collections[client_id] = nil
  M.redraw()
end

return M
