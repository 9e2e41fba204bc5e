-- Shows the server's flakiness report in a window.

local client = require('pytest_lens.client')
local jump = require('pytest_lens.jump')
local notify = require('pytest_lens.notify')
local outcomes = require('pytest_lens.outcomes')
local runs = require('pytest_lens.runs')
local window = require('pytest_lens.window')

local M = {}

local NAMESPACE = vim.api.nvim_create_namespace('pytest_lens_flaky')

---The last outcomes as icons, oldest first.
---@param recent pytest_lens.Outcome[]?
---@return string
local function recent_icons(recent)
  local signs = {}
  for _, outcome in ipairs(recent or {}) do
    table.insert(signs, outcomes.icon(outcomes.display(outcome).icon))
  end
  return table.concat(signs, '')
end

---Adds the lines of one group of tests.
---@param store_of fun(id: string): pytest_lens.Store?
---@param title string
---@param tests table[]
---@param lines string[]
---@param marks { line: integer, hl: string, id: string? }[]
local function add_group(store_of, title, tests, lines, marks)
  if #tests == 0 then
    return
  end
  table.insert(lines, '')
  table.insert(marks, { line = #lines, hl = 'PytestLensHeading' })
  table.insert(lines, title)
  for _, test in ipairs(tests) do
    local store = store_of(test.id)
    local hint = store and store.hints[test.id]
    table.insert(marks, { line = #lines, hl = 'PytestLensFlaky', id = test.id })
    local text = '%4.0f %%  %3d runs  %2d flips  %s'
    table.insert(lines, text:format(test.failureRate * 100, test.totalRuns, test.flips, test.id))
    local recent = recent_icons(hint and hint.recentOutcomes)
    if recent ~= '' then
      table.insert(lines, (' '):rep(27) .. recent)
    end
  end
end

---Requests the report and shows it.
---@param lsp_client vim.lsp.Client
function M.open(lsp_client)
  client.request(lsp_client, 'pytestLens.flakiness', {}, function(report, problem)
    if not report then
      return notify.warn(problem or 'the server sent no report')
    end
    local function store_of(id)
      return client.store(lsp_client.id, id)
    end
    local lines, marks = {}, {} ---@type string[], { line: integer, hl: string, id: string? }[]
    local text = '%d flaky, %d unstable, %d stable'
    table.insert(lines, text:format(#report.flaky, #report.unstable, report.stableCount))
    table.insert(marks, { line = 0, hl = 'PytestLensHint' })
    add_group(store_of, 'Flaky: passed and failed on the same code', report.flaky, lines, marks)
    add_group(store_of, 'Unstable: passes and fails as the code changes', report.unstable, lines, marks)
    if #lines == 1 then
      vim.list_extend(
        lines,
        { '', 'No test is known to be flaky: that takes a pass and a failure on the same code.' }
      )
    end
    local bufnr = window.buffer('flaky', 'pytest_lens_flaky')
    vim.b[bufnr].pytest_lens_client = lsp_client.id
    window.write(bufnr, lines)
    vim.api.nvim_buf_clear_namespace(bufnr, NAMESPACE, 0, -1)
    local ids = {} ---@type table<integer, string>
    for _, mark in ipairs(marks) do
      ids[mark.line + 1] = mark.id
      local to = mark.id and 27 or #lines[mark.line + 1]
      vim.api.nvim_buf_set_extmark(bufnr, NAMESPACE, mark.line, 0, { end_col = to, hl_group = mark.hl })
    end
    local function test_at_cursor()
      local line = vim.api.nvim_win_get_cursor(0)[1]
      return ids[line] or ids[line - 1]
    end
    window.map(bufnr, '<CR>', 'go to the test', function()
      local id = test_at_cursor()
      local store = id and store_of(id)
      if store and id then
        jump.to_item(store, id)
      end
    end)
    window.map(bufnr, 'r', 'run the test', function()
      local id = test_at_cursor()
      if id then
        runs.start(lsp_client.id, 'pytestLens.run', { ids = { id } })
      end
    end)
    window.map(bufnr, 'R', 'read the report again', function()
      M.open(lsp_client)
    end)
    window.map_common(bufnr, 'close')
    window.show(bufnr, { split = 'below', height = math.min(15, #lines + 1) }, true)
  end)
end

return M
