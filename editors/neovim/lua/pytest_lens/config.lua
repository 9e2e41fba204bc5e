-- The plugin's own options: `vim.g.pytest_lens`, read whenever one is needed, so that there is nothing to set up.
-- The server's settings are not among them: those go to `vim.lsp.config('pytest_lens', { settings = ... })`.

local M = {}

---@class pytest_lens.Icons
---@field passed string
---@field failed string
---@field skipped string
---@field running string
---@field flaky string
---@field covered string

---@class pytest_lens.Options
---@field signs boolean Outcomes in the sign column.
---@field virtual_text boolean Outcomes and durations at the ends of lines, where no code lenses show them already.
---@field code_lens boolean Code lenses are shown and kept up to date.
---@field save_before_run boolean Changed Python files are written before tests run.
---@field open_quickfix boolean The quickfix window opens where there is something in it.
---@field diagnostics boolean Failures are diagnostics.
---@field summary_width integer Columns of the summary window.
---@field output_height integer Lines of the output window.
---@field icons pytest_lens.Icons

---@type pytest_lens.Options
local DEFAULTS = {
  signs = true,
  virtual_text = true,
  code_lens = false,
  save_before_run = true,
  open_quickfix = true,
  diagnostics = true,
  summary_width = 44,
  output_height = 15,
  icons = { passed = '✓', failed = '✗', skipped = '○', running = '●', flaky = '≈', covered = '▎' },
}

---The options in force.
---@return pytest_lens.Options
function M.get()
  local given = vim.g.pytest_lens
  if type(given) ~= 'table' then
    return DEFAULTS
  end
  return vim.tbl_deep_extend('force', DEFAULTS, given)
end

---Options that are not known or of another type than they should be, each as a sentence.
---@return string[]
function M.problems()
  local given = vim.g.pytest_lens
  if given == nil then
    return {}
  elseif type(given) ~= 'table' then
    return { '`vim.g.pytest_lens` is no table: see |pytest-lens-options|' }
  end
  local found = {}
  for name, value in vim.spairs(given) do
    local default = DEFAULTS[name]
    if default == nil then
      table.insert(found, ('`vim.g.pytest_lens.%s` is no option: see |pytest-lens-options|'):format(name))
    elseif type(value) ~= type(default) then
      local text = '`vim.g.pytest_lens.%s` must be a %s, not a %s'
      table.insert(found, text:format(name, type(default), type(value)))
    end
  end
  return found
end

return M
