-- The public API: `require('pytest_lens')`. No set-up is needed.
--
-- A statusline may load this file at start-up, so the functions load other modules only when they are called.

local M = {}

---Executes `:Lens {name} {arguments}`.
---@param name string
---@param arguments? string[]
function M.run(name, arguments)
  require('pytest_lens.commands').run(name, arguments)
end

---A short text for the statusline; see |pytest-lens-statusline|.
---@param bufnr? integer
---@return string
function M.statusline(bufnr)
  return package.loaded['pytest_lens.statusline'] and require('pytest_lens.statusline').text(bufnr) or ''
end

---The last outcome of a test; nil if it has not run.
---@param id string Its node id.
---@return pytest_lens.TestOutcome?
function M.result(id)
  for _, store in ipairs(require('pytest_lens.client').stores()) do
    if store.results[id] then
      return store.results[id]
    end
  end
end

return M
