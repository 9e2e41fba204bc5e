---@brief
---
--- https://github.com/pytest-lens/pytest-lens
---
--- `pytest-lens` runs pytest tests on a warm interpreter: lenses, code actions, diagnostics, hover, inlay hints.
---
--- Install it in the project's environment or by `uv tool install pytest-lens`. The plugin in `editors/neovim` of its
--- repository has signs, a tree of tests and more; it brings this configuration along.

---@type vim.lsp.Config
return {
  cmd = { 'pytest-lens', 'lsp' },
  filetypes = { 'python' },
  root_markers = {
    { 'pytest.toml', '.pytest.toml', 'pytest.ini', '.pytest.ini', 'pyproject.toml', 'tox.ini', 'setup.cfg', 'setup.py' },
    '.git',
  },
}
