-- Filters the server's diagnostics: hides those that signs or another plugin already show.

local config = require('pytest_lens.config')

local M = {}

-- Codes of diagnostics that report a failed test.
local FAILURES = { failed = true, error = true, timed_out = true, crashed = true }

---@type table<integer, table<string, { result: lsp.PublishDiagnosticsParams, ctx: lsp.HandlerContext }>>
local published = {} -- By client and URI: what the server published last.

---@type fun(client_id: integer, uri: string): boolean
local is_shown_elsewhere = function()
  return false
end

---@param result lsp.PublishDiagnosticsParams
---@param ctx lsp.HandlerContext
local function publish(result, ctx)
  local hides_failures = not config.get().diagnostics or is_shown_elsewhere(ctx.client_id, result.uri)
  local visible = vim.tbl_filter(function(diagnostic)
    return diagnostic.code ~= 'flaky' and not (hides_failures and FAILURES[diagnostic.code])
  end, result.diagnostics)
  local params = vim.tbl_extend('force', result, { diagnostics = visible })
  vim.lsp.handlers['textDocument/publishDiagnostics'](nil, params, ctx)
end

---Hides the failures of each file for which `predicate` is true, because another plugin shows them.
---@param predicate fun(client_id: integer, uri: string): boolean
function M.hide_failures_if(predicate)
  is_shown_elsewhere = predicate
end

---Publishes a file's last diagnostics again, with the filter as it is now.
---@param client_id integer
---@param uri string
function M.refresh(client_id, uri)
  local last = (published[client_id] or {})[uri]
  if last and vim.lsp.get_client_by_id(client_id) then
    publish(last.result, last.ctx)
  end
end

---@return table<string, lsp.Handler>
function M.handlers()
  return {
    ['textDocument/publishDiagnostics'] = function(_, result, ctx)
      published[ctx.client_id] = published[ctx.client_id] or {}
      published[ctx.client_id][result.uri] = { result = result, ctx = ctx }
      publish(result, ctx)
    end,
  }
end

---Forgets what a server published after it has exited.
---@param client_id integer
function M.exited(client_id)
  published[client_id] = nil
end

return M
