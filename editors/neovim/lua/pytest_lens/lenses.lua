-- Code lenses, in the ways of Neovim 0.11 and 0.12, and what choosing one does.

local config = require('pytest_lens.config')

local M = {}

local codelens = vim.lsp.codelens --[[@as table<string, function>]]

-- 0.12 keeps lenses up to date by itself.
M.KEEPS_UP = codelens.enable ~= nil

---Whether lenses are drawn in a buffer, or about to be: they tell outcomes then.
---@param bufnr integer
---@return boolean
function M.are_shown(bufnr)
  if M.KEEPS_UP then
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

---Asks for the lenses of a buffer, and draws them when they come: `vim.lsp.codelens.refresh` would not ask again while
---an older answer is on its way.
---@param bufnr integer
local function ask(bufnr)
  for _, client in ipairs(vim.lsp.get_clients({ name = 'pytest_lens', bufnr = bufnr })) do
    local params = { textDocument = vim.lsp.util.make_text_document_params(bufnr) }
    client:request('textDocument/codeLens', params, codelens.on_codelens, bufnr)
  end
end

---Shows the lenses of a buffer where the user wants them.
---@param bufnr integer
function M.attach(bufnr)
  if not config.get().code_lens then
    return
  end
  if M.KEEPS_UP then
    codelens.enable(true, { bufnr = bufnr })
    return
  end
  ask(bufnr)
  local group = vim.api.nvim_create_augroup('pytest_lens_lenses', { clear = false })
  vim.api.nvim_clear_autocmds({ group = group, buffer = bufnr })
  vim.api.nvim_create_autocmd({ 'BufEnter', 'InsertLeave', 'TextChanged' }, {
    group = group,
    buffer = bufnr,
    callback = function()
      ask(bufnr)
    end,
  })
end

---The server has other lenses now: those that are drawn are asked for anew.
---@param client_id integer
function M.refresh(client_id)
  local client = vim.lsp.get_client_by_id(client_id)
  for bufnr in pairs(client and client.attached_buffers or {}) do
    if vim.api.nvim_buf_is_loaded(bufnr) and (config.get().code_lens or M.are_shown(bufnr)) then
      ask(bufnr)
    end
  end
end

-- Where the user has lenses drawn by himself, they are there when the answer to his question is.
vim.api.nvim_create_autocmd('LspRequest', {
  group = vim.api.nvim_create_augroup('pytest_lens_lenses_drawn', {}),
  callback = function(args)
    local request = args.data.request
    if request.method ~= 'textDocument/codeLens' or request.type ~= 'complete' then
      return
    end
    vim.schedule(function()
      require('pytest_lens.marks').redraw(request.bufnr)
    end)
  end,
})

---Has lenses and code actions do in Neovim what only Neovim can do: save first, debug, show the output.
function M.register()
  vim.lsp.commands['pytestLens.run'] = function(command, ctx)
    require('pytest_lens.commands').start(ctx.client_id, 'pytestLens.run', command.arguments[1])
  end
  vim.lsp.commands['pytestLens.debug'] = function(command, ctx)
    require('pytest_lens.dap').start(ctx.client_id, command.arguments[1])
  end
  vim.lsp.commands['pytestLens.output'] = function(command, ctx)
    local argument = command.arguments[1]
    require('pytest_lens.output').open(ctx.client_id, argument.id, argument.workspace)
  end
end

return M
