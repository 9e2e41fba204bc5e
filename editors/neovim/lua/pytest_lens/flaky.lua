-- The flakiness window: which tests pass and fail without a change of the code, as the server's report says.

local client = require('pytest_lens.client')
local outcomes = require('pytest_lens.outcomes')
local window = require('pytest_lens.window')

local M = {}

local NAMESPACE = vim.api.nvim_create_namespace('pytest_lens_flaky')

---The last outcomes, oldest first, as signs.
---@param recent string[]?
---@return string
local function drawn(recent)
  local signs = {}
  for _, outcome in ipairs(recent or {}) do
    table.insert(signs, outcomes.icon(outcomes.look(outcome).icon))
  end
  return table.concat(signs, '')
end

---@param store_of fun(id: string): pytest_lens.Store?
---@param title string
---@param tests table[]
---@param lines string[]
---@param marks { line: integer, hl: string, id: string? }[]
local function group(store_of, title, tests, lines, marks)
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
    local recent = drawn(hint and hint.recentOutcomes)
    if recent ~= '' then
      table.insert(lines, (' '):rep(27) .. recent)
    end
  end
end

---Asks for the report and shows it.
---@param lsp_client vim.lsp.Client
function M.open(lsp_client)
  client.request(lsp_client, 'pytestLens.flakiness', {}, function(report, problem)
    if not report then
      return client.say(problem or 'the server sent no report')
    end
    local function store_of(id)
      return client.store(lsp_client.id, id)
    end
    local lines, marks = {}, {} ---@type string[], { line: integer, hl: string, id: string? }[]
    local text = '%d flaky, %d unstable, %d stable'
    table.insert(lines, text:format(#report.flaky, #report.unstable, report.stableCount))
    table.insert(marks, { line = 0, hl = 'PytestLensHint' })
    group(store_of, 'Flaky: passed and failed on the same code', report.flaky, lines, marks)
    group(store_of, 'Unstable: passes and fails as the code changes', report.unstable, lines, marks)
    if #lines == 1 then
      vim.list_extend(
        lines,
        { '', 'Nothing is known to be flaky: that takes a pass and a fail on the same code.' }
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
    local function at()
      local line = vim.api.nvim_win_get_cursor(0)[1]
      return ids[line] or ids[line - 1]
    end
    window.map(bufnr, '<CR>', 'go to the test', function()
      local id = at()
      local store = id and store_of(id)
      if store and id then
        require('pytest_lens.summary').jump(store, id)
      end
    end)
    window.map(bufnr, 'r', 'run the test', function()
      local id = at()
      if id then
        require('pytest_lens.commands').start(lsp_client.id, 'pytestLens.run', { ids = { id } })
      end
    end)
    window.map(bufnr, 'R', 'read the report again', function()
      M.open(lsp_client)
    end)
    window.map_usual(bufnr, 'close')
    window.show(bufnr, { split = 'below', height = math.min(15, #lines + 1) }, true)
  end)
end

return M
