-- The plugin's own windows: scratch buffers, each with a name, found again while they are open.

local M = {}

---The buffer of that name, made where there is none.
---@param name string
---@param filetype string
---@return integer
function M.buffer(name, filetype)
  local full = 'pytest-lens://' .. name
  for _, bufnr in ipairs(vim.api.nvim_list_bufs()) do
    if vim.api.nvim_buf_get_name(bufnr) == full then
      return bufnr
    end
  end
  local bufnr = vim.api.nvim_create_buf(false, true)
  vim.api.nvim_buf_set_name(bufnr, full)
  vim.bo[bufnr].filetype = filetype
  vim.bo[bufnr].modifiable = false
  vim.bo[bufnr].swapfile = false
  return bufnr
end

---The window of the current tab that shows a buffer.
---@param bufnr integer
---@return integer?
function M.showing(bufnr)
  for _, window in ipairs(vim.api.nvim_tabpage_list_wins(0)) do
    if vim.api.nvim_win_get_buf(window) == bufnr then
      return window
    end
  end
end

---Shows a buffer in a window of its own; in the one that has it already, if any.
---@param bufnr integer
---@param split vim.api.keyset.win_config
---@param enter boolean
---@return integer
function M.show(bufnr, split, enter)
  local window = M.showing(bufnr)
  if not window then
    window = vim.api.nvim_open_win(bufnr, enter, vim.tbl_extend('force', { win = -1 }, split))
    local options = vim.wo[window][0]
    options.number, options.relativenumber, options.list, options.spell = false, false, false, false
    options.signcolumn, options.foldcolumn, options.wrap, options.cursorline = 'no', '0', false, true
  elseif enter then
    vim.api.nvim_set_current_win(window)
  end
  return window
end

---Replaces a buffer's lines; nobody else may.
---@param bufnr integer
---@param lines string[]
function M.write(bufnr, lines)
  vim.bo[bufnr].modifiable = true
  vim.api.nvim_buf_set_lines(bufnr, 0, -1, false, lines)
  vim.bo[bufnr].modifiable = false
  vim.bo[bufnr].modified = false
end

---Goes to a line of a file in a window that shows files, never in one of ours.
---@param path string
---@param line integer From 1.
function M.jump(path, line)
  local function is_usual(window)
    return vim.bo[vim.api.nvim_win_get_buf(window)].buftype == ''
      and vim.api.nvim_win_get_config(window).relative == ''
  end
  local windows = vim.api.nvim_tabpage_list_wins(0)
  local previous = vim.fn.win_getid(vim.fn.winnr('#'))
  table.insert(windows, 1, previous)
  local target ---@type integer?
  for _, window in ipairs(windows) do
    if window ~= 0 and is_usual(window) then
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

---A map of a buffer of ours.
---@param bufnr integer
---@param keys string|string[]
---@param about string
---@param action fun()
function M.map(bufnr, keys, about, action)
  for _, key in ipairs(vim._ensure_list(keys)) do
    vim.keymap.set('n', key, action, { buffer = bufnr, nowait = true, desc = about })
  end
end

---Shows the maps of a buffer, each with what it does.
---@param bufnr integer
function M.help(bufnr)
  local lines = {}
  for _, map in ipairs(vim.api.nvim_buf_get_keymap(bufnr, 'n')) do
    if map.desc then
      table.insert(lines, (' %-8s %s '):format(map.lhs, map.desc))
    end
  end
  table.sort(lines)
  local shown = vim.lsp.util.open_floating_preview(lines, '', { border = 'rounded', title = ' maps ' })
  vim.bo[shown].modifiable = false
end

---The maps that every window of ours has.
---@param bufnr integer
---@param closes string What the one that closes it says of itself.
function M.map_usual(bufnr, closes)
  M.map(bufnr, 'q', closes, function()
    vim.cmd.close()
  end)
  M.map(bufnr, 'g?', 'these maps', function()
    M.help(bufnr)
  end)
end

return M
