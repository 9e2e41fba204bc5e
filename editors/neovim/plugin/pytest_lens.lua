-- Runs at start-up: defines the command, the `<Plug>` maps, the highlight groups and the autocommands. Everything else is
-- loaded on first use.

if vim.g.loaded_pytest_lens then
  return
end
vim.g.loaded_pytest_lens = true

if vim.fn.has('nvim-0.11') == 0 then
  vim.notify(
    'pytest-lens needs Neovim 0.11 or newer: upgrade Neovim, or remove the plugin',
    vim.log.levels.ERROR
  )
  return
end

vim.api.nvim_create_user_command('Lens', function(args)
  require('pytest_lens.commands').execute(args)
end, {
  nargs = '*',
  desc = 'Run pytest tests and show their results',
  complete = function(lead, line)
    return require('pytest_lens.commands').complete(lead, line)
  end,
})

for _, name in ipairs({
  'run',
  'file',
  'all',
  'failed',
  'last',
  'debug',
  'stop',
  'kill',
  'output',
  'summary',
  'flaky',
  'collect',
  'coverage',
  'log',
  'quickfix',
  'restart',
}) do
  vim.keymap.set('n', ('<Plug>(pytest-lens-%s)'):format(name), function()
    require('pytest_lens.commands').run(name)
  end, { desc = 'pytest-lens: ' .. name })
end

local group = vim.api.nvim_create_augroup('pytest_lens', {})

local function set_highlights()
  for name, link in pairs({
    PytestLensPassed = 'DiagnosticOk',
    PytestLensFailed = 'DiagnosticError',
    PytestLensSkipped = 'Comment',
    PytestLensRunning = 'DiagnosticInfo',
    PytestLensFlaky = 'DiagnosticWarn',
    PytestLensStale = 'Comment',
    PytestLensDuration = 'Comment',
    PytestLensCovered = 'DiagnosticOk',
    PytestLensPartial = 'DiagnosticWarn',
    PytestLensMissed = 'DiagnosticError',
    PytestLensHeading = 'Title',
    PytestLensFile = 'Directory',
    PytestLensClass = 'Type',
    PytestLensHint = 'Comment',
  }) do
    vim.api.nvim_set_hl(0, name, { link = link, default = true })
  end
end
set_highlights()
vim.api.nvim_create_autocmd('ColorScheme', { group = group, callback = set_highlights })

---@param id integer
---@return boolean
local function is_own_client(id)
  local client = vim.lsp.get_client_by_id(id)
  return client ~= nil and client.name == 'pytest_lens'
end

vim.api.nvim_create_autocmd('LspAttach', {
  group = group,
  callback = function(args)
    if is_own_client(args.data.client_id) then
      require('pytest_lens.listeners')
      require('pytest_lens.client').attached(args.data.client_id, args.buf)
    end
  end,
})
vim.api.nvim_create_autocmd('BufEnter', {
  group = group,
  callback = function(args)
    local servers = package.loaded['pytest_lens.servers']
    if servers then
      servers.entered(args.buf)
    end
  end,
})
vim.api.nvim_create_autocmd('BufWritePost', {
  group = group,
  callback = function(args)
    local servers = package.loaded['pytest_lens.servers']
    if servers then
      servers.written(args.buf)
    end
  end,
})
vim.api.nvim_create_autocmd('LspDetach', {
  group = group,
  callback = function(args)
    if is_own_client(args.data.client_id) then
      require('pytest_lens.client').detached(args.data.client_id, args.buf)
    end
  end,
})
