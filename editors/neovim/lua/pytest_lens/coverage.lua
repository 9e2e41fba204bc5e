-- Shows the coverage of the last measured run: a sign at each line, and the missing lines in the quickfix list.

local client = require('pytest_lens.client')
local config = require('pytest_lens.config')
local notify = require('pytest_lens.notify')
local quickfix = require('pytest_lens.quickfix')

local M = {}

local NAMESPACE = vim.api.nvim_create_namespace('pytest_lens_coverage')

-- Below diagnostics (10) and outcomes (11), which are more important.
local PRIORITY = 5

local TITLE = 'pytest-lens: lines not covered'

---A file of the server's report; lines from 1.
---@class pytest_lens.CoveredFile
---@field uri string
---@field executed integer[]
---@field missing integer[]
---@field missingBranches? [integer, integer][]

---@type table<string, pytest_lens.CoveredFile> The report of the last measured run, by URI.
local files = {}

---@type table<string, string> The versions of those files when the report came, by URI.
local versions = {}

---Identifies the content of a file on disk by its size and time: signs of a changed file would be wrong.
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
  local missed_branches = {} ---@type table<integer, string[]>
  for _, branch in ipairs(file.missingBranches or {}) do
    local to = branch[2] > 0 and 'to line ' .. branch[2] or 'out of it'
    missed_branches[branch[1]] = missed_branches[branch[1]] or {}
    table.insert(missed_branches[branch[1]], to)
  end
  for _, line in ipairs(file.executed) do
    local missed = missed_branches[line]
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

---@param report pytest_lens.CoveredFile[]
local function show(report)
  files, versions = {}, {}
  local executed, missing = 0, 0
  for _, file in ipairs(report) do
    files[file.uri], versions[file.uri] = file, version_of(file.uri)
    executed, missing = executed + #file.executed, missing + #file.missing
  end
  draw_all()
  local all = executed + missing
  if all == 0 then
    return notify.info('coverage measured no line of this folder: check that its tests ran')
  end
  local text = 'coverage: %.0f %% of %d lines in %d %s; `:Lens coverage list` lists the other %d'
  local complete = 'coverage: all %d lines in %d %s'
  local word = #report == 1 and 'file' or 'files'
  notify.info(
    missing > 0 and text:format(math.floor(executed * 100 / all), all, #report, word, missing)
      or complete:format(all, #report, word)
  )
end

---Forgets the report and removes all signs.
function M.clear()
  files, versions = {}, {}
  for _, bufnr in ipairs(vim.api.nvim_list_bufs()) do
    vim.api.nvim_buf_clear_namespace(bufnr, NAMESPACE, 0, -1)
  end
end

---Lists the missing lines in the quickfix window. Adjacent lines are one entry.
function M.list()
  local items = {} ---@type vim.quickfix.entry[]
  for uri, file in vim.spairs(files) do
    local first, last ---@type integer?, integer?
    local function add_entry()
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
        add_entry()
        first, last = line, line
      end
    end
    add_entry()
  end
  if #items == 0 then
    local text = next(files) and 'every line ran' or 'nothing was measured yet: `:Lens coverage` does it'
    return notify.info(text)
  end
  vim.fn.setqflist({}, ' ', { title = TITLE, items = items })
  quickfix.open()
end

---Requests and shows the report at the end of a measured run.
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
      show(answer.files)
    else
      notify.warn(problem or 'the server sent no coverage')
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
