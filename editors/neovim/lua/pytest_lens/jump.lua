-- Jumps to lines and to tests in a window that shows files, never in a window of this plugin.

local marks = require('pytest_lens.marks')

local M = {}

---@param window integer
---@return boolean
local function shows_file(window)
  return vim.bo[vim.api.nvim_win_get_buf(window)].buftype == ''
    and vim.api.nvim_win_get_config(window).relative == ''
end

---Jumps to a line of a file. Prefers the previous window; splits if no window shows a file.
---@param path string
---@param line integer From 1.
function M.to_line(path, line)
  local windows = vim.api.nvim_tabpage_list_wins(0)
  local previous = vim.fn.win_getid(vim.fn.winnr('#'))
  table.insert(windows, 1, previous)
  local target ---@type integer?
  for _, window in ipairs(windows) do
    if window ~= 0 and shows_file(window) then
      target = window
      break
    end
  end
  if target then
    vim.api.nvim_set_current_win(target)
  else
    vim.cmd('leftabove vsplit')
  end
  vim.cmd("normal! m'")
  if vim.api.nvim_buf_get_name(0) ~= path then
    vim.cmd.edit(vim.fn.fnameescape(path))
  end
  local last = vim.api.nvim_buf_line_count(0)
  vim.api.nvim_win_set_cursor(0, { math.max(1, math.min(line, last)), 0 })
  vim.cmd('normal! ^zv')
end

---Jumps to an item where it is after all edits; to the nearest parent with a line if it has none of its own.
---@param store pytest_lens.Store
---@param id string
function M.to_item(store, id)
  local item = store.items[id] ---@type pytest_lens.TestItem?
  while item and not (item.range and item.kind ~= 'case') and item.kind ~= 'file' and item.parent do
    item = store.items[item.parent]
  end
  if not item or item.kind == 'dir' then
    return
  end
  local line = marks.line(item.uri, item.id) or (item.range and item.range.start.line) or 0
  M.to_line(vim.uri_to_fname(item.uri), line + 1)
end

return M
