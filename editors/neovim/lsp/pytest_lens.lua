-- The server's configuration, which `vim.lsp.enable('pytest_lens')` finds here by its name.
--
-- What the plugin adds hangs on the handlers and on `LspAttach`, so that a user's own `on_attach`, `settings` and so
-- on (`vim.lsp.config('pytest_lens', {...})`) take nothing away.

---@type vim.lsp.Config
return {
  cmd = { 'pytest-lens', 'lsp' },
  filetypes = { 'python' },
  root_dir = function(bufnr, on_dir)
    require('pytest_lens.root').find(bufnr, on_dir)
  end,
  -- 0.11 does not say that lenses may be refreshed; the plugin does it.
  capabilities = { workspace = { codeLens = { refreshSupport = true } } },
  init_options = { pytestLens = true },
  before_init = function(params, config)
    -- So that the first collection already follows them; the same come by `workspace/configuration` when they change.
    local settings = vim.tbl_get(config, 'settings', 'pytestLens')
    if settings then
      local options = params.initializationOptions --[[@as table]]
      options.settings = options.settings or settings
    end
  end,
  handlers = require('pytest_lens.client').handlers(),
}
