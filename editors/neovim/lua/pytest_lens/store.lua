-- What the server told of one folder: a fold over its notifications. It draws nothing, asks nothing, decides nothing.

local M = {}

---Outcomes of an item and of all within it.
---@class pytest_lens.Tally
---@field counts table<string, integer> How many tests have which outcome.
---@field ms number All durations together.
---@field running integer Tests that run now.
---@field flaky integer Tests that are flaky.

---A run that goes on.
---@class pytest_lens.Run
---@field id string
---@field total integer
---@field done integer
---@field failed integer
---@field stopping? boolean It was stopped: what runs goes on to its end.

---Why a test has no outcome of the last run.
---@class pytest_lens.Unrun
---@field outcome pytest_lens.TestOutcome What the server said.
---@field begun boolean It was ended while it ran.

---What a notification changed.
---@class pytest_lens.Touched
---@field ids table<string, boolean> Items that look different now.
---@field moved table<string, boolean> Items that are new or elsewhere now.
---@field gone string[] Items that are no more.
---@field inventory boolean The tree is another.

---@class pytest_lens.Store
---@field workspace string The folder's URI.
---@field root string The folder's path.
---@field seq integer Number of the last notification.
---@field items table<string, pytest_lens.TestItem>
---@field children table<string, string[]> Ids in the order in which they came, or are told to be; those at the top under ''.
---@field files table<string, table<string, boolean>> Ids of the items that have a line, by URI.
---@field results table<string, pytest_lens.TestOutcome> Final outcomes, of tests.
---@field tallies table<string, pytest_lens.Tally> Of items with an outcome, something running or something flaky within.
---@field running table<string, string> Runs of tests that run now.
---@field unrun table<string, pytest_lens.Unrun> Tests that the last run left without an outcome.
---@field hints table<string, pytest_lens.Hint>
---@field runs table<string, pytest_lens.Run> Runs that go on.
---@field ended? pytest_lens.RunFinishedEvent How the last run ended.
---@field errors pytest_lens.CollectError[]
---@field printed table<string, string[]> What tests printed outside of pytest's capture; without a test under ''.
local Store = {}
Store.__index = Store

-- Of what is printed outside of pytest's capture, so many pieces are kept for a test.
local PIECES = 2000

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
    running = {},
    unrun = {},
    hints = {},
    runs = {},
    errors = {},
    printed = {},
  }, Store)
end

---@return pytest_lens.Touched
local function touched()
  return { ids = {}, moved = {}, gone = {}, inventory = false }
end

---Takes in a notification.
---@param method string
---@param params table
---@return pytest_lens.Touched
function Store:apply(method, params)
  local changed = touched()
  local take = self[method:gsub('^pytestLens/', 'on_')]
  if take then
    take(self, params, changed)
  end
  self.seq = params.seq
  return changed
end

---@param delta pytest_lens.InventoryEvent
---@param changed pytest_lens.Touched
function Store:on_inventory(delta, changed)
  changed.inventory = true
  self:remove(delta.removed, changed)
  for _, item in ipairs(delta.upserts) do
    self:upsert(item, changed)
  end
  for _, siblings in ipairs(delta.order or {}) do
    self:arrange(siblings.parent, siblings.ids)
  end
  self.errors = delta.errors
end

---Puts the children of an item in order; those that are not named come behind.
---@param parent string
---@param ids string[]
function Store:arrange(parent, ids)
  local children = self.children[parent] or {}
  local place = {} ---@type table<string, integer>
  for index, id in ipairs(children) do
    place[id] = #ids + index
  end
  for index, id in ipairs(ids) do
    place[id] = index
  end
  table.sort(children, function(a, b)
    return place[a] < place[b]
  end)
end

---@param run pytest_lens.RunStartedEvent
function Store:on_runStarted(run)
  self.runs[run.runId] = { id = run.runId, total = run.total, done = 0, failed = 0 }
end

---@param started pytest_lens.TestStartedEvent
---@param changed pytest_lens.Touched
function Store:on_testStarted(started, changed)
  for _, id in ipairs(started.ids) do
    self.printed[id], self.unrun[id] = nil, nil
    self:set_running(id, started.runId, changed)
  end
end

---@param told pytest_lens.TestOutcomeEvent
---@param changed pytest_lens.Touched
function Store:on_testOutcome(told, changed)
  local is_failure = require('pytest_lens.outcomes').is_failure
  local run = self.runs[told.runId]
  for _, outcome in ipairs(told.outcomes) do
    if not outcome.willRerun then
      if run then
        run.done = run.done + 1
        run.failed = run.failed + (is_failure(outcome.outcome) and 1 or 0)
      end
      local was_running = self.running[outcome.id] ~= nil
      self:set_running(outcome.id, nil, changed)
      -- A test that was not run keeps what is known of it.
      if outcome.outcome == 'not_run' then
        self.unrun[outcome.id] = { outcome = outcome, begun = was_running }
        changed.ids[outcome.id] = true
      else
        self.unrun[outcome.id] = nil
        -- Long texts stay with the server, which is asked for them when someone looks.
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
  if #pieces > PIECES then
    table.remove(pieces, 1)
  end
  changed.ids[id] = true
end

---@param run pytest_lens.RunFinishedEvent
---@param changed pytest_lens.Touched
function Store:on_runFinished(run, changed)
  self.runs[run.runId] = nil
  self.ended = run
  for id, by in pairs(self.running) do
    if by == run.runId then
      self:set_running(id, nil, changed)
    end
  end
end

---@param told pytest_lens.FlakinessHintEvent
---@param changed pytest_lens.Touched
function Store:on_flakinessHint(told, changed)
  for _, hint in ipairs(told.hints) do
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

---@param id string
---@param run string?
---@param changed pytest_lens.Touched
function Store:set_running(id, run, changed)
  local step = (run and 1 or 0) - (self.running[id] and 1 or 0)
  self.running[id] = run
  if step ~= 0 then
    self:count(id, changed, function(tally)
      tally.running = tally.running + step
    end)
  end
end

---@param id string
---@param result pytest_lens.TestOutcome?
---@param changed pytest_lens.Touched
function Store:set_result(id, result, changed)
  local old = self.results[id]
  self.results[id] = result
  self:count(id, changed, function(tally)
    if old then
      tally.counts[old.outcome] = tally.counts[old.outcome] - 1
      tally.ms = tally.ms - old.durationMs
    end
    if result then
      tally.counts[result.outcome] = (tally.counts[result.outcome] or 0) + 1
      tally.ms = tally.ms + result.durationMs
    end
  end)
end

---Changes the tallies of a test and of all that it lies in.
---@param id string
---@param changed pytest_lens.Touched
---@param change fun(tally: pytest_lens.Tally)
function Store:count(id, changed, change)
  local at = id ---@type string?
  while at do
    local tally = self.tallies[at] or { counts = {}, ms = 0, running = 0, flaky = 0 }
    self.tallies[at] = tally
    change(tally)
    changed.ids[at] = true
    local item = self.items[at]
    at = item and item.parent
  end
end

---Counts what was told of a test before the test itself was into all that it lies in: the history may know it first.
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
  -- A function's cases share its line, and its sign.
  if item.range and item.kind ~= 'case' then
    self.files[item.uri] = self.files[item.uri] or {}
    self.files[item.uri][item.id] = true
    changed.moved[item.id] = true
  end
  changed.ids[item.id] = true
end

---Takes items out, with all within them.
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
  -- The innermost first: each is still found by those that it lies in, which count it out.
  for index = #left, 1, -1 do
    self:forget(left[index], changed)
  end
  -- Each list once, however many of it go.
  for parent in pairs(orphaned) do
    self.children[parent] = vim.tbl_filter(function(id)
      return self.items[id] ~= nil
    end, self.children[parent] or {})
  end
end

---@param id string
---@param changed pytest_lens.Touched
function Store:forget(id, changed)
  self:set_running(id, nil, changed)
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
  self.printed[id], self.unrun[id] = nil, nil
  table.insert(changed.gone, id)
end

---Makes the tree hold exactly these items: after notifications were missed.
---@param items pytest_lens.TestItem[] Parents before children.
---@return pytest_lens.Touched
function Store:replace(items)
  local changed = touched()
  changed.inventory = true
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

---Tests at or within an item that have a result, those that failed first, each group in the tree's order.
---@param id string
---@return pytest_lens.TestOutcome[]
function Store:results_within(id)
  local is_failure = require('pytest_lens.outcomes').is_failure
  local failed, others = {}, {}
  local left = { id }
  while #left > 0 do
    local at = table.remove(left)
    local result = self.results[at]
    if result then
      table.insert(is_failure(result.outcome) and failed or others, result)
    end
    local children = self.children[at] or {}
    for index = #children, 1, -1 do
      -- Where nothing ran there is nothing to find.
      if self.tallies[children[index]] then
        table.insert(left, children[index])
      end
    end
  end
  return vim.list_extend(failed, others)
end

---Tests that failed when they last ran, in the tree's order.
---@return pytest_lens.TestOutcome[]
function Store:failed()
  local is_failure = require('pytest_lens.outcomes').is_failure
  return vim.tbl_filter(function(result)
    return is_failure(result.outcome)
  end, self:results_within(''))
end

return M
