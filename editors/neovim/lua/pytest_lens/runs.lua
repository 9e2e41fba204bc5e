-- Starts and stops runs. Reports how a run ended if it did not end normally, because no view shows that.

local client = require('pytest_lens.client')
local config = require('pytest_lens.config')
local notify = require('pytest_lens.notify')
local statusline = require('pytest_lens.statusline')

local M = {}

---@param count integer
---@return string
local function count_tests(count)
  return count == 1 and '1 test' or ('%d tests'):format(count)
end

---@param client_id integer
---@return vim.lsp.Client?
local function running_client(client_id)
  local lsp_client = vim.lsp.get_client_by_id(client_id)
  if not lsp_client then
    notify.warn('the server has ended: `:Lens restart` starts it again')
  end
  return lsp_client
end

---Writes the modified buffers of a server, because tests run what is on disk.
---@param lsp_client vim.lsp.Client
local function save_buffers(lsp_client)
  if not config.get().save_before_run then
    return
  end
  for bufnr in pairs(lsp_client.attached_buffers) do
    if vim.api.nvim_buf_is_loaded(bufnr) and vim.bo[bufnr].modified and vim.bo[bufnr].buftype == '' then
      vim.api.nvim_buf_call(bufnr, function()
        vim.cmd('silent update')
      end)
    end
  end
end

---Saves, then executes a command of the server that starts a run. Notifications report its progress.
---@param client_id integer
---@param command string
---@param argument table
---@param done? fun(answer: table?) Called with the server's answer, or with nil if no run was started.
function M.start(client_id, command, argument, done)
  local lsp_client = running_client(client_id)
  if not lsp_client then
    return
  end
  save_buffers(lsp_client)
  client.request(lsp_client, command, argument, function(answer, problem)
    if problem then
      notify.warn(problem)
    end
    if done then
      done(answer)
    end
  end)
end

---Marks runs as stopping, and shows a message if tests of them still run.
---@param client_id integer
---@param ids string[] Ids of the runs.
local function mark_stopping(client_id, ids)
  local still_running = 0
  for _, store in ipairs(client.stores(client_id)) do
    for _, id in ipairs(ids) do
      if store.runs[id] then
        store.runs[id].stopping = true
      end
    end
    for _, run in pairs(store.running) do
      still_running = still_running + (vim.list_contains(ids, run) and 1 or 0)
    end
  end
  statusline.redraw()
  if still_running > 0 then
    local goes = still_running == 1 and 'goes' or 'go'
    local text = 'stopping: %s %s on to the end; `:Lens kill` ends that now'
    notify.info(text:format(count_tests(still_running), goes))
  end
end

---@param client_id integer
---@param command 'pytestLens.stop'|'pytestLens.kill'
local function end_runs(client_id, command)
  local lsp_client = running_client(client_id)
  if not lsp_client then
    return
  end
  client.request(lsp_client, command, {}, function(answer, problem)
    if problem then
      notify.warn(problem)
    elseif answer and #answer.stopped == 0 then
      notify.info('no test is running')
    elseif answer and command == 'pytestLens.stop' then
      mark_stopping(client_id, answer.stopped)
    end
  end)
end

---Stops all runs: running tests finish, and no other test starts.
---@param client_id integer
function M.stop(client_id)
  end_runs(client_id, 'pytestLens.stop')
end

---Kills all runs with the tests that are running.
---@param client_id integer
function M.kill(client_id)
  end_runs(client_id, 'pytestLens.kill')
end

---@param change pytest_lens.Change
function M.changed(change)
  if change.method ~= 'pytestLens/runFinished' then
    return
  end
  local run = change.params --[[@as pytest_lens.RunFinishedEvent]]
  if run.message then
    notify.warn(run.message)
  elseif (run.status == 'stopped' or run.status == 'killed') and run.counts.notRun > 0 then
    local text = 'the run was %s: %s left without an outcome'
    notify.info(text:format(run.status, count_tests(run.counts.notRun)))
  end
end

return M
