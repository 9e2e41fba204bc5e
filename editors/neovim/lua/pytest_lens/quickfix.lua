-- Fills the quickfix list with failures and tracebacks: each entry is at the line that failed.

local client = require('pytest_lens.client')
local config = require('pytest_lens.config')
local notify = require('pytest_lens.notify')
local outcomes = require('pytest_lens.outcomes')
local runs = require('pytest_lens.runs')

local M = {}

local TITLE = 'pytest-lens: failed tests'

---The run of `:Lens failed`; its end updates the list.
---@type { list: integer?, client: integer, run: string }?
local pending

---A node id without its file.
---@param id string
---@return string
local function short_name(id)
  return id:match('::(.*)$') or id
end

---The entry of a failed test, at the line in the test's own file.
---@param store pytest_lens.Store
---@param result pytest_lens.TestOutcome
---@return vim.quickfix.entry
local function entry(store, result)
  local item = store.items[result.id]
  local location = result.location or (item and item.range and { uri = item.uri, range = item.range })
  local message = result.message or outcomes.display(result.outcome).text
  local found = { text = ('%s: %s'):format(short_name(result.id), (message:gsub('%s*\n.*', ''))), type = 'E' }
  if location then
    found.filename = vim.uri_to_fname(location.uri)
    found.lnum = location.range.start.line + 1
    found.col = 1
  else
    found.filename = vim.fs.joinpath(store.root, (result.id:gsub('::.*', '')))
  end
  return found
end

---@param client_id integer
---@return vim.quickfix.entry[]
local function entries(client_id)
  local found = {}
  for _, store in ipairs(client.stores(client_id)) do
    for _, problem in ipairs(store.errors) do
      table.insert(found, {
        filename = vim.uri_to_fname(problem.uri),
        lnum = problem.range.start.line + 1,
        col = 1,
        text = (problem.message:gsub('%s*\n.*', '')),
        type = 'E',
      })
    end
    for _, result in ipairs(store:failed()) do
      table.insert(found, entry(store, result))
    end
  end
  return found
end

---Opens the quickfix window unless the user's options forbid it. The cursor stays in its window.
function M.open()
  if config.get().open_quickfix then
    local window = vim.api.nvim_get_current_win()
    local count = #vim.fn.getqflist()
    vim.cmd(('botright copen %d'):format(math.max(3, math.min(10, count))))
    vim.api.nvim_set_current_win(window)
  end
end

---Lists the failures; shows a message if there is none.
---@param client_id integer
function M.fill(client_id)
  local found = entries(client_id)
  if #found == 0 then
    return notify.info('no test failed when it last ran')
  end
  vim.fn.setqflist({}, ' ', { title = TITLE, items = found })
  M.open()
end

---Lists the failures and runs them again. The end of the run reduces the list to those that still fail.
---@param client_id integer
function M.rerun(client_id)
  local found = entries(client_id)
  if #found > 0 then
    vim.fn.setqflist({}, ' ', { title = TITLE, items = found })
    M.open()
  end
  local list = vim.fn.getqflist({ id = 0 }).id ---@type integer
  runs.start(client_id, 'pytestLens.runFailed', {}, function(answer)
    if answer then
      -- Without a list the failures are known from the history alone: a list is made only if they still fail.
      pending = { list = #found > 0 and list or nil, client = client_id, run = answer.runId }
    end
  end)
end

---Lists the frames of a test's traceback, the innermost last. Returns `false` if there are none.
---@param result pytest_lens.TestOutcome
---@return boolean
function M.frames(result)
  local items = {}
  for _, frame in ipairs(result.frames or {}) do
    table.insert(items, {
      filename = vim.uri_to_fname(frame.location.uri),
      lnum = frame.location.range.start.line + 1,
      col = 1,
      text = frame.text and ('%s: %s'):format(frame.name, vim.trim(frame.text)) or frame.name,
    })
  end
  if #items == 0 then
    return false
  end
  vim.fn.setqflist({}, ' ', { title = 'pytest-lens: ' .. result.id, items = items, idx = #items })
  M.open()
  return true
end

---@param change pytest_lens.Change
function M.changed(change)
  if
    change.method ~= 'pytestLens/runFinished'
    or not pending
    or pending.client ~= change.client
    or pending.run ~= change.params.runId
  then
    return
  end
  local list = pending.list
  pending = nil
  if not list then
    if #entries(change.client) > 0 then
      M.fill(change.client)
    end
    return
  end
  -- The user may have replaced the list since then.
  if vim.fn.getqflist({ id = list, title = 1 }).title == TITLE then
    vim.fn.setqflist({}, 'r', { id = list, title = TITLE, items = entries(change.client) })
  end
end

return M
