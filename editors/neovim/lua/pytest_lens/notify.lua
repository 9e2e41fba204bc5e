-- Shows messages to the user, one sentence each, through `vim.notify`.

local M = {}

---@param text string
function M.info(text)
  vim.notify('pytest-lens: ' .. text, vim.log.levels.INFO)
end

---@param text string
function M.warn(text)
  vim.notify('pytest-lens: ' .. text, vim.log.levels.WARN)
end

return M
