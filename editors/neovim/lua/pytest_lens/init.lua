-- What others may call: `require('pytest_lens')`. There is nothing to set up.

local M = {}

---Does what `:Lens NAME` does.
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

---What is known of a test: its last outcome, none before it ran.
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
