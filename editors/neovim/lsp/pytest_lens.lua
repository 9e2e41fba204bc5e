-- The server's configuration, which `vim.lsp.enable('pytest_lens')` finds by its name.
--
-- The plugin uses handlers and the event `LspAttach` only, so that `on_attach` and the like remain free for the user's
-- `vim.lsp.config('pytest_lens', {...})`.

local client = require('pytest_lens.client')
local code_lens = require('pytest_lens.code_lens')
local diagnostics = require('pytest_lens.diagnostics')
local program = require('pytest_lens.program')
local root = require('pytest_lens.root')

---@type vim.lsp.Config
return {
  cmd = program.start,
  filetypes = { 'python' },
  root_dir = root.find,
  -- Neovim 0.11 does not announce that it refreshes lenses: the plugin does that.
  capabilities = { workspace = { codeLens = { refreshSupport = true } } },
  init_options = { pytestLens = true },
  before_init = function(params, config)
    -- The first collection needs the settings; `workspace/configuration` delivers later changes.
    local settings = vim.tbl_get(config, 'settings', 'pytestLens')
    if settings then
      local options = params.initializationOptions --[[@as table]]
      options.settings = options.settings or settings
    end
  end,
  handlers = vim.tbl_extend('error', client.handlers(), diagnostics.handlers(), code_lens.handlers()),
}
