-- Holds the state of one folder: a fold over the server's notifications. It neither draws nor sends requests.

local outcomes = require('pytest_lens.outcomes')

local M = {}

---The outcomes within an item, counted.
---@class pytest_lens.Tally
---@field counts table<pytest_lens.Outcome, integer> Tests by outcome.
---@field ms number Sum of the durations, in milliseconds.
---@field running integer Tests that are running.
---@field flaky integer Tests that are flaky.
---@field fresh integer Outcomes of runs that this server has seen; the others come from the history.
---@field stale integer Outcomes that are older than a change that can reach their tests.
---@field as_of? integer Time of the newest outcome from the history, Unix time in milliseconds.

---A run in progress.
---@class pytest_lens.Run
---@field id string
---@field total integer
---@field done integer
---@field failed integer
---@field stopping? boolean The user stopped it; running tests finish.

---A test without an outcome in its last run.
---@class pytest_lens.NotRun
---@field outcome pytest_lens.TestOutcome The server's `not_run`, with the reason.
---@field was_running boolean It was interrupted.

---The items that a notification changed.
---@class pytest_lens.Touched
---@field ids table<string, boolean> Items to redraw.
---@field gone string[] Items that were removed.

---@class pytest_lens.Store
---@field workspace string The folder's URI.
---@field root string The folder's path.
---@field seq integer Sequence number of the last notification.
---@field items table<string, pytest_lens.TestItem>
---@field children table<string, string[]> Ids by parent, in the server's order; the parent of top-level items is ''.
---@field files table<string, table<string, boolean>> Ids of items with a line, by URI.
---@field results table<string, pytest_lens.TestOutcome> The last final outcome of each test.
---@field tallies table<string, pytest_lens.Tally> By item; only for items with an outcome, a running or a flaky test.
---@field stale table<string, boolean> Tests whose last outcome is older than a change that can reach them.
---@field running table<string, string> The run of each running test.
---@field not_run table<string, pytest_lens.NotRun> Tests without an outcome in their last run.
---@field hints table<string, pytest_lens.Hint> Flakiness by test.
---@field runs table<string, pytest_lens.Run> Runs in progress.
---@field errors pytest_lens.CollectError[]
---@field printed table<string, string[]> Output outside of pytest's capture by test; under '' if the test is unknown.
local Store = {}
Store.__index = Store

-- How many pieces of uncaptured output are kept for a test.
local MAX_PIECES = 2000

---@param workspace string
---@return pytest_lens.Store
function M.new(workspace)
  return setmetatable({
    workspace = workspace,
    root = vim.uri_to_fname(workspace),
    seq = 0,
    items = {},
    children = {},
    files = {},
    results = {},
    tallies = {},
    stale = {},
    running = {},
    not_run = {},
    hints = {},
    runs = {},
    errors = {},
    printed = {},
  }, Store)
end

---A tally without outcomes.
---@return pytest_lens.Tally
function M.new_tally()
  return { counts = {}, ms = 0, running = 0, flaky = 0, fresh = 0, stale = 0 }
end

---@return pytest_lens.Touched
local function touched()
  return { ids = {}, gone = {} }
end

---Applies a notification.
---@param method string
---@param params table
---@return pytest_lens.Touched
function Store:apply(method, params)
  local changed = touched()
  local handler = self[method:gsub('^pytestLens/', 'on_')]
  if handler then
    handler(self, params, changed)
  end
  self.seq = params.seq
  return changed
end

---@param delta pytest_lens.InventoryEvent
---@param changed pytest_lens.Touched
function Store:on_inventory(delta, changed)
  self:remove(delta.removed, changed)
  for _, item in ipairs(delta.upserts) do
    self:upsert(item, changed)
  end
  for _, siblings in ipairs(delta.order or {}) do
    self:arrange(siblings.parent, siblings.ids)
  end
  self.errors = delta.errors
end

---Sorts the children of an item as `ids`; other children follow in their old order.
---@param parent string
---@param ids string[]
function Store:arrange(parent, ids)
  local children = self.children[parent] or {}
  local position = {} ---@type table<string, integer>
  for index, id in ipairs(children) do
    position[id] = #ids + index
  end
  for index, id in ipairs(ids) do
    position[id] = index
  end
  table.sort(children, function(a, b)
    return position[a] < position[b]
  end)
end

---@param run pytest_lens.RunStartedEvent
function Store:on_runStarted(run)
  local known = self.runs[run.runId]
  if known then
    -- More of its tests are known.
    known.total = run.total
    return
  end
  self.runs[run.runId] = { id = run.runId, total = run.total, done = 0, failed = 0 }
end

---@param started pytest_lens.TestStartedEvent
---@param changed pytest_lens.Touched
function Store:on_testStarted(started, changed)
  for _, id in ipairs(started.ids) do
    self.printed[id], self.not_run[id] = nil, nil
    self:set_mark('running', id, started.runId, changed)
  end
end

---@param event pytest_lens.TestOutcomeEvent
---@param changed pytest_lens.Touched
function Store:on_testOutcome(event, changed)
  local run = self.runs[event.runId]
  for _, outcome in ipairs(event.outcomes) do
    if not outcome.willRerun then
      if run then
        run.done = run.done + 1
        run.failed = run.failed + (outcomes.is_failure(outcome.outcome) and 1 or 0)
      end
      local was_running = self.running[outcome.id] ~= nil
      self:set_mark('running', outcome.id, nil, changed)
      -- A test that was not run keeps its last outcome.
      if outcome.outcome == 'not_run' then
        self.not_run[outcome.id] = { outcome = outcome, was_running = was_running }
        changed.ids[outcome.id] = true
      else
        self.not_run[outcome.id] = nil
        -- The server keeps the long texts; the output window requests them.
        local kept = vim.tbl_extend('force', {}, outcome) --[[@as pytest_lens.TestOutcome]]
        kept.stdout, kept.stderr, kept.log, kept.longrepr = nil, nil, nil, nil
        self:set_result(outcome.id, kept, changed)
      end
    end
  end
end

---@param output pytest_lens.OutputEvent
---@param changed pytest_lens.Touched
function Store:on_output(output, changed)
  local id = output.id or ''
  local pieces = self.printed[id] or {}
  self.printed[id] = pieces
  table.insert(pieces, output.text)
  if #pieces > MAX_PIECES then
    table.remove(pieces, 1)
  end
  changed.ids[id] = true
end

---@param run pytest_lens.RunFinishedEvent
---@param changed pytest_lens.Touched
function Store:on_runFinished(run, changed)
  self.runs[run.runId] = nil
  for id, run_id in pairs(self.running) do
    if run_id == run.runId then
      self:set_mark('running', id, nil, changed)
    end
  end
end

---@param event pytest_lens.FlakinessHintEvent
---@param changed pytest_lens.Touched
function Store:on_flakinessHint(event, changed)
  for _, hint in ipairs(event.hints) do
    local old = self.hints[hint.id]
    local step = hint.isFlaky and 1 or 0
    if old and old.isFlaky then
      step = step - 1
    end
    self.hints[hint.id] = hint
    self:count(hint.id, changed, function(tally)
      tally.flaky = tally.flaky + step
    end)
  end
end

---@param event pytest_lens.StaleOutcomesEvent
---@param changed pytest_lens.Touched
function Store:on_staleOutcomes(event, changed)
  for _, id in ipairs(event.stale) do
    self:set_mark('stale', id, true, changed)
  end
  for _, id in ipairs(event.fresh) do
    self:set_mark('stale', id, nil, changed)
  end
end

---The error that kept a file from being collected, if any.
---@param uri string
---@return pytest_lens.CollectError?
function Store:error_of(uri)
  for _, problem in ipairs(self.errors) do
    if problem.uri == uri then
      return problem
    end
  end
end

---Marks a test as running (with its run), or its outcome as stale; without a value, takes the mark away.
---@param mark 'running'|'stale'
---@param id string
---@param value string|true|nil
---@param changed pytest_lens.Touched
function Store:set_mark(mark, id, value, changed)
  local marks = self[mark] --[[@as table<string, string|true>]]
  local step = (value and 1 or 0) - (marks[id] and 1 or 0) --[[@as integer]]
  marks[id] = value
  if step ~= 0 then
    self:count(id, changed, function(tally)
      tally[mark] = tally[mark] + step
    end)
  end
end

---@param id string
---@param result pytest_lens.TestOutcome?
---@param changed pytest_lens.Touched
function Store:set_result(id, result, changed)
  local old = self.results[id]
  self:set_mark('stale', id, result and result.stale or nil, changed)
  self.results[id] = result
  self:count(id, changed, function(tally)
    if old then
      tally.counts[old.outcome] = tally.counts[old.outcome] - 1
      tally.ms = tally.ms - old.durationMs
      tally.fresh = tally.fresh - (old.asOf and 0 or 1)
    end
    if result then
      tally.counts[result.outcome] = (tally.counts[result.outcome] or 0) + 1
      tally.ms = tally.ms + result.durationMs
      tally.fresh = tally.fresh + (result.asOf and 0 or 1)
      tally.as_of = math.max(tally.as_of or 0, result.asOf or 0)
    end
  end)
end

---Changes the tallies of a test and of its parents.
---@param id string
---@param changed pytest_lens.Touched
---@param change fun(tally: pytest_lens.Tally)
function Store:count(id, changed, change)
  local at = id ---@type string?
  while at do
    local tally = self.tallies[at] or M.new_tally()
    self.tallies[at] = tally
    change(tally)
    changed.ids[at] = true
    local item = self.items[at]
    at = item and item.parent
  end
end

---Adds the tally of a new item to its parents: outcomes and hints from the history may arrive before the item.
---@param item pytest_lens.TestItem
---@param changed pytest_lens.Touched
function Store:count_in(item, changed)
  local early = self.tallies[item.id]
  if not early or not item.parent then
    return
  end
  self:count(item.parent, changed, function(tally)
    for outcome, count in pairs(early.counts) do
      tally.counts[outcome] = (tally.counts[outcome] or 0) + count
    end
    tally.ms = tally.ms + early.ms
    tally.fresh = tally.fresh + early.fresh
    tally.stale = tally.stale + early.stale
    tally.as_of = math.max(tally.as_of or 0, early.as_of or 0)
    tally.running = tally.running + early.running
    tally.flaky = tally.flaky + early.flaky
  end)
end

---@param item pytest_lens.TestItem
---@param changed pytest_lens.Touched
function Store:upsert(item, changed)
  local old = self.items[item.id]
  if not old then
    local parent = item.parent or ''
    self.children[parent] = self.children[parent] or {}
    table.insert(self.children[parent], item.id)
    self:count_in(item, changed)
  end
  if old and old.uri ~= item.uri and self.files[old.uri] then
    self.files[old.uri][item.id] = nil
  end
  self.items[item.id] = item
  -- The cases of a function share its line and its sign.
  if item.range and item.kind ~= 'case' then
    self.files[item.uri] = self.files[item.uri] or {}
    self.files[item.uri][item.id] = true
  end
  changed.ids[item.id] = true
end

---Removes items and everything within them.
---@param ids string[]
---@param changed pytest_lens.Touched
function Store:remove(ids, changed)
  local orphaned = {} ---@type table<string, boolean>
  local left = {} ---@type string[]
  for _, id in ipairs(ids) do
    local item = self.items[id]
    if item then
      orphaned[item.parent or ''] = true
      table.insert(left, id)
    end
  end
  local at = 1
  while left[at] do
    vim.list_extend(left, self.children[left[at]] or {})
    at = at + 1
  end
  -- Innermost first: the tallies of the parents are still there to be reduced.
  for index = #left, 1, -1 do
    self:forget(left[index], changed)
  end
  -- Filter each list once, however many of its items were removed.
  for parent in pairs(orphaned) do
    self.children[parent] = vim.tbl_filter(function(id)
      return self.items[id] ~= nil
    end, self.children[parent] or {})
  end
end

---@param id string
---@param changed pytest_lens.Touched
function Store:forget(id, changed)
  self:set_mark('running', id, nil, changed)
  self:set_mark('stale', id, nil, changed)
  if self.results[id] then
    self:set_result(id, nil, changed)
  end
  local hint = self.hints[id]
  if hint and hint.isFlaky then
    self:count(id, changed, function(tally)
      tally.flaky = tally.flaky - 1
    end)
  end
  local item = self.items[id]
  if item and self.files[item.uri] then
    self.files[item.uri][id] = nil
  end
  self.hints[id], self.items[id], self.children[id], self.tallies[id] = nil, nil, nil, nil
  self.printed[id], self.not_run[id] = nil, nil
  table.insert(changed.gone, id)
end

---Replaces the tree, after notifications were missed.
---@param items pytest_lens.TestItem[] Parents before children.
---@return pytest_lens.Touched
function Store:replace(items)
  local changed = touched()
  local wanted = {} ---@type table<string, boolean>
  for _, item in ipairs(items) do
    wanted[item.id] = true
  end
  local gone = vim.tbl_filter(function(id)
    return not wanted[id]
  end, vim.tbl_keys(self.items))
  self:remove(gone, changed)
  local families = {} ---@type table<string, string[]>
  for _, item in ipairs(items) do
    self:upsert(item, changed)
    local parent = item.parent or ''
    families[parent] = families[parent] or {}
    table.insert(families[parent], item.id)
  end
  for parent, ids in pairs(families) do
    self:arrange(parent, ids)
  end
  return changed
end

---The results within an item, itself included: failures first, each group in the order of the tree.
---@param id string
---@return pytest_lens.TestOutcome[]
function Store:results_within(id)
  local failed, others = {}, {}
  local left = { id }
  while #left > 0 do
    local at = table.remove(left)
    local result = self.results[at]
    if result then
      table.insert(outcomes.is_failure(result.outcome) and failed or others, result)
    end
    local children = self.children[at] or {}
    for index = #children, 1, -1 do
      -- An item without a tally has no results.
      if self.tallies[children[index]] then
        table.insert(left, children[index])
      end
    end
  end
  return vim.list_extend(failed, others)
end

---The results of tests whose last run failed, in the order of the tree.
---@return pytest_lens.TestOutcome[]
function Store:failed()
  return vim.tbl_filter(function(result)
    return outcomes.is_failure(result.outcome)
  end, self:results_within(''))
end

return M
