-- Failures in the quickfix list: each at the line that failed, with its message.

local client = require('pytest_lens.client')
local config = require('pytest_lens.config')

local M = {}

local TITLE = 'pytest-lens: failed tests'

---A list that the end of a run brings up to date.
---@type { list: integer?, client: integer, run: string }?
local awaited

---The name of a test as a reader of a list wants it: without its file.
---@param id string
---@return string
local function short(id)
  return id:match('::(.*)$') or id
end

---One entry for a failed test, at the line of its own file.
---@param store pytest_lens.Store
---@param result pytest_lens.TestOutcome
---@return vim.quickfix.entry
local function entry(store, result)
  local item = store.items[result.id]
  local place = result.location or (item and item.range and { uri = item.uri, range = item.range })
  local message = result.message or require('pytest_lens.outcomes').look(result.outcome).words
  local found = { text = ('%s: %s'):format(short(result.id), (message:gsub('%s*\n.*', ''))), type = 'E' }
  if place then
    found.filename = vim.uri_to_fname(place.uri)
    found.lnum = place.range.start.line + 1
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

---Opens the quickfix window where the user wants that, and leaves the cursor where it is.
function M.open()
  if config.get().open_quickfix then
    local window = vim.api.nvim_get_current_win()
    local count = #vim.fn.getqflist()
    vim.cmd(('botright copen %d'):format(math.max(3, math.min(10, count))))
    vim.api.nvim_set_current_win(window)
  end
end

---Lists what failed, and opens the list where that is anything.
---@param client_id integer
---@return boolean any
function M.fill(client_id)
  local found = entries(client_id)
  if #found == 0 then
    client.say('no test failed when it last ran', vim.log.levels.INFO)
    return false
  end
  vim.fn.setqflist({}, ' ', { title = TITLE, items = found })
  M.open()
  return true
end

---Lists what failed and runs it again; when that is over, the list has what still fails.
---@param client_id integer
function M.rerun(client_id)
  local found = entries(client_id)
  if #found > 0 then
    vim.fn.setqflist({}, ' ', { title = TITLE, items = found })
    M.open()
  end
  local list = vim.fn.getqflist({ id = 0 }).id ---@type integer
  require('pytest_lens.commands').start(client_id, 'pytestLens.runFailed', {}, function(answer)
    if answer then
      -- Where nothing was listed, the history knew what had failed: there is a list only if that still does.
      awaited = { list = #found > 0 and list or nil, client = client_id, run = answer.runId }
    end
  end)
end

---Lists the frames of a test's traceback, the innermost last.
---@param result pytest_lens.TestOutcome
---@return boolean any
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
    or not awaited
    or awaited.client ~= change.client
    or awaited.run ~= change.params.runId
  then
    return
  end
  local list = awaited.list
  awaited = nil
  if not list then
    if #entries(change.client) > 0 then
      M.fill(change.client)
    end
    return
  end
  -- A list that the user has left behind is not his any more to be changed under him.
  if vim.fn.getqflist({ id = list, title = 1 }).title == TITLE then
    vim.fn.setqflist({}, 'r', { id = list, title = TITLE, items = entries(change.client) })
  end
end

return M
