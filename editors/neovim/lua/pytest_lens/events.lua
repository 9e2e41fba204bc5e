-- Fires `User` autocommands: each notification of the server has a pattern of its own.

local M = {}

local PATTERNS = {
  ['pytestLens/inventory'] = 'PytestLensInventory',
  ['pytestLens/runStarted'] = 'PytestLensRunStarted',
  ['pytestLens/testStarted'] = 'PytestLensTestStarted',
  ['pytestLens/testOutcome'] = 'PytestLensTestOutcome',
  ['pytestLens/output'] = 'PytestLensOutput',
  ['pytestLens/runFinished'] = 'PytestLensRunFinished',
  ['pytestLens/flakinessHint'] = 'PytestLensFlakiness',
  ['pytestLens/staleOutcomes'] = 'PytestLensStaleOutcomes',
}

---@param pattern string
---@param data table
local function fire(pattern, data)
  vim.api.nvim_exec_autocmds('User', { pattern = pattern, data = data, modeline = false })
end

---@param change pytest_lens.Change
function M.changed(change)
  local pattern = PATTERNS[change.method]
  if pattern then
    fire(pattern, change.params)
  end
end

---@param client_id integer
function M.exited(client_id)
  fire('PytestLensExit', { client_id = client_id })
end

return M
