-- The client's side of the commands that code lenses and code actions carry: saving, debugging and showing output are
-- up to Neovim.

local dap = require('pytest_lens.dap')
local output = require('pytest_lens.output')
local runs = require('pytest_lens.runs')

local M = {}

---Registers the commands with Neovim's LSP client.
function M.register()
  vim.lsp.commands['pytestLens.run'] = function(command, ctx)
    runs.start(ctx.client_id, 'pytestLens.run', command.arguments[1])
  end
  vim.lsp.commands['pytestLens.debug'] = function(command, ctx)
    dap.start(ctx.client_id, command.arguments[1])
  end
  vim.lsp.commands['pytestLens.output'] = function(command, ctx)
    local argument = command.arguments[1]
    output.open(ctx.client_id, argument.id, argument.workspace)
  end
end

return M
