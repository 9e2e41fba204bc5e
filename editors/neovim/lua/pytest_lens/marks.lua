-- Outcomes in the buffers: a sign and a few words at the end of the line of each test and class.
--
-- Each item of an open file has an extmark, drawn or not: it moves with edits, and with it what is drawn.

local config = require('pytest_lens.config')
local outcomes = require('pytest_lens.outcomes')
local soon = require('pytest_lens.soon')

local M = {}

local NAMESPACE = vim.api.nvim_create_namespace('pytest_lens')

-- Above diagnostics (10): on the line of a test its outcome is what counts.
local PRIORITY = 11

---An item in a buffer.
---@class pytest_lens.Mark
---@field extmark integer
---@field range pytest_lens.Range Where the server said that it is.
---@field drawn string What is drawn.

---@class pytest_lens.Marked
---@field client integer
---@field uri string
---@field marks table<string, pytest_lens.Mark>
---@field dirty table<string, boolean>

---@type table<integer, pytest_lens.Marked> By buffer.
local buffers = {}

---@param bufnr integer
---@param store pytest_lens.Store
---@param id string
---@return [string, string][] chunks Of the virtual text, none where there is nothing to say.
---@return string? sign
---@return string? highlight
local function look(bufnr, store, id)
  local tally, unrun = store.tallies[id], store.unrun[id]
  if not tally and not unrun then
    return {}
  end
  tally = tally or { counts = {}, ms = 0, running = 0, flaky = 0 }
  local options = config.get()
  local worst = outcomes.worst(tally.counts)
  -- The sign column has the icon already, where there is one.
  local function icon(text)
    return options.signs and '' or text .. ' '
  end
  local chunks = {} ---@type [string, string][]
  local sign, highlight ---@type string?, string?
  if tally.running > 0 then
    sign, highlight = outcomes.icon('running'), 'PytestLensRunning'
    table.insert(chunks, { icon(sign) .. 'running', highlight })
  elseif worst then
    local shown = outcomes.look(worst)
    sign, highlight = outcomes.icon(shown.icon), shown.hl
    table.insert(chunks, { icon(sign) .. outcomes.text(tally.counts) .. ' ', highlight })
    table.insert(chunks, { outcomes.duration(tally.ms), 'PytestLensDuration' })
  end
  if unrun and unrun.begun and tally.running == 0 then
    local text = worst and ' then ended while it ran' or 'ended while it ran'
    table.insert(chunks, { text, 'PytestLensSkipped' })
  end
  -- What the history knows of a test is there before it runs.
  if tally.flaky > 0 then
    local hint = store.hints[id]
    local words = hint and ('flaky %.0f %%'):format(hint.failureRate * 100)
      or ('%d flaky'):format(tally.flaky)
    table.insert(chunks, { ' ' .. icon(outcomes.icon('flaky')) .. words, 'PytestLensFlaky' })
    if not (worst and outcomes.is_failure(worst)) and tally.running == 0 then
      sign, highlight = outcomes.icon('flaky'), 'PytestLensFlaky'
    end
  end
  if not options.virtual_text or require('pytest_lens.lenses').are_shown(bufnr) then
    chunks = {}
  end
  if not options.signs then
    sign, highlight = nil, nil
  end
  return chunks, sign, highlight
end

---Where the server said that it is, as Neovim counts; none where the buffer has no such line.
---@param bufnr integer
---@param range pytest_lens.Range
---@param encoding 'utf-8'|'utf-16'|'utf-32'
---@return integer? row, integer? column, integer? end_row, integer? end_column
local function place(bufnr, range, encoding)
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
---@param marked pytest_lens.Marked
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
    -- Its name was deleted, and may have been written anew: what the server says holds.
    moved = row == nil or details.invalid == true
  end
  if moved then
    local client = vim.lsp.get_client_by_id(marked.client)
    local encoding = client and client.offset_encoding or 'utf-8'
    row, column, end_row, end_column = place(bufnr, item.range, encoding --[[@as 'utf-8'|'utf-16'|'utf-32']])
    if not row then
      return
    end
  end
  local chunks, sign, highlight = look(bufnr, store, id)
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

local flush = soon(30, function()
  for bufnr, marked in pairs(buffers) do
    if vim.api.nvim_buf_is_loaded(bufnr) and next(marked.dirty) then
      local dirty = marked.dirty
      marked.dirty = {}
      for _, store in ipairs(require('pytest_lens.client').stores(marked.client)) do
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

---Shows what is known of a buffer's tests, and goes on showing it.
---@param client_id integer
---@param bufnr integer
function M.attach(client_id, bufnr)
  if buffers[bufnr] then
    M.detach(bufnr)
  end
  buffers[bufnr] = { client = client_id, uri = vim.uri_from_bufnr(bufnr), marks = {}, dirty = {} }
  M.redraw(bufnr)
end

---Takes everything away from a buffer.
---@param bufnr integer
function M.detach(bufnr)
  buffers[bufnr] = nil
  if vim.api.nvim_buf_is_valid(bufnr) then
    vim.api.nvim_buf_clear_namespace(bufnr, NAMESPACE, 0, -1)
  end
end

---Draws all of a buffer anew: after options or lenses were switched.
---@param bufnr integer
function M.redraw(bufnr)
  local marked = buffers[bufnr]
  if not marked then
    return
  end
  for _, store in ipairs(require('pytest_lens.client').stores(marked.client)) do
    for id in pairs(store.files[marked.uri] or {}) do
      marked.dirty[id] = true
    end
  end
  flush()
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

---Where an item is in a loaded buffer now, edits and all: its line, from 0.
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
