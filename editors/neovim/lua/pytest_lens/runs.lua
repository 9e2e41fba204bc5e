-- Says of runs what nothing else shows: that one goes on after it was stopped, and how one ended before its time.

local client = require('pytest_lens.client')

local M = {}

---@param count integer
---@return string
local function tests(count)
  return count == 1 and '1 test' or ('%d tests'):format(count)
end

---Runs were told to stop: what runs now goes on to its end.
---@param client_id integer
---@param ids string[] Of the runs.
function M.stopped(client_id, ids)
  local going = 0
  for _, store in ipairs(client.stores(client_id)) do
    for _, id in ipairs(ids) do
      if store.runs[id] then
        store.runs[id].stopping = true
      end
    end
    for _, run in pairs(store.running) do
      going = going + (vim.list_contains(ids, run) and 1 or 0)
    end
  end
  require('pytest_lens.statusline').redraw()
  if going > 0 then
    local goes = going == 1 and 'goes' or 'go'
    local text = 'stopping: %s %s on to the end; `:Lens kill` ends that now'
    client.say(text:format(tests(going), goes), vim.log.levels.INFO)
  end
end

---@param change pytest_lens.Change
function M.changed(change)
  if change.method ~= 'pytestLens/runFinished' then
    return
  end
  local run = change.params --[[@as pytest_lens.RunFinishedEvent]]
  if run.message then
    client.say(run.message)
  elseif (run.status == 'stopped' or run.status == 'killed') and run.counts.notRun > 0 then
    local text = 'the run was %s: %s left without an outcome'
    client.say(text:format(run.status, tests(run.counts.notRun)), vim.log.levels.INFO)
  end
end

return M
