-- Displays outcomes: their texts, icons and highlights, and the one that represents several. The server decides which
-- outcome a test has.

local config = require('pytest_lens.config')

local M = {}

---@class pytest_lens.OutcomeDisplay
---@field text string
---@field icon 'passed'|'failed'|'skipped'
---@field hl string

---@type table<pytest_lens.Outcome, pytest_lens.OutcomeDisplay>
local DISPLAYS = {
  passed = { text = 'passed', icon = 'passed', hl = 'PytestLensPassed' },
  xpassed = { text = 'passed unexpectedly', icon = 'passed', hl = 'PytestLensPassed' },
  failed = { text = 'failed', icon = 'failed', hl = 'PytestLensFailed' },
  error = { text = 'error', icon = 'failed', hl = 'PytestLensFailed' },
  timed_out = { text = 'timed out', icon = 'failed', hl = 'PytestLensFailed' },
  crashed = { text = 'crashed', icon = 'failed', hl = 'PytestLensFailed' },
  skipped = { text = 'skipped', icon = 'skipped', hl = 'PytestLensSkipped' },
  xfailed = { text = 'failed as expected', icon = 'skipped', hl = 'PytestLensSkipped' },
  not_run = { text = 'not run', icon = 'skipped', hl = 'PytestLensSkipped' },
}

-- From the most important to the least: the first that occurs represents a class, a file or a folder.
---@type pytest_lens.Outcome[]
local BY_SEVERITY = { 'crashed', 'timed_out', 'error', 'failed', 'xpassed', 'passed', 'xfailed', 'skipped' }

---@param outcome pytest_lens.Outcome
---@return pytest_lens.OutcomeDisplay
function M.display(outcome)
  return DISPLAYS[outcome] or { text = outcome, icon = 'failed', hl = 'PytestLensFailed' }
end

---Whether an outcome is a failure: also an error, a timeout or a crash.
---@param outcome pytest_lens.Outcome
---@return boolean
function M.is_failure(outcome)
  return M.display(outcome).icon == 'failed'
end

---The most severe outcome; nil if there is none.
---@param counts table<pytest_lens.Outcome, integer>
---@return pytest_lens.Outcome?
function M.worst(counts)
  for _, outcome in ipairs(BY_SEVERITY) do
    if (counts[outcome] or 0) > 0 then
      return outcome
    end
  end
end

---`failed` for a single test, `1 failed, 3 passed` for several.
---@param counts table<pytest_lens.Outcome, integer>
---@return string
function M.describe(counts)
  local parts, total = {}, 0
  for _, outcome in ipairs(BY_SEVERITY) do
    local count = counts[outcome] or 0
    if count > 0 then
      total = total + count
      table.insert(parts, ('%d %s'):format(count, M.display(outcome).text))
    end
  end
  if total == 1 then
    return (parts[1]:gsub('^1 ', ''))
  end
  return table.concat(parts, ', ')
end

---The number of failures.
---@param counts table<pytest_lens.Outcome, integer>
---@return integer
function M.failures(counts)
  local sum = 0
  for outcome, count in pairs(counts) do
    sum = sum + (M.is_failure(outcome) and count or 0)
  end
  return sum
end

---The sign and the highlight of an item's outcomes. A stale pass has those of its own: it says nothing about the present
---code.
---@param tally pytest_lens.Tally
---@return string sign
---@return string highlight
function M.sign(tally)
  local worst = M.worst(tally.counts)
  if not worst then
    return ' ', 'PytestLensHint'
  elseif tally.stale > 0 and not M.is_failure(worst) then
    return M.icon('stale'), 'PytestLensStale'
  end
  local display = M.display(worst)
  return M.icon(display.icon), display.hl
end

---`stale`, or how many of several outcomes are; nil if none is.
---@param tally pytest_lens.Tally
---@return string?
function M.staleness(tally)
  local total = 0
  for _, count in pairs(tally.counts) do
    total = total + count
  end
  -- The server may name a test whose outcome it has not sent.
  if tally.stale == 0 or total == 0 then
    return
  end
  return tally.stale >= total and 'stale' or ('%d stale'):format(tally.stale)
end

---@param name 'passed'|'failed'|'skipped'|'running'|'flaky'|'stale'
---@return string
function M.icon(name)
  return config.get().icons[name]
end

---The age of outcomes that all come from the history; nil for others.
---@param tally pytest_lens.Tally
---@return string?
function M.age(tally)
  local as_of = tally.as_of or 0
  if tally.fresh > 0 or as_of == 0 then
    return
  end
  local minutes = math.max(0, math.floor((os.time() - as_of / 1000) / 60))
  if minutes == 0 then
    return 'just now'
  end
  local count, unit = minutes, 'minute'
  if minutes >= 1440 then
    count, unit = math.floor(minutes / 1440), 'day'
  elseif minutes >= 60 then
    count, unit = math.floor(minutes / 60), 'hour'
  end
  return ('%d %s%s ago'):format(count, unit, count == 1 and '' or 's')
end

---A duration with its unit.
---@param ms number
---@return string
function M.duration(ms)
  if ms < 1 then
    return '<1 ms'
  elseif ms < 999.5 then
    return ('%.0f ms'):format(ms)
  elseif ms < 59995 then
    return ('%.2f s'):format(ms / 1000)
  end
  return ('%d min %02d s'):format(math.floor(ms / 60000), math.floor(ms % 60000 / 1000))
end

return M
