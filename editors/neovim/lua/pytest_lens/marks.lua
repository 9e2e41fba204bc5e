-- Shows outcomes in buffers: a sign and virtual text at the line of each test and class.
--
-- Each item of an open file has an extmark, even if nothing is shown there, so that its line follows edits.

local Store = require('pytest_lens.store')
local client = require('pytest_lens.client')
local code_lens = require('pytest_lens.code_lens')
local config = require('pytest_lens.config')
local outcomes = require('pytest_lens.outcomes')
local throttle = require('pytest_lens.throttle')

local M = {}

local NAMESPACE = vim.api.nvim_create_namespace('pytest_lens')

-- Above diagnostics (10): on the line of a test its outcome is more important.
local PRIORITY = 11

---The extmark of an item.
---@class pytest_lens.Mark
---@field extmark integer
---@field range pytest_lens.Range The range that the server reported.
---@field drawn string What the extmark shows, to skip redraws without a change.

---A buffer that a server is attached to.
---@class pytest_lens.MarkedBuffer
---@field client integer
---@field uri string
---@field marks table<string, pytest_lens.Mark> By item.
---@field dirty table<string, boolean> Items to redraw.

---@type table<integer, pytest_lens.MarkedBuffer> By buffer.
local buffers = {}

---The text and the sign for an item.
---@param bufnr integer
---@param store pytest_lens.Store
---@param id string
---@return [string, string][] chunks The virtual text.
---@return string? sign
---@return string? highlight
local function decoration(bufnr, store, id)
  local tally, not_run = store.tallies[id], store.not_run[id]
  if not tally and not not_run then
    return {}
  end
  tally = tally or Store.new_tally()
  local options = config.get()
  local worst = outcomes.worst(tally.counts)
  -- The virtual text has an icon only if the sign column has none.
  local function icon(text)
    return options.signs and '' or text .. ' '
  end
  local chunks = {} ---@type [string, string][]
  local sign, highlight ---@type string?, string?
  if tally.running > 0 then
    sign, highlight = outcomes.icon('running'), 'PytestLensRunning'
    table.insert(chunks, { icon(sign) .. 'running', highlight })
  elseif worst then
    sign, highlight = outcomes.sign(tally)
    table.insert(chunks, { icon(sign) .. outcomes.describe(tally.counts) .. ' ', highlight })
    table.insert(chunks, { outcomes.duration(tally.ms), 'PytestLensDuration' })
    local age = outcomes.age(tally)
    if age then
      table.insert(chunks, { ' · ' .. age, 'PytestLensHint' })
    end
    local stale = outcomes.staleness(tally)
    if stale then
      table.insert(chunks, { ' · ' .. stale, 'PytestLensStale' })
    end
  end
  if not_run and not_run.was_running and tally.running == 0 then
    local text = worst and ' then ended while it ran' or 'ended while it ran'
    table.insert(chunks, { text, 'PytestLensSkipped' })
  end
  -- The history knows flaky tests before they run.
  if tally.flaky > 0 then
    local hint = store.hints[id]
    local text = hint and ('flaky %.0f %%'):format(hint.failureRate * 100) or ('%d flaky'):format(tally.flaky)
    table.insert(chunks, { ' ' .. icon(outcomes.icon('flaky')) .. text, 'PytestLensFlaky' })
    if not (worst and outcomes.is_failure(worst)) and tally.running == 0 then
      sign, highlight = outcomes.icon('flaky'), 'PytestLensFlaky'
    end
  end
  if not options.virtual_text or code_lens.is_shown(bufnr) then
    chunks = {}
  end
  if not options.signs then
    sign, highlight = nil, nil
  end
  return chunks, sign, highlight
end

---Converts a range of the server to Neovim's byte columns; nil if the buffer has no such line.
---@param bufnr integer
---@param range pytest_lens.Range
---@param encoding 'utf-8'|'utf-16'|'utf-32'
---@return integer? row, integer? column, integer? end_row, integer? end_column
local function byte_range(bufnr, range, encoding)
  local line = vim.api.nvim_buf_get_lines(bufnr, range.start.line, range.start.line + 1, false)[1]
  if not line then
    return
  end
  local column = vim.str_byteindex(line, encoding, range.start.character, false)
  if range['end'].line ~= range.start.line then
    return range.start.line, column, range.start.line, #line
  end
  return range.start.line,
    column,
    range.start.line,
    vim.str_byteindex(line, encoding, range['end'].character, false)
end

---@param bufnr integer
---@param marked pytest_lens.MarkedBuffer
---@param store pytest_lens.Store
---@param id string
local function draw(bufnr, marked, store, id)
  local item, mark = store.items[id], marked.marks[id]
  if not item or not item.range then
    return
  end
  local row, column, end_row, end_column ---@type integer?, integer?, integer?, integer?
  local moved = not mark or not vim.deep_equal(mark.range, item.range)
  if mark and not moved then
    local at = vim.api.nvim_buf_get_extmark_by_id(bufnr, NAMESPACE, mark.extmark, { details = true })
    local details = at[3] or {}
    row, column, end_row, end_column = at[1], at[2], details.end_row, details.end_col
    -- The text was deleted, and perhaps restored elsewhere: use the server's range.
    moved = row == nil or details.invalid == true
  end
  if moved then
    local lsp_client = vim.lsp.get_client_by_id(marked.client)
    local encoding = lsp_client and lsp_client.offset_encoding or 'utf-8'
    row, column, end_row, end_column =
      byte_range(bufnr, item.range, encoding --[[@as 'utf-8'|'utf-16'|'utf-32']])
    if not row then
      return
    end
  end
  local chunks, sign, highlight = decoration(bufnr, store, id)
  local drawn = vim.inspect({ chunks, sign, highlight })
  if mark and not moved and mark.drawn == drawn then
    return
  end
  local extmark =
    vim.api.nvim_buf_set_extmark(bufnr, NAMESPACE, row --[[@as integer]], column --[[@as integer]], {
      id = mark and mark.extmark,
      end_row = end_row,
      end_col = end_column,
      right_gravity = true,
      end_right_gravity = false,
      invalidate = true,
      undo_restore = true,
      strict = false,
      priority = PRIORITY,
      sign_text = sign,
      sign_hl_group = highlight,
      virt_text = #chunks > 0 and vim.list_extend({ { '  ', 'Normal' } }, chunks) or nil,
      hl_mode = 'combine',
    })
  marked.marks[id] = { extmark = extmark, range = item.range, drawn = drawn }
end

local flush = throttle(30, function()
  for bufnr, marked in pairs(buffers) do
    if vim.api.nvim_buf_is_loaded(bufnr) and next(marked.dirty) then
      local dirty = marked.dirty
      marked.dirty = {}
      for _, store in ipairs(client.stores(marked.client)) do
        local known = store.files[marked.uri] or {}
        for id in pairs(dirty) do
          if known[id] then
            draw(bufnr, marked, store, id)
          end
        end
      end
    end
  end
end)

---Redraws all items of a buffer.
---@param bufnr integer
local function redraw(bufnr)
  local marked = buffers[bufnr]
  if not marked then
    return
  end
  for _, store in ipairs(client.stores(marked.client)) do
    for id in pairs(store.files[marked.uri] or {}) do
      marked.dirty[id] = true
    end
  end
  flush()
end

-- Code lenses replace the virtual text. They are drawn when the request for them is complete, also where the user
-- draws them by a configuration of his own.
vim.api.nvim_create_autocmd('LspRequest', {
  group = vim.api.nvim_create_augroup('pytest_lens_lenses_drawn', {}),
  callback = function(args)
    local request = args.data.request
    if request.method ~= 'textDocument/codeLens' or request.type ~= 'complete' then
      return
    end
    vim.schedule(function()
      redraw(request.bufnr)
    end)
  end,
})

---Shows the outcomes of a buffer's tests, and keeps them up to date.
---@param client_id integer
---@param bufnr integer
function M.attach(client_id, bufnr)
  if buffers[bufnr] then
    M.detach(client_id, bufnr)
  end
  buffers[bufnr] = { client = client_id, uri = vim.uri_from_bufnr(bufnr), marks = {}, dirty = {} }
  redraw(bufnr)
end

---Removes all marks from a buffer.
---@param bufnr integer
function M.detach(_, bufnr)
  buffers[bufnr] = nil
  if vim.api.nvim_buf_is_valid(bufnr) then
    vim.api.nvim_buf_clear_namespace(bufnr, NAMESPACE, 0, -1)
  end
end

---@param change pytest_lens.Change
function M.changed(change)
  local store = change.store
  for bufnr, marked in pairs(buffers) do
    if marked.client == change.client then
      local known = store.files[marked.uri] or {}
      local any = false
      for id in pairs(change.touched.ids) do
        if known[id] then
          marked.dirty[id] = true
          any = true
        end
      end
      for _, id in ipairs(change.touched.gone) do
        local mark = marked.marks[id]
        if mark and not known[id] then
          marked.marks[id] = nil
          pcall(vim.api.nvim_buf_del_extmark, bufnr, NAMESPACE, mark.extmark)
        end
      end
      if any then
        flush()
      end
    end
  end
end

---The line of an item in a loaded buffer, after all edits. From 0.
---@param uri string
---@param id string
---@return integer?
function M.line(uri, id)
  for bufnr, marked in pairs(buffers) do
    local mark = marked.uri == uri and marked.marks[id]
    if mark and vim.api.nvim_buf_is_loaded(bufnr) then
      return vim.api.nvim_buf_get_extmark_by_id(bufnr, NAMESPACE, mark.extmark, {})[1]
    end
  end
end

return M
