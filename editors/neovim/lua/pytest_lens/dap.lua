-- Debugging by nvim-dap: the server starts the test under debugpy and says where it listens.

local client = require('pytest_lens.client')

local M = {}

-- The adapter's name in nvim-dap, for those who want to configure it.
local ADAPTER = 'pytest_lens'

---Starts tests under the debugger.
---@param client_id integer
---@param argument table As `pytestLens.debug` takes it.
---@param done? fun(answer: table?) Called when it has started; with nothing where it has not.
function M.start(client_id, argument, done)
  local found, dap = pcall(require, 'dap')
  if not found then
    client.say('debugging needs nvim-dap (mfussenegger/nvim-dap): install it, then try again')
    return done and done(nil)
  end
  require('pytest_lens.commands').start(client_id, 'pytestLens.debug', argument, function(answer)
    if done then
      done(answer)
    end
    if not answer then
      return
    end
    local lsp_client = vim.lsp.get_client_by_id(client_id)
    dap.adapters[ADAPTER] = function(callback)
      callback({ type = 'server', host = answer.host, port = answer.port })
    end
    dap.run({
      type = ADAPTER,
      request = 'attach',
      name = 'pytest-lens',
      connect = { host = answer.host, port = answer.port },
      cwd = lsp_client and lsp_client.root_dir or vim.fn.getcwd(),
      justMyCode = true,
    })
  end)
end

return M
