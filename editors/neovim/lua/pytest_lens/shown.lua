-- Puts everything that shows tests behind the server's notifications; loaded with the first file that is served.

local client = require('pytest_lens.client')
local events = require('pytest_lens.events')
local marks = require('pytest_lens.marks')
local quickfix = require('pytest_lens.quickfix')
local statusline = require('pytest_lens.statusline')

client.on_change(function(change)
  marks.changed(change)
  quickfix.changed(change)
  statusline.changed(change)
  -- Windows that were never opened have nothing to show.
  for _, name in ipairs({ 'pytest_lens.summary', 'pytest_lens.output' }) do
    local window = package.loaded[name]
    if window then
      window.changed(change)
    end
  end
  events.changed(change)
end)

client.on_exit(function(id)
  statusline.exited()
  local summary = package.loaded['pytest_lens.summary']
  if summary then
    summary.exited(id)
  end
  events.exited(id)
end)

require('pytest_lens.lenses').register()
