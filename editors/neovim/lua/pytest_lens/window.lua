-- Manages the plugin's own windows: named scratch buffers, and their maps.

local M = {}

---The plugin's buffer of that name; created if there is none.
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

---The window of the current tab page that shows a buffer.
---@param bufnr integer
---@return integer?
function M.find(bufnr)
  for _, window in ipairs(vim.api.nvim_tabpage_list_wins(0)) do
    if vim.api.nvim_win_get_buf(window) == bufnr then
      return window
    end
  end
end

---Shows a buffer in a window of its own; reuses a window that already shows it.
---@param bufnr integer
---@param split vim.api.keyset.win_config
---@param enter boolean
---@return integer
function M.show(bufnr, split, enter)
  local window = M.find(bufnr)
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

---Replaces the lines of a buffer that the user can't modify.
---@param bufnr integer
---@param lines string[]
function M.write(bufnr, lines)
  vim.bo[bufnr].modifiable = true
  vim.api.nvim_buf_set_lines(bufnr, 0, -1, false, lines)
  vim.bo[bufnr].modifiable = false
  vim.bo[bufnr].modified = false
end

---Maps keys in one of the plugin's buffers.
---@param bufnr integer
---@param keys string|string[]
---@param desc string
---@param action fun()
function M.map(bufnr, keys, desc, action)
  for _, key in ipairs(vim._ensure_list(keys)) do
    vim.keymap.set('n', key, action, { buffer = bufnr, nowait = true, desc = desc })
  end
end

---Shows the maps of a buffer with their descriptions.
---@param bufnr integer
function M.help(bufnr)
  local lines = {}
  for _, map in ipairs(vim.api.nvim_buf_get_keymap(bufnr, 'n')) do
    if map.desc then
      table.insert(lines, (' %-8s %s '):format(map.lhs, map.desc))
    end
  end
  table.sort(lines)
  local preview = vim.lsp.util.open_floating_preview(lines, '', { border = 'rounded', title = ' maps ' })
  vim.bo[preview].modifiable = false
end

---Maps the keys that all windows of the plugin have.
---@param bufnr integer
---@param close_desc string The description of the map that closes the window.
function M.map_common(bufnr, close_desc)
  M.map(bufnr, 'q', close_desc, function()
    vim.cmd.close()
  end)
  M.map(bufnr, 'g?', 'these maps', function()
    M.help(bufnr)
  end)
end

return M
