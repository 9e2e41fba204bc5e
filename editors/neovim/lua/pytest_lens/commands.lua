-- `:Lens`: its subcommands, what they take, and their completion. `<Plug>(pytest-lens-NAME)` does the same.

local client = require('pytest_lens.client')
local config = require('pytest_lens.config')

local M = {}

---@class pytest_lens.Subcommand
---@field about string
---@field run fun(arguments: string[])
---@field takes? 'options'|'ids'|'collect' What may follow it.

-- Options of a run, as the server names them; each with what it may be completed to.
local OPTIONS = {
  workers = { '2', '4', '8' },
  maxfail = { '1' },
  keyword = {},
  marker = {},
  rerun = { 'true', 'false' },
  runDisabled = { 'true' },
  timeoutMs = { '10000' },
}

-- So many node ids are offered at most: nobody reads more.
local OFFERED = 200

---The server of the current buffer; where there is none, the user is told what to do.
---@return vim.lsp.Client?
local function server()
  local found = client.of()
  if not found then
    local text = vim.bo.filetype == 'python'
        and 'no server serves this buffer: `:checkhealth pytest_lens` says why, `:Lens restart` tries again'
      or 'no Python file of a project is open: open a test file first'
    client.say(text)
  end
  return found
end

---Writes what has changed: tests run what is on disk.
---@param lsp_client vim.lsp.Client
local function save(lsp_client)
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

---Starts a run; its progress comes by notifications.
---@param client_id integer
---@param command string
---@param argument table
---@param done? fun(answer: table?)
function M.start(client_id, command, argument, done)
  local lsp_client = vim.lsp.get_client_by_id(client_id)
  if not lsp_client then
    return client.say('the server has ended: `:Lens restart` starts it again')
  end
  save(lsp_client)
  client.request(lsp_client, command, argument, function(answer, problem)
    if problem then
      client.say(problem)
    end
    if done then
      done(answer)
    end
  end)
end

---`name=value` pairs as the server takes them, and what is left.
---@param arguments string[]
---@return table options, string[] rest
local function options_of(arguments)
  local options, rest = {}, {}
  for _, argument in ipairs(arguments) do
    local name, value = argument:match('^(%a+)=(.*)$')
    if name and OPTIONS[name] then
      local plain = { ['true'] = true, ['false'] = false }
      options[name] = plain[value]
      if options[name] == nil then
        options[name] = tonumber(value) or value
      end
    else
      table.insert(rest, argument)
    end
  end
  return options, rest
end

---The cursor's place as a command takes it.
---@return table
local function here()
  local line = vim.api.nvim_win_get_cursor(0)[1] - 1
  return {
    textDocument = vim.lsp.util.make_text_document_params(0),
    position = { line = line, character = 0 },
  }
end

---@param command string
---@return fun(arguments: string[])
local function at_cursor(command)
  return function(arguments)
    local lsp_client = server()
    if not lsp_client then
      return
    end
    local options, ids = options_of(arguments)
    local where = #ids > 0 and { ids = ids } or here()
    local argument = vim.tbl_extend('force', where, options)
    if command == 'pytestLens.debug' then
      require('pytest_lens.dap').start(lsp_client.id, argument)
    else
      M.start(lsp_client.id, command, argument)
    end
  end
end

---@param command string
---@param where fun(): table
---@return fun(arguments: string[])
local function simple(command, where)
  return function(arguments)
    local lsp_client = server()
    if lsp_client then
      M.start(lsp_client.id, command, vim.tbl_extend('force', where(), (options_of(arguments))))
    end
  end
end

local function nothing()
  return {}
end

---@param command string
---@return fun()
local function ending(command)
  return function()
    local lsp_client = server()
    if not lsp_client then
      return
    end
    client.request(lsp_client, command, {}, function(answer, problem)
      if problem or (answer and #answer.stopped == 0) then
        client.say(problem or 'no test is running', problem and vim.log.levels.WARN or vim.log.levels.INFO)
      end
    end)
  end
end

local function restart()
  local old = vim.lsp.get_clients({ name = 'pytest_lens' })
  for _, lsp_client in ipairs(old) do
    lsp_client:stop()
  end
  local ended = vim.wait(3000, function()
    return #vim.lsp.get_clients({ name = 'pytest_lens' }) == 0
  end, 20)
  for _, lsp_client in ipairs(ended and {} or old) do
    lsp_client:stop(true)
  end
  vim.lsp.enable('pytest_lens')
end

---@type table<string, pytest_lens.Subcommand>
local SUBCOMMANDS = {
  run = { about = 'the test at the cursor, or those named', takes = 'ids', run = at_cursor('pytestLens.run') },
  file = {
    about = 'all tests of the file',
    takes = 'options',
    run = simple('pytestLens.run', function()
      return { textDocument = vim.lsp.util.make_text_document_params(0) }
    end),
  },
  all = { about = 'all tests', takes = 'options', run = simple('pytestLens.run', nothing) },
  failed = {
    about = 'lists what failed in the quickfix window, and runs it again',
    run = function()
      local lsp_client = server()
      if lsp_client then
        require('pytest_lens.quickfix').rerun(lsp_client.id)
      end
    end,
  },
  last = { about = 'the last run once more', run = simple('pytestLens.runLast', nothing) },
  debug = {
    about = 'the test at the cursor under nvim-dap',
    takes = 'ids',
    run = at_cursor('pytestLens.debug'),
  },
  stop = { about = 'lets what runs finish, and starts nothing more', run = ending('pytestLens.stop') },
  kill = { about = 'ends what runs, now', run = ending('pytestLens.kill') },
  output = {
    about = 'what the test at the cursor, or the one named, said when it last ran',
    takes = 'ids',
    run = function(arguments)
      local lsp_client = server()
      if not lsp_client then
        return
      elseif arguments[1] then
        return require('pytest_lens.output').open(lsp_client.id, table.concat(arguments, ' '))
      end
      require('pytest_lens.target').output(function(found, id, workspace)
        require('pytest_lens.output').open(found.id, id, workspace)
      end)
    end,
  },
  summary = {
    about = 'opens and closes the tree of all tests',
    run = function()
      require('pytest_lens.summary').toggle()
    end,
  },
  flaky = {
    about = 'which tests are flaky, and on what evidence',
    run = function()
      local lsp_client = server()
      if lsp_client then
        require('pytest_lens.flaky').open(lsp_client)
      end
    end,
  },
  collect = {
    about = 'brings the tree up to date; `force` reads also what has not changed',
    takes = 'collect',
    run = function(arguments)
      local lsp_client = server()
      if lsp_client then
        client.request(lsp_client, 'pytestLens.collect', { force = arguments[1] == 'force' or nil })
      end
    end,
  },
  quickfix = {
    about = 'lists what failed in the quickfix window',
    run = function()
      local lsp_client = server()
      if lsp_client then
        require('pytest_lens.quickfix').fill(lsp_client.id)
      end
    end,
  },
  log = {
    about = "opens the log of Neovim's language clients, with the server's own lines",
    run = function()
      local log = vim.lsp.log and vim.lsp.log.get_filename and vim.lsp.log.get_filename()
        or vim.lsp.get_log_path()
      vim.cmd.tabedit(vim.fn.fnameescape(log))
      vim.cmd('silent! normal! G')
    end,
  },
  restart = { about = 'starts the server anew', run = restart },
}

---Does what `:Lens NAME` does.
---@param name string
---@param arguments? string[]
function M.run(name, arguments)
  local subcommand = SUBCOMMANDS[name]
  if not subcommand then
    local known = vim.tbl_keys(SUBCOMMANDS)
    table.sort(known)
    return client.say(('there is no `:Lens %s`; there are %s'):format(name, table.concat(known, ', ')))
  end
  local function act()
    subcommand.run(arguments or {})
  end
  -- What is asked for while the server starts is done when it has.
  if client.of() or not client.when_ready(vim.api.nvim_get_current_buf(), act) then
    act()
  end
end

---`:Lens` itself; alone it runs the test at the cursor.
---@param args vim.api.keyset.create_user_command.command_args
function M.execute(args)
  local arguments = vim.list_slice(args.fargs, 2)
  M.run(args.fargs[1] or 'run', arguments)
end

---@param lead string
---@return string[]
local function ids(lead)
  local found = {}
  local lsp_client = client.of()
  for _, store in ipairs(lsp_client and client.stores(lsp_client.id) or {}) do
    for id in pairs(store.items) do
      if vim.startswith(id, lead) and not id:find('%s') then
        table.insert(found, id)
      end
    end
  end
  table.sort(found)
  return vim.list_slice(found, 1, OFFERED)
end

---@param lead string
---@return string[]
local function options(lead)
  local found = {}
  for name, values in vim.spairs(OPTIONS) do
    table.insert(found, name .. '=')
    for _, value in ipairs(vim.startswith(lead, name .. '=') and values or {}) do
      table.insert(found, name .. '=' .. value)
    end
  end
  return found
end

---@param lead string
---@param line string
---@return string[]
function M.complete(lead, line)
  local words = vim.split(vim.trim(line), '%s+')
  local is_first = #words == 1 or (#words == 2 and lead ~= '')
  local candidates = {} ---@type string[]
  if is_first then
    candidates = vim.tbl_keys(SUBCOMMANDS)
    table.sort(candidates)
  else
    local takes = SUBCOMMANDS[words[2]] and SUBCOMMANDS[words[2]].takes
    if takes == 'ids' then
      candidates = vim.list_extend(ids(lead), words[2] == 'output' and {} or options(lead))
    elseif takes == 'options' then
      candidates = options(lead)
    elseif takes == 'collect' then
      candidates = { 'force' }
    end
  end
  return vim.tbl_filter(function(candidate)
    return vim.startswith(candidate, lead)
  end, candidates)
end

---The subcommands with what each does, for those who list them.
---@return table<string, string>
function M.about()
  local about = {}
  for name, subcommand in pairs(SUBCOMMANDS) do
    about[name] = subcommand.about
  end
  return about
end

return M
