-- Turns the colours of terminal output into highlights.
--
-- `nvim_open_term` is no replacement: it breaks lines at the width of the window, so that a path and its line number
-- fall apart; it drops all but the last lines; and a test that clears the screen would erase the headings.

local M = {}

---A highlighted part of a line; columns in bytes, from 0.
---@class pytest_lens.Highlight
---@field line integer
---@field from integer
---@field to integer
---@field hl string

---@class pytest_lens.Style
---@field fg? integer|string
---@field bg? integer|string
---@field bold? boolean
---@field italic? boolean
---@field underline? boolean
---@field reverse? boolean

local FLAGS = { [1] = 'bold', [3] = 'italic', [4] = 'underline', [7] = 'reverse' }
local NO_FLAGS = { [22] = 'bold', [23] = 'italic', [24] = 'underline', [27] = 'reverse' }

-- The 16 basic colours of xterm, for colour schemes that do not set `g:terminal_color_0` to 15.
local BASIC = {
  [0] = '#000000',
  '#cd0000',
  '#00cd00',
  '#cdcd00',
  '#3b78ff',
  '#cd00cd',
  '#00cdcd',
  '#e5e5e5',
  '#7f7f7f',
  '#ff5f5f',
  '#5fff5f',
  '#ffff5f',
  '#7c7cff',
  '#ff5fff',
  '#5fffff',
  '#ffffff',
}

---@param index integer 0 to 255
---@return string
local function palette(index)
  if index < 16 then
    return vim.g['terminal_color_' .. index] or BASIC[index]
  elseif index >= 232 then
    local grey = 8 + (index - 232) * 10
    return ('#%02x%02x%02x'):format(grey, grey, grey)
  end
  local function level(step)
    return step == 0 and 0 or 55 + step * 40
  end
  local cube = index - 16
  return ('#%02x%02x%02x'):format(
    level(math.floor(cube / 36)),
    level(math.floor(cube / 6) % 6),
    level(cube % 6)
  )
end

---Reads the colour that follows the codes 38 and 48.
---@param codes integer[]
---@param at integer
---@return string? colour, integer at The last code of the colour.
local function colour(codes, at)
  if codes[at + 1] == 5 and codes[at + 2] then
    return palette(codes[at + 2] % 256), at + 2
  elseif codes[at + 1] == 2 and codes[at + 4] then
    return ('#%02x%02x%02x'):format(codes[at + 2] % 256, codes[at + 3] % 256, codes[at + 4] % 256), at + 4
  end
  return nil, #codes
end

---Applies the parameters of an SGR sequence (`ESC [ ... m`).
---@param style pytest_lens.Style
---@param parameters string
---@return pytest_lens.Style
local function apply_sgr(style, parameters)
  local codes = {} ---@type integer[]
  for code in (parameters == '' and '0' or parameters):gmatch('%d+') do
    table.insert(codes, math.floor(tonumber(code) or 0))
  end
  local new = vim.deepcopy(style)
  local at = 1
  while at <= #codes do
    local code = codes[at]
    if code == 0 then
      new = {}
    elseif FLAGS[code] then
      new[FLAGS[code]] = true
    elseif NO_FLAGS[code] then
      new[NO_FLAGS[code]] = nil
    elseif code >= 30 and code <= 37 then
      new.fg = palette(code - 30)
    elseif code >= 90 and code <= 97 then
      new.fg = palette(code - 90 + 8)
    elseif code >= 40 and code <= 47 then
      new.bg = palette(code - 40)
    elseif code >= 100 and code <= 107 then
      new.bg = palette(code - 100 + 8)
    elseif code == 38 then
      new.fg, at = colour(codes, at)
    elseif code == 48 then
      new.bg, at = colour(codes, at)
    elseif code == 39 then
      new.fg = nil
    elseif code == 49 then
      new.bg = nil
    end
    at = at + 1
  end
  return new
end

---@param style pytest_lens.Style
---@return string? group Nil for plain text.
local function highlight_group(style)
  if next(style) == nil then
    return
  end
  local parts = {}
  for name, value in vim.spairs(style) do
    table.insert(parts, name .. tostring(value):gsub('#', ''))
  end
  local name = 'PytestLensAnsi_' .. table.concat(parts, '_')
  vim.api.nvim_set_hl(0, name, vim.tbl_extend('force', style, { default = true }))
  return name
end

---Splits a text into lines without escape sequences, and the highlights of those lines.
---@param text string
---@return string[] lines, pytest_lens.Highlight[] highlights
function M.parse(text)
  local lines, highlights = {}, {}
  local style = {} ---@type pytest_lens.Style
  for line in (text:gsub('\r\n', '\n') .. '\n'):gmatch('(.-)\n') do
    -- A carriage return overwrites the line, as progress bars do.
    line = line:gsub('^.*\r([^\r])', '%1'):gsub('\r', '')
    local plain, length = {}, 0
    local function add(piece)
      local hl = piece ~= '' and highlight_group(style)
      if hl then
        table.insert(highlights, { line = #lines, from = length, to = length + #piece, hl = hl })
      end
      table.insert(plain, piece)
      length = length + #piece
    end
    local at = 1
    while true do
      local from, to = line:find('\27%[[%d;:?]*%a', at)
      if not from or not to then
        break
      end
      add(line:sub(at, from - 1))
      if line:sub(to, to) == 'm' then
        style = apply_sgr(style, line:sub(from + 2, to - 1))
      end
      at = to + 1
    end
    add(line:sub(at))
    -- A line of a buffer can't hold NUL.
    table.insert(lines, (table.concat(plain):gsub('%z', '^@')))
  end
  return lines, highlights
end

return M
