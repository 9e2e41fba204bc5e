-- Debugs tests with nvim-dap: the server starts them under debugpy, and nvim-dap attaches to it.

local notify = require('pytest_lens.notify')
local runs = require('pytest_lens.runs')

local M = {}

-- The adapter's name in nvim-dap. Users may configure it.
local ADAPTER = 'pytest_lens'

---Starts tests under the debugger.
---@param client_id integer
---@param argument table The argument of the server's command `pytestLens.debug`.
---@param done? fun(answer: table?) Called with the server's answer, or with nil if no run was started.
function M.start(client_id, argument, done)
  local is_installed, dap = pcall(require, 'dap')
  if not is_installed then
    notify.warn('debugging needs nvim-dap (mfussenegger/nvim-dap): install it, then try again')
    return done and done(nil)
  end
  runs.start(client_id, 'pytestLens.debug', argument, function(answer)
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
