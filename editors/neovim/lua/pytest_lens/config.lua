-- Reads the plugin's options from `vim.g.pytest_lens` each time they are needed, so that no set-up is necessary.
-- The server's settings belong to `vim.lsp.config('pytest_lens', { settings = ... })`.

local M = {}

---@class pytest_lens.Icons
---@field passed string
---@field failed string
---@field skipped string
---@field running string
---@field flaky string
---@field stale string
---@field covered string

---@class pytest_lens.Options
---@field signs boolean Show outcomes in the sign column.
---@field virtual_text boolean Show outcomes and durations at the ends of lines, unless code lenses show them.
---@field code_lens boolean Show code lenses and keep them up to date.
---@field save_before_run boolean Write modified Python buffers before tests run.
---@field open_quickfix boolean Open the quickfix window when the plugin fills it.
---@field diagnostics boolean Show failures as diagnostics.
---@field summary_width integer Width of the summary window in columns.
---@field output_height integer Greatest height of the output window in lines.
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
  icons = {
    passed = '✓',
    failed = '✗',
    skipped = '○',
    running = '●',
    flaky = '≈',
    stale = '◌',
    covered = '▎',
  },
}

---The user's options over the defaults.
---@return pytest_lens.Options
function M.get()
  local given = vim.g.pytest_lens
  if type(given) ~= 'table' then
    return DEFAULTS
  end
  return vim.tbl_deep_extend('force', DEFAULTS, given)
end

---One sentence for each option that is unknown or has a wrong type.
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
