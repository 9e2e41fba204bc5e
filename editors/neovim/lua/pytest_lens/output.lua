-- The output window: what a test said when it last ran, in its colours, with ways to the lines that it names.

local ansi = require('pytest_lens.ansi')
local client = require('pytest_lens.client')
local config = require('pytest_lens.config')
local outcomes = require('pytest_lens.outcomes')
local window = require('pytest_lens.window')

local M = {}

local NAMESPACE = vim.api.nvim_create_namespace('pytest_lens_output')

---@type { client: integer, id: string, workspace: string? }?
local shown

---A page, built line by line.
---@class pytest_lens.Page
---@field lines string[]
---@field stretches pytest_lens.Stretch[]

---@param page pytest_lens.Page
---@param text string
---@param hl? string
local function line(page, text, hl)
  if hl then
    table.insert(page.stretches, { line = #page.lines, from = 0, to = #text, hl = hl })
  end
  table.insert(page.lines, text)
end

---@param page pytest_lens.Page
---@param text string
local function coloured(page, text)
  local lines, stretches = ansi.read((text:gsub('\n+$', '')))
  for _, stretch in ipairs(stretches) do
    table.insert(page.stretches, vim.tbl_extend('force', stretch, { line = stretch.line + #page.lines }))
  end
  vim.list_extend(page.lines, lines)
end

---pytest's text of a failure: what it says is wrong, and where, stand out.
---@param page pytest_lens.Page
---@param text string
local function failure(page, text)
  local first = #page.lines
  coloured(page, text)
  for index = first + 1, #page.lines do
    local content = page.lines[index]
    local hl = (content:find('^E ') and 'PytestLensFailed')
      or (content:find('^>') and 'PytestLensHeading')
      or (content:find('^[^%s:]+:%d+: ') and 'PytestLensFile')
    if hl then
      table.insert(page.stretches, { line = index - 1, from = 0, to = #content, hl = hl })
    end
  end
end

---@param page pytest_lens.Page
---@param title string
---@param text string?
---@param add fun(page: pytest_lens.Page, text: string)
local function section(page, title, text, add)
  if text and text:find('%S') then
    line(page, '')
    line(page, ('── %s %s'):format(title, ('─'):rep(math.max(3, 60 - #title))), 'PytestLensHint')
    add(page, text)
  end
end

---@param store pytest_lens.Store?
---@param answer table
---@return pytest_lens.Page
local function page_of(store, answer)
  local page = { lines = {}, stretches = {} } ---@type pytest_lens.Page
  local id = answer.id
  line(page, id, 'PytestLensHeading')
  local result = store and store.results[id]
  local is_running = store and store.running[id]
  if is_running then
    line(page, outcomes.icon('running') .. ' running', 'PytestLensRunning')
  elseif answer.outcome then
    local look = outcomes.look(answer.outcome)
    local text = ('%s %s'):format(outcomes.icon(look.icon), look.words)
    if result then
      text = text .. ' in ' .. outcomes.duration(result.durationMs)
      text = text .. (result.phase and result.phase ~= 'call' and (', in its ' .. result.phase) or '')
      text = text .. (result.attempt > 1 and (', attempt %d'):format(result.attempt) or '')
    end
    line(page, text, look.hl)
  end
  local left = store and not is_running and store.unrun[id] or nil
  local unrun = left and left.outcome
  if left and unrun then
    local why = unrun.message and ': ' .. unrun.message or ''
    local text = (answer.outcome and 'since then ' or '')
      .. (left.begun and 'ended while it ran' or 'left without an outcome')
    line(page, ('%s %s%s'):format(outcomes.icon('skipped'), text, why), 'PytestLensSkipped')
  end
  if answer.longrepr and answer.longrepr:find('%S') then
    line(page, '')
    failure(page, answer.longrepr)
  elseif answer.message then
    line(page, '')
    coloured(page, answer.message)
  end
  section(page, 'standard output', answer.stdout, coloured)
  section(page, 'standard error', answer.stderr, coloured)
  section(page, 'log', answer.log, coloured)
  local printed = store and store.printed[id]
  section(page, 'past the capture', printed and table.concat(printed), coloured)
  if unrun then
    section(page, 'standard output before it was ended', unrun.stdout, coloured)
    section(page, 'standard error before it was ended', unrun.stderr, coloured)
  end
  if #page.lines <= 2 and not unrun then
    line(page, '')
    line(page, 'It printed nothing.', 'PytestLensHint')
  end
  return page
end

---@param bufnr integer
---@param page pytest_lens.Page
local function write(bufnr, page)
  window.write(bufnr, page.lines)
  vim.api.nvim_buf_clear_namespace(bufnr, NAMESPACE, 0, -1)
  for _, stretch in ipairs(page.stretches) do
    vim.api.nvim_buf_set_extmark(bufnr, NAMESPACE, stretch.line, stretch.from, {
      end_col = math.min(stretch.to, #page.lines[stretch.line + 1]),
      hl_group = stretch.hl,
    })
  end
end

---Goes to the place that a line of the window names, as `path:line`.
---@param store pytest_lens.Store?
local function follow(store)
  local text = vim.api.nvim_get_current_line()
  local path, number = text:match('([^%s:"\']+):(%d+)')
  if not path then
    path, number = text:match('File "([^"]+)", line (%d+)')
  end
  if not path and store and shown and vim.api.nvim_win_get_cursor(0)[1] == 1 then
    return require('pytest_lens.summary').jump(store, shown.id)
  elseif not path then
    return client.say('this line names no file: try one of the form `path:line`', vim.log.levels.INFO)
  end
  local full = path:sub(1, 1) == '/' and path
    or vim.fs.joinpath(store and store.root or vim.fn.getcwd(), path)
  if vim.fn.filereadable(full) == 0 then
    return client.say(('there is no file %s'):format(full))
  end
  window.jump(full, tonumber(number) --[[@as integer]])
end

---Shows what a comparison expected beside what there was.
---@param result pytest_lens.TestOutcome?
local function compare(result)
  if not result or not result.expected or not result.actual then
    return client.say('this test did not end with a comparison', vim.log.levels.INFO)
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
local function maps(bufnr)
  local function store()
    return shown and client.store(shown.client, shown.id, shown.workspace)
  end
  local function result()
    local known = store()
    return known and shown and known.results[shown.id]
  end
  window.map(bufnr, { 'gf', 'gF', '<CR>' }, 'go to the line that is named here', function()
    follow(store())
  end)
  window.map(bufnr, '<C-q>', 'the traceback as quickfix list', function()
    local known = result()
    if not known or not require('pytest_lens.quickfix').frames(known) then
      client.say('this test left no traceback', vim.log.levels.INFO)
    end
  end)
  window.map(bufnr, 'D', 'compare what was expected with what there was', function()
    compare(result())
  end)
  window.map(bufnr, 'r', 'run the test again', function()
    if shown then
      local argument = { ids = { shown.id }, workspace = shown.workspace }
      require('pytest_lens.commands').start(shown.client, 'pytestLens.run', argument)
    end
  end)
  window.map_usual(bufnr, 'close')
end

---@param open boolean
local function refresh(open)
  local asked = shown
  local lsp_client = asked and vim.lsp.get_client_by_id(asked.client)
  if not asked or not lsp_client then
    return
  end
  local argument = { id = asked.id, workspace = asked.workspace }
  client.request(lsp_client, 'pytestLens.output', argument, function(answer, problem)
    if asked ~= shown then
      return -- Another test was asked for meanwhile.
    end
    local store = client.store(asked.client, asked.id, asked.workspace)
    local is_known = store and (store.running[asked.id] or store.printed[asked.id] or store.unrun[asked.id])
    if not answer and not is_known then
      return open and client.say(problem or 'the server knows no output of this test')
    end
    local bufnr = window.buffer('output', 'pytest_lens_output')
    vim.b[bufnr].pytest_lens_client = asked.client
    write(bufnr, page_of(store, answer or { id = asked.id }))
    if open then
      maps(bufnr)
      local height = math.min(config.get().output_height, math.max(5, vim.api.nvim_buf_line_count(bufnr)))
      local shown_in = window.show(bufnr, { split = 'below', height = height }, false)
      vim.api.nvim_win_set_cursor(shown_in, { 1, 0 })
    end
  end)
end

---Shows what a test said.
---@param client_id integer
---@param id string
---@param workspace? string
function M.open(client_id, id, workspace)
  shown = { client = client_id, id = id, workspace = workspace }
  refresh(true)
end

---@param change pytest_lens.Change
function M.changed(change)
  if not shown or shown.client ~= change.client or not change.touched.ids[shown.id] then
    return
  end
  local bufnr = window.buffer('output', 'pytest_lens_output')
  if window.showing(bufnr) then
    refresh(false)
  end
end

return M
