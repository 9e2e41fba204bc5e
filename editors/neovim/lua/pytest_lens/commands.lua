-- The command `:Lens`: its subcommands, their arguments and their completion. `<Plug>(pytest-lens-NAME)` runs the same.

local client = require('pytest_lens.client')
local coverage = require('pytest_lens.coverage')
local cursor = require('pytest_lens.cursor')
local dap = require('pytest_lens.dap')
local flaky = require('pytest_lens.flaky')
local notify = require('pytest_lens.notify')
local output = require('pytest_lens.output')
local quickfix = require('pytest_lens.quickfix')
local runs = require('pytest_lens.runs')
local servers = require('pytest_lens.servers')
local summary = require('pytest_lens.summary')

-- A command may start a server itself: the views listen before its first notification.
require('pytest_lens.listeners')

local M = {}

---@class pytest_lens.Subcommand
---@field run fun(arguments: string[])
---@field arguments? 'options'|'ids'|'collect'|'coverage' Which arguments it takes.

---An option of a run.
---@class pytest_lens.RunOption
---@field type 'number'|'boolean'|'string'
---@field completions string[]

-- Options of a run, by the server's names.
---@type table<string, pytest_lens.RunOption>
local OPTIONS = {
  workers = { type = 'number', completions = { '2', '4', '8' } },
  maxfail = { type = 'number', completions = { '1' } },
  keyword = { type = 'string', completions = {} },
  marker = { type = 'string', completions = {} },
  rerun = { type = 'boolean', completions = { 'true', 'false' } },
  runDisabled = { type = 'boolean', completions = { 'true', 'false' } },
  timeoutMs = { type = 'number', completions = { '10000' } },
  coverage = { type = 'boolean', completions = { 'true', 'false' } },
}

-- How many node ids the completion offers.
local MAX_COMPLETIONS = 200

---The server of the current buffer. If there is none, shows the user a way out.
---@return vim.lsp.Client?
local function require_server()
  local lsp_client = servers.of()
  if lsp_client then
    return lsp_client
  end
  local bufnr = vim.api.nvim_get_current_buf()
  local root = servers.root_of(bufnr)
  if root and servers.has_exited(root) then
    notify.warn(('the server of %s has ended: `:Lens restart` starts it again'):format(vim.fs.basename(root)))
  elseif vim.b[bufnr].pytest_lens_client then
    notify.warn('the server of this window has ended: `:Lens restart` starts it again')
  elseif vim.bo.filetype == 'python' then
    notify.warn(
      root
          and 'no server is attached to this buffer: `:checkhealth pytest_lens` shows why, `:Lens restart` tries again'
        or 'this file belongs to no project: add a pytest.ini or pyproject.toml, or create a git repository'
    )
  else
    notify.warn('no Python file of a project is open: open a test file first')
  end
end

---Parses the value of an option; nil if it is invalid.
---@param option pytest_lens.RunOption
---@param text string
---@return number|boolean|string?
local function parse_value(option, text)
  if option.type == 'boolean' then
    return ({ ['true'] = true, ['false'] = false })[text]
  elseif option.type == 'number' then
    local number = tonumber(text)
    return number and number >= 0 and number % 1 == 0 and number or nil
  end
  return text
end

---Splits arguments into the `name=value` options of a run and node ids. Reports an invalid argument to the user, and
---returns nil.
---@param arguments string[]
---@param takes_ids boolean? Whether node ids may occur.
---@return table? options, string[] ids
local function parse(arguments, takes_ids)
  local options, ids = {}, {}
  for _, argument in ipairs(arguments) do
    local name, text = argument:match('^(%a+)=(.*)$')
    local option = name and OPTIONS[name]
    if option then
      options[name] = parse_value(option, text or '')
      if options[name] == nil then
        local kind = option.type == 'number' and 'a whole number' or '`true` or `false`'
        notify.warn(('`%s` takes %s, not %q'):format(name, kind, text))
        return nil, {}
      end
    elseif name or not takes_ids then
      local known = vim.tbl_keys(OPTIONS)
      table.sort(known)
      local message = '%q is no option of a run: those are %s; a blank in a value is written `\\ `'
      notify.warn(message:format(argument, table.concat(known, ', ')))
      return nil, {}
    else
      table.insert(ids, argument)
    end
  end
  return options, ids
end

---The position of the cursor, as the argument of a command.
---@return table
local function cursor_position()
  local line = vim.api.nvim_win_get_cursor(0)[1] - 1
  return {
    textDocument = vim.lsp.util.make_text_document_params(0),
    position = { line = line, character = 0 },
  }
end

---A subcommand that runs the test at the cursor, or those with the given ids.
---@param start fun(client_id: integer, argument: table)
---@return fun(arguments: string[])
local function run_at_cursor(start)
  return function(arguments)
    local lsp_client = require_server()
    if not lsp_client then
      return
    end
    local options, ids = parse(arguments, true)
    if options then
      local tests = #ids > 0 and { ids = ids } or cursor_position()
      start(lsp_client.id, vim.tbl_extend('force', tests, options))
    end
  end
end

---A subcommand that runs a fixed selection of tests.
---@param command string
---@param tests fun(): table The selection, as an argument of the command.
---@return fun(arguments: string[])
local function run_selection(command, tests)
  return function(arguments)
    local lsp_client = require_server()
    local options = lsp_client and parse(arguments)
    if lsp_client and options then
      runs.start(lsp_client.id, command, vim.tbl_extend('force', tests(), options))
    end
  end
end

---@return table
local function no_selection()
  return {}
end

---A subcommand that needs the server and takes no options of a run.
---@param action fun(lsp_client: vim.lsp.Client, arguments: string[])
---@return fun(arguments: string[])
local function with_server(action)
  return function(arguments)
    local lsp_client = require_server()
    if lsp_client then
      action(lsp_client, arguments)
    end
  end
end

local function restart()
  local old = vim.lsp.get_clients({ name = 'pytest_lens' })
  for _, lsp_client in ipairs(old) do
    lsp_client:stop()
  end
  local all_exited = vim.wait(3000, function()
    return #vim.lsp.get_clients({ name = 'pytest_lens' }) == 0
  end, 20)
  for _, lsp_client in ipairs(all_exited and {} or old) do
    lsp_client:stop(true)
  end
  servers.restarting()
  vim.lsp.enable('pytest_lens')
end

---@type table<string, pytest_lens.Subcommand>
local SUBCOMMANDS = {
  run = {
    arguments = 'ids',
    run = run_at_cursor(function(client_id, argument)
      runs.start(client_id, 'pytestLens.run', argument)
    end),
  },
  debug = { arguments = 'ids', run = run_at_cursor(dap.start) },
  file = {
    arguments = 'options',
    run = run_selection('pytestLens.run', function()
      return { textDocument = vim.lsp.util.make_text_document_params(0) }
    end),
  },
  all = { arguments = 'options', run = run_selection('pytestLens.run', no_selection) },
  last = { run = run_selection('pytestLens.runLast', no_selection) },
  failed = {
    run = with_server(function(lsp_client)
      quickfix.rerun(lsp_client.id)
    end),
  },
  stop = {
    run = with_server(function(lsp_client)
      runs.stop(lsp_client.id)
    end),
  },
  kill = {
    run = with_server(function(lsp_client)
      runs.kill(lsp_client.id)
    end),
  },
  output = {
    arguments = 'ids',
    run = with_server(function(lsp_client, arguments)
      if arguments[1] then
        return output.open(lsp_client.id, table.concat(arguments, ' '))
      end
      cursor.test_with_output(function(found, id, workspace)
        output.open(found.id, id, workspace)
      end)
    end),
  },
  summary = { run = summary.toggle },
  flaky = { run = with_server(flaky.open) },
  coverage = {
    arguments = 'coverage',
    run = function(arguments)
      if #arguments == 1 and (arguments[1] == 'list' or arguments[1] == 'clear') then
        return coverage[arguments[1]]()
      end
      local lsp_client = require_server()
      local options, ids = parse(arguments, true)
      if lsp_client and options then
        local tests = #ids > 0 and { ids = ids } or {}
        local argument = vim.tbl_extend('force', { coverage = true }, tests, options)
        runs.start(lsp_client.id, 'pytestLens.run', argument)
      end
    end,
  },
  collect = {
    arguments = 'collect',
    run = with_server(function(lsp_client, arguments)
      client.request(lsp_client, 'pytestLens.collect', { force = arguments[1] == 'force' or nil })
    end),
  },
  quickfix = {
    run = with_server(function(lsp_client)
      quickfix.fill(lsp_client.id)
    end),
  },
  log = {
    run = function()
      local log = vim.lsp.log and vim.lsp.log.get_filename and vim.lsp.log.get_filename()
        or vim.lsp.get_log_path()
      vim.cmd.tabedit(vim.fn.fnameescape(log))
      vim.cmd('silent! normal! G')
    end,
  },
  restart = { run = restart },
}

---Executes `:Lens {name} {arguments}`.
---@param name string
---@param arguments? string[]
function M.run(name, arguments)
  local subcommand = SUBCOMMANDS[name]
  if not subcommand then
    local known = vim.tbl_keys(SUBCOMMANDS)
    table.sort(known)
    return notify.warn(('there is no `:Lens %s`; there are %s'):format(name, table.concat(known, ', ')))
  end
  local kind, first = subcommand.arguments, arguments and arguments[1]
  if first and (not kind or (kind == 'collect' and first ~= 'force')) then
    local may = kind and 'only `force` may follow' or 'nothing follows'
    return notify.warn(('`:Lens %s %s`: %s `:Lens %s`'):format(name, first, may, name))
  end
  local function execute()
    subcommand.run(arguments or {})
  end
  -- While the server starts, the command waits for it.
  if servers.of() or not servers.when_ready(vim.api.nvim_get_current_buf(), execute) then
    execute()
  end
end

---Executes `:Lens`; without arguments it runs the test at the cursor.
---@param args vim.api.keyset.create_user_command.command_args
function M.execute(args)
  local arguments = vim.list_slice(args.fargs, 2)
  M.run(args.fargs[1] or 'run', arguments)
end

---@param lead string
---@return string[]
local function complete_ids(lead)
  local found = {}
  local lsp_client = servers.of()
  for _, store in ipairs(lsp_client and client.stores(lsp_client.id) or {}) do
    for id in pairs(store.items) do
      if vim.startswith(id, lead) and not id:find('%s') then
        table.insert(found, id)
      end
    end
  end
  table.sort(found)
  return vim.list_slice(found, 1, MAX_COMPLETIONS)
end

---@param lead string
---@return string[]
local function complete_options(lead)
  local found = {}
  for name, option in vim.spairs(OPTIONS) do
    table.insert(found, name .. '=')
    for _, value in ipairs(vim.startswith(lead, name .. '=') and option.completions or {}) do
      table.insert(found, name .. '=' .. value)
    end
  end
  return found
end

---Completes the command line.
---@param lead string The word to complete.
---@param line string The command line up to the cursor.
---@return string[]
function M.complete(lead, line)
  local words = vim.split(vim.trim(line), '%s+')
  local is_first = #words == 1 or (#words == 2 and lead ~= '')
  local candidates = {} ---@type string[]
  if is_first then
    candidates = vim.tbl_keys(SUBCOMMANDS)
    table.sort(candidates)
  else
    local kind = SUBCOMMANDS[words[2]] and SUBCOMMANDS[words[2]].arguments
    if kind == 'ids' then
      candidates = vim.list_extend(complete_ids(lead), words[2] == 'output' and {} or complete_options(lead))
    elseif kind == 'options' then
      candidates = complete_options(lead)
    elseif kind == 'coverage' then
      local tests = vim.list_extend(complete_ids(lead), complete_options(lead))
      candidates = vim.list_extend({ 'clear', 'list' }, tests)
    elseif kind == 'collect' then
      candidates = { 'force' }
    end
  end
  return vim.tbl_filter(function(candidate)
    return vim.startswith(candidate, lead)
  end, candidates)
end

return M
