-- Registers the views with the client, in the order in which they are updated. Loaded with the first server.

local client = require('pytest_lens.client')
local code_lens = require('pytest_lens.code_lens')
local coverage = require('pytest_lens.coverage')
local diagnostics = require('pytest_lens.diagnostics')
local events = require('pytest_lens.events')
local lsp_commands = require('pytest_lens.lsp_commands')
local marks = require('pytest_lens.marks')
local output = require('pytest_lens.output')
local quickfix = require('pytest_lens.quickfix')
local runs = require('pytest_lens.runs')
local servers = require('pytest_lens.servers')
local statusline = require('pytest_lens.statusline')
local summary = require('pytest_lens.summary')

client.on_attach(servers.attached)
client.on_attach(marks.attach)
client.on_attach(code_lens.attach)

client.on_detach(marks.detach)
client.on_detach(servers.detached)

client.on_change(marks.changed)
client.on_change(quickfix.changed)
client.on_change(runs.changed)
client.on_change(statusline.changed)
client.on_change(summary.changed)
client.on_change(output.changed)
client.on_change(coverage.changed)
-- Last, so that the user's autocommands find everything up to date.
client.on_change(events.changed)

client.on_exit(diagnostics.exited)
client.on_exit(statusline.exited)
client.on_exit(summary.exited)
client.on_exit(events.exited)

vim.api.nvim_create_autocmd('LspProgress', {
  group = vim.api.nvim_create_augroup('pytest_lens_progress', {}),
  callback = function(args)
    statusline.progressed(args.data.client_id, args.data.params)
  end,
})

lsp_commands.register()
