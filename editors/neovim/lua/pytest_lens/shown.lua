-- Puts everything that shows tests behind the server's notifications; loaded with the first file that is served.

local client = require('pytest_lens.client')
local events = require('pytest_lens.events')
local marks = require('pytest_lens.marks')
local quickfix = require('pytest_lens.quickfix')
local runs = require('pytest_lens.runs')
local statusline = require('pytest_lens.statusline')

client.on_change(function(change)
  marks.changed(change)
  quickfix.changed(change)
  runs.changed(change)
  statusline.changed(change)
  -- Windows that were never opened have nothing to show.
  for _, name in ipairs({ 'pytest_lens.summary', 'pytest_lens.output' }) do
    local window = package.loaded[name]
    if window then
      window.changed(change)
    end
  end
  if change.params.debugData then
    require('pytest_lens.coverage').changed(change)
  end
  events.changed(change)
end)

client.on_exit(function(id)
  statusline.exited(id)
  local summary = package.loaded['pytest_lens.summary']
  if summary then
    summary.exited(id)
  end
  events.exited(id)
end)

vim.api.nvim_create_autocmd('LspProgress', {
  group = vim.api.nvim_create_augroup('pytest_lens_progress', {}),
  callback = function(args)
    statusline.progressed(args.data.client_id, args.data.params)
  end,
})

require('pytest_lens.lenses').register()
