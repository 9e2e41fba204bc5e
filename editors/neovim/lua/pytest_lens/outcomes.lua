-- How outcomes are shown: their words, icons and highlights, and which of several one sign stands for.
-- What an outcome is was decided by the server.

local config = require('pytest_lens.config')

local M = {}

---@class pytest_lens.Look
---@field words string
---@field icon 'passed'|'failed'|'skipped'
---@field hl string

---@type table<string, pytest_lens.Look>
local LOOKS = {
  passed = { words = 'passed', icon = 'passed', hl = 'PytestLensPassed' },
  xpassed = { words = 'passed unexpectedly', icon = 'passed', hl = 'PytestLensPassed' },
  failed = { words = 'failed', icon = 'failed', hl = 'PytestLensFailed' },
  error = { words = 'error', icon = 'failed', hl = 'PytestLensFailed' },
  timed_out = { words = 'timed out', icon = 'failed', hl = 'PytestLensFailed' },
  crashed = { words = 'crashed', icon = 'failed', hl = 'PytestLensFailed' },
  skipped = { words = 'skipped', icon = 'skipped', hl = 'PytestLensSkipped' },
  xfailed = { words = 'failed as expected', icon = 'skipped', hl = 'PytestLensSkipped' },
  not_run = { words = 'not run', icon = 'skipped', hl = 'PytestLensSkipped' },
}

-- The first of these that is there is what a reader wants to know of many.
local ORDER = { 'crashed', 'timed_out', 'error', 'failed', 'xpassed', 'passed', 'xfailed', 'skipped' }

---@param outcome string
---@return pytest_lens.Look
function M.look(outcome)
  return LOOKS[outcome] or { words = outcome, icon = 'failed', hl = 'PytestLensFailed' }
end

---Whether the outcome says that something is broken.
---@param outcome string
---@return boolean
function M.is_failure(outcome)
  return M.look(outcome).icon == 'failed'
end

---The outcome that stands for several; none where there is none.
---@param counts table<string, integer>
---@return string?
function M.worst(counts)
  for _, outcome in ipairs(ORDER) do
    if (counts[outcome] or 0) > 0 then
      return outcome
    end
  end
end

---`failed`, or of many `1 failed, 3 passed`.
---@param counts table<string, integer>
---@return string
function M.text(counts)
  local parts, total = {}, 0
  for _, outcome in ipairs(ORDER) do
    local count = counts[outcome] or 0
    if count > 0 then
      total = total + count
      table.insert(parts, ('%d %s'):format(count, M.look(outcome).words))
    end
  end
  if total == 1 then
    return (parts[1]:gsub('^1 ', ''))
  end
  return table.concat(parts, ', ')
end

---How many of them failed.
---@param counts table<string, integer>
---@return integer
function M.failures(counts)
  local sum = 0
  for outcome, count in pairs(counts) do
    sum = sum + (M.is_failure(outcome) and count or 0)
  end
  return sum
end

---@param name 'passed'|'failed'|'skipped'|'running'|'flaky'
---@return string
function M.icon(name)
  return config.get().icons[name]
end

---A duration for a reader.
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
