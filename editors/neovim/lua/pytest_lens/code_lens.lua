-- Draws code lenses where the user wants them, in the ways of Neovim 0.11 and 0.12.

local config = require('pytest_lens.config')

local M = {}

local codelens = vim.lsp.codelens --[[@as table<string, function>]]

-- Neovim 0.12 keeps lenses up to date by itself.
local HAS_ENABLE = codelens.enable ~= nil

---Whether lenses are drawn in a buffer, or are about to be.
---@param bufnr integer
---@return boolean
function M.is_shown(bufnr)
  if HAS_ENABLE then
    return codelens.is_enabled({ bufnr = bufnr })
  elseif config.get().code_lens then
    return true
  end
  for _, lens in ipairs(codelens.get(bufnr)) do
    if lens.command and vim.startswith(lens.command.command, 'pytestLens.') then
      return true
    end
  end
  return false
end

---Requests a buffer's lenses, and draws them. `vim.lsp.codelens.refresh` skips the request while an older one is
---pending.
---@param bufnr integer
local function request(bufnr)
  for _, client in ipairs(vim.lsp.get_clients({ name = 'pytest_lens', bufnr = bufnr })) do
    local params = { textDocument = vim.lsp.util.make_text_document_params(bufnr) }
    client:request('textDocument/codeLens', params, codelens.on_codelens, bufnr)
  end
end

---Shows a buffer's lenses if the user wants them.
---@param bufnr integer
function M.attach(_, bufnr)
  if not config.get().code_lens then
    return
  end
  if HAS_ENABLE then
    codelens.enable(true, { bufnr = bufnr })
    return
  end
  request(bufnr)
  local group = vim.api.nvim_create_augroup('pytest_lens_lenses', { clear = false })
  vim.api.nvim_clear_autocmds({ group = group, buffer = bufnr })
  vim.api.nvim_create_autocmd({ 'BufEnter', 'InsertLeave', 'TextChanged' }, {
    group = group,
    buffer = bufnr,
    callback = function()
      request(bufnr)
    end,
  })
end

---Requests the lenses that are drawn again.
---@param client_id integer
local function refresh(client_id)
  local client = vim.lsp.get_client_by_id(client_id)
  for bufnr in pairs(client and client.attached_buffers or {}) do
    if vim.api.nvim_buf_is_loaded(bufnr) and M.is_shown(bufnr) then
      request(bufnr)
    end
  end
end

---A handler of `workspace/codeLens/refresh` for Neovim 0.11, which has none.
---@return table<string, lsp.Handler>
function M.handlers()
  if HAS_ENABLE then
    return {}
  end
  return {
    ['workspace/codeLens/refresh'] = function(_, _, ctx)
      refresh(ctx.client_id)
      return vim.NIL
    end,
  }
end

return M
