-- Coverage in the buffers: a sign at each line that a measured run executed, or did not; what is missing as a list.

local client = require('pytest_lens.client')
local config = require('pytest_lens.config')

local M = {}

local NAMESPACE = vim.api.nvim_create_namespace('pytest_lens_coverage')

-- Below diagnostics (10) and outcomes (11): those are news, this is a background.
local PRIORITY = 5

local TITLE = 'pytest-lens: lines that no test ran'

---A file of the report; lines from 1.
---@class pytest_lens.Covered
---@field uri string
---@field executed integer[]
---@field missing integer[]
---@field missingBranches? [integer, integer][]

---@type table<string, pytest_lens.Covered> By URI: what the last measured run said.
local files = {}

---@type table<string, string> What the files were when that was told, by URI.
local versions = {}

---What a file on disk is, so that one that has changed is told from it.
---@param uri string
---@return string
local function version_of(uri)
  local path = vim.uri_to_fname(uri)
  return ('%d %d'):format(vim.fn.getfsize(path), vim.fn.getftime(path))
end

---@param bufnr integer
local function draw(bufnr)
  vim.api.nvim_buf_clear_namespace(bufnr, NAMESPACE, 0, -1)
  local uri = vim.uri_from_bufnr(bufnr)
  local file = files[uri]
  if not file or versions[uri] ~= version_of(uri) then
    return
  end
  local last = vim.api.nvim_buf_line_count(bufnr)
  local sign = config.get().icons.covered
  local function mark(line, hl, text)
    if line <= last then
      vim.api.nvim_buf_set_extmark(bufnr, NAMESPACE, line - 1, 0, {
        sign_text = sign,
        sign_hl_group = hl,
        virt_text = text and { { '  ' .. text, 'PytestLensHint' } } or nil,
        invalidate = true,
        undo_restore = true,
        priority = PRIORITY,
      })
    end
  end
  local never = {} ---@type table<integer, string[]>
  for _, branch in ipairs(file.missingBranches or {}) do
    local to = branch[2] > 0 and 'to line ' .. branch[2] or 'out of it'
    never[branch[1]] = never[branch[1]] or {}
    table.insert(never[branch[1]], to)
  end
  for _, line in ipairs(file.executed) do
    local missed = never[line]
    mark(
      line,
      missed and 'PytestLensPartial' or 'PytestLensCovered',
      missed and 'never ' .. table.concat(missed, ', ')
    )
  end
  for _, line in ipairs(file.missing) do
    mark(line, 'PytestLensMissed')
  end
end

local function draw_all()
  for _, bufnr in ipairs(vim.api.nvim_list_bufs()) do
    if vim.api.nvim_buf_is_loaded(bufnr) and vim.bo[bufnr].buftype == '' then
      draw(bufnr)
    end
  end
end

---Takes a report in and shows it.
---@param report pytest_lens.Covered[]
local function take(report)
  files, versions = {}, {}
  local executed, missing = 0, 0
  for _, file in ipairs(report) do
    files[file.uri], versions[file.uri] = file, version_of(file.uri)
    executed, missing = executed + #file.executed, missing + #file.missing
  end
  draw_all()
  local all = executed + missing
  if all == 0 then
    return client.say(
      'coverage measured no line of this folder: check that its tests ran',
      vim.log.levels.INFO
    )
  end
  local text = 'coverage: %.0f %% of %d lines in %d %s; `:Lens coverage list` lists the other %d'
  local whole = 'coverage: all %d lines in %d %s'
  local word = #report == 1 and 'file' or 'files'
  client.say(
    missing > 0 and text:format(math.floor(executed * 100 / all), all, #report, word, missing)
      or whole:format(all, #report, word),
    vim.log.levels.INFO
  )
end

---Takes all marks away.
function M.clear()
  files, versions = {}, {}
  for _, bufnr in ipairs(vim.api.nvim_list_bufs()) do
    vim.api.nvim_buf_clear_namespace(bufnr, NAMESPACE, 0, -1)
  end
end

---Lists what no test ran in the quickfix window: neighbouring lines as one entry.
function M.list()
  local items = {} ---@type vim.quickfix.entry[]
  for uri, file in vim.spairs(files) do
    local first, last ---@type integer?, integer?
    local function close()
      if first and last then
        local lines = first == last and 'line %d' or 'lines %d to %d'
        local entry = { lnum = first, end_lnum = last, col = 1, type = 'W' } ---@type vim.quickfix.entry
        entry.filename, entry.text = vim.uri_to_fname(uri), 'not run: ' .. lines:format(first, last)
        table.insert(items, entry)
      end
    end
    for _, line in ipairs(file.missing) do
      if last and line == last + 1 then
        last = line
      else
        close()
        first, last = line, line
      end
    end
    close()
  end
  if #items == 0 then
    local text = next(files) and 'every line ran' or 'nothing was measured yet: `:Lens coverage` does it'
    return client.say(text, vim.log.levels.INFO)
  end
  vim.fn.setqflist({}, ' ', { title = TITLE, items = items })
  require('pytest_lens.quickfix').open()
end

---A run is over: where it measured, what it found is shown.
---@param change pytest_lens.Change
function M.changed(change)
  if change.method ~= 'pytestLens/runFinished' or not change.params.debugData then
    return
  end
  local lsp_client = vim.lsp.get_client_by_id(change.client)
  if not lsp_client then
    return
  end
  local argument = { runId = change.params.runId, workspace = change.params.workspace }
  client.request(lsp_client, 'pytestLens.coverage', argument, function(answer, problem)
    if answer then
      take(answer.files)
    else
      client.say(problem or 'the server sent no coverage')
    end
  end)
end

vim.api.nvim_create_autocmd('BufReadPost', {
  group = vim.api.nvim_create_augroup('pytest_lens_coverage', {}),
  callback = function(args)
    if next(files) then
      draw(args.buf)
    end
  end,
})

return M
