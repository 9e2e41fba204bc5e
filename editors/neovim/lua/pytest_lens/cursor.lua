-- Finds the test at the cursor. The server knows it: the code actions of that line run it.

local client = require('pytest_lens.client')
local notify = require('pytest_lens.notify')
local servers = require('pytest_lens.servers')

local M = {}

-- The kind of the code actions that run tests.
local KIND = 'pytestLens.run'

---Calls `done` with the ids of the innermost test or class at a line, and their folder; with no ids if there is none.
---@param lsp_client vim.lsp.Client
---@param bufnr integer
---@param line integer From 0.
---@param done fun(ids: string[], workspace: string?)
local function tests_at(lsp_client, bufnr, line, done)
  local position = { line = line, character = 0 }
  local params = {
    textDocument = vim.lsp.util.make_text_document_params(bufnr),
    range = { start = position, ['end'] = position },
    context = { diagnostics = {}, only = { KIND } },
  }
  lsp_client:request('textDocument/codeAction', params, function(_, actions)
    -- Null is nil in 0.11, and `vim.NIL` in 0.12.
    for _, action in ipairs(type(actions) == 'table' and actions or {}) do
      local command = type(action.command) == 'table' and action.command or action
      local argument = command.command == 'pytestLens.run' and command.arguments[1]
      if argument and argument.ids then
        return done(argument.ids, argument.workspace)
      end
    end
    done({})
  end, bufnr)
end

---Calls `done` with the test at the cursor whose output to show: the first that failed, else the first that ran, else
---the first. Shows a message if there is no test.
---@param done fun(client: vim.lsp.Client, id: string, workspace: string?)
function M.test_with_output(done)
  local bufnr = vim.api.nvim_get_current_buf()
  local lsp_client = servers.of(bufnr)
  if not lsp_client then
    return notify.warn('no Python file of a project is open: open the one whose output you want')
  end
  local line = vim.api.nvim_win_get_cursor(0)[1] - 1
  tests_at(lsp_client, bufnr, line, function(ids, workspace)
    if not ids[1] then
      return notify.warn(('there is no test at line %d: put the cursor into one'):format(line + 1))
    end
    for _, id in ipairs(ids) do
      local store = client.store(lsp_client.id, id, workspace)
      local result = store and store:results_within(id)[1]
      if result then
        return done(lsp_client, result.id, workspace)
      end
    end
    done(lsp_client, ids[1], workspace)
  end)
end

return M
