-- Shows the output of a test's last run in a window, with its colours, and jumps to the lines that it names.

local ansi = require('pytest_lens.ansi')
local client = require('pytest_lens.client')
local config = require('pytest_lens.config')
local jump = require('pytest_lens.jump')
local notify = require('pytest_lens.notify')
local outcomes = require('pytest_lens.outcomes')
local quickfix = require('pytest_lens.quickfix')
local runs = require('pytest_lens.runs')
local window = require('pytest_lens.window')

local M = {}

local NAMESPACE = vim.api.nvim_create_namespace('pytest_lens_output')

---@type { client: integer, id: string, workspace: string? }?
local current -- The test that the window shows.

---The content of the window.
---@class pytest_lens.Page
---@field lines string[]
---@field highlights pytest_lens.Highlight[]

---@param page pytest_lens.Page
---@param text string
---@param hl? string
local function add_line(page, text, hl)
  if hl then
    table.insert(page.highlights, { line = #page.lines, from = 0, to = #text, hl = hl })
  end
  table.insert(page.lines, text)
end

---Adds text with the colours of its escape sequences.
---@param page pytest_lens.Page
---@param text string
local function add_coloured(page, text)
  local lines, highlights = ansi.parse((text:gsub('\n+$', '')))
  for _, highlight in ipairs(highlights) do
    highlight.line = highlight.line + #page.lines
    table.insert(page.highlights, highlight)
  end
  vim.list_extend(page.lines, lines)
end

---Adds pytest's text of a failure. Highlights the errors, the failing lines and the locations.
---@param page pytest_lens.Page
---@param text string
local function add_failure(page, text)
  local first = #page.lines
  add_coloured(page, text)
  for index = first + 1, #page.lines do
    local content = page.lines[index]
    local hl = (content:find('^E ') and 'PytestLensFailed')
      or (content:find('^>') and 'PytestLensHeading')
      or (content:find('^[^%s:]+:%d+: ') and 'PytestLensFile')
    if hl then
      table.insert(page.highlights, { line = index - 1, from = 0, to = #content, hl = hl })
    end
  end
end

---@param page pytest_lens.Page
---@param title string
---@param text string?
---@param add fun(page: pytest_lens.Page, text: string)
local function add_section(page, title, text, add)
  if text and text:find('%S') then
    add_line(page, '')
    add_line(page, ('── %s %s'):format(title, ('─'):rep(math.max(3, 60 - #title))), 'PytestLensHint')
    add(page, text)
  end
end

---@param store pytest_lens.Store?
---@param answer table
---@return pytest_lens.Page
local function build_page(store, answer)
  local page = { lines = {}, highlights = {} } ---@type pytest_lens.Page
  local id = answer.id
  add_line(page, id, 'PytestLensHeading')
  local result = store and store.results[id]
  local is_running = store and store.running[id]
  if is_running then
    add_line(page, outcomes.icon('running') .. ' running', 'PytestLensRunning')
  elseif answer.outcome then
    local display = outcomes.display(answer.outcome)
    local text = ('%s %s'):format(outcomes.icon(display.icon), display.text)
    if result then
      text = text .. ' in ' .. outcomes.duration(result.durationMs)
      text = text .. (result.phase and result.phase ~= 'call' and (', in its ' .. result.phase) or '')
      text = text .. (result.attempt > 1 and (', attempt %d'):format(result.attempt) or '')
      text = text .. (result.node and ', on ' .. result.node or '')
    end
    add_line(page, text, display.hl)
  end
  local not_run = store and not is_running and store.not_run[id] or nil
  local interrupted = not_run and not_run.outcome
  if not_run and interrupted then
    local reason = interrupted.message and ': ' .. interrupted.message or ''
    local text = (answer.outcome and 'since then ' or '')
      .. (not_run.was_running and 'ended while it ran' or 'left without an outcome')
    add_line(page, ('%s %s%s'):format(outcomes.icon('skipped'), text, reason), 'PytestLensSkipped')
  end
  if answer.longrepr and answer.longrepr:find('%S') then
    add_line(page, '')
    add_failure(page, answer.longrepr)
  elseif answer.message then
    add_line(page, '')
    add_coloured(page, answer.message)
  end
  add_section(page, 'standard output', answer.stdout, add_coloured)
  add_section(page, 'standard error', answer.stderr, add_coloured)
  add_section(page, 'log', answer.log, add_coloured)
  local printed = store and store.printed[id]
  add_section(page, 'outside of the capture', printed and table.concat(printed), add_coloured)
  if interrupted then
    add_section(page, 'standard output before it was ended', interrupted.stdout, add_coloured)
    add_section(page, 'standard error before it was ended', interrupted.stderr, add_coloured)
  end
  if #page.lines <= 2 and not interrupted then
    add_line(page, '')
    add_line(page, 'It printed nothing.', 'PytestLensHint')
  end
  return page
end

---@param bufnr integer
---@param page pytest_lens.Page
local function write_page(bufnr, page)
  window.write(bufnr, page.lines)
  vim.api.nvim_buf_clear_namespace(bufnr, NAMESPACE, 0, -1)
  for _, highlight in ipairs(page.highlights) do
    vim.api.nvim_buf_set_extmark(bufnr, NAMESPACE, highlight.line, highlight.from, {
      end_col = math.min(highlight.to, #page.lines[highlight.line + 1]),
      hl_group = highlight.hl,
    })
  end
end

---Jumps to the location that the current line names, as `path:line`.
---@param store pytest_lens.Store?
local function jump_to_location(store)
  local text = vim.api.nvim_get_current_line()
  local path, number = text:match('([^%s:"\']+):(%d+)')
  if not path then
    path, number = text:match('File "([^"]+)", line (%d+)')
  end
  if not path and store and current and vim.api.nvim_win_get_cursor(0)[1] == 1 then
    return jump.to_item(store, current.id)
  elseif not path then
    return notify.info('this line names no file: try one of the form `path:line`')
  end
  local full = path:sub(1, 1) == '/' and path
    or vim.fs.joinpath(store and store.root or vim.fn.getcwd(), path)
  if vim.fn.filereadable(full) == 0 then
    return notify.warn(('there is no file %s'):format(full))
  end
  jump.to_line(full, tonumber(number) --[[@as integer]])
end

---Shows the two sides of a failed comparison in diff mode.
---@param result pytest_lens.TestOutcome?
local function show_diff(result)
  if not result or not result.expected or not result.actual then
    return notify.info('this test did not end with a comparison')
  end
  vim.cmd.tabnew()
  for index, name in ipairs({ 'expected', 'actual' }) do
    local text = index == 1 and result.expected or result.actual --[[@as string]]
    local bufnr = vim.api.nvim_create_buf(false, true)
    vim.bo[bufnr].bufhidden = 'wipe'
    vim.api.nvim_buf_set_lines(bufnr, 0, -1, false, vim.split(text, '\n'))
    if index == 1 then
      vim.api.nvim_win_set_buf(0, bufnr)
    else
      vim.api.nvim_open_win(bufnr, true, { split = 'right' })
    end
    vim.wo[0][0].winbar = name
    vim.cmd.diffthis()
  end
end

---@param bufnr integer
local function set_maps(bufnr)
  local function store()
    return current and client.store(current.client, current.id, current.workspace)
  end
  local function result()
    local known = store()
    return known and current and known.results[current.id]
  end
  window.map(bufnr, { 'gf', 'gF', '<CR>' }, 'go to the line that is named here', function()
    jump_to_location(store())
  end)
  window.map(bufnr, '<C-q>', 'the traceback as quickfix list', function()
    local known = result()
    if not known or not quickfix.frames(known) then
      notify.info('this test left no traceback')
    end
  end)
  window.map(bufnr, 'D', 'compare what was expected with what there was', function()
    show_diff(result())
  end)
  window.map(bufnr, 'r', 'run the test again', function()
    if current then
      local argument = { ids = { current.id }, workspace = current.workspace }
      runs.start(current.client, 'pytestLens.run', argument)
    end
  end)
  window.map_common(bufnr, 'close')
end

---Requests the output of the current test and writes it to the buffer.
---@param open boolean Whether to open the window.
local function refresh(open)
  local requested = current
  local lsp_client = requested and vim.lsp.get_client_by_id(requested.client)
  if not requested or not lsp_client then
    return
  end
  local argument = { id = requested.id, workspace = requested.workspace }
  client.request(lsp_client, 'pytestLens.output', argument, function(answer, problem)
    if requested ~= current then
      return -- Another test was opened in the meantime.
    end
    local id = requested.id
    local store = client.store(requested.client, id, requested.workspace)
    local is_known = store and (store.running[id] or store.printed[id] or store.not_run[id])
    if not answer and not is_known then
      return open and notify.warn(problem or 'the server knows no output of this test')
    end
    local bufnr = window.buffer('output', 'pytest_lens_output')
    vim.b[bufnr].pytest_lens_client = requested.client
    write_page(bufnr, build_page(store, answer or { id = id }))
    if open then
      set_maps(bufnr)
      local height = math.min(config.get().output_height, math.max(5, vim.api.nvim_buf_line_count(bufnr)))
      local win = window.show(bufnr, { split = 'below', height = height }, false)
      vim.api.nvim_win_set_cursor(win, { 1, 0 })
    end
  end)
end

---Opens the window with the output of a test.
---@param client_id integer
---@param id string
---@param workspace? string
function M.open(client_id, id, workspace)
  current = { client = client_id, id = id, workspace = workspace }
  refresh(true)
end

---@param change pytest_lens.Change
function M.changed(change)
  if not current or current.client ~= change.client or not change.touched.ids[current.id] then
    return
  end
  local bufnr = window.buffer('output', 'pytest_lens_output')
  if window.find(bufnr) then
    refresh(false)
  end
end

return M
