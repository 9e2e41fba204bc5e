-- `:Lens`: its subcommands, what they take, and their completion. `<Plug>(pytest-lens-NAME)` does the same.

local client = require('pytest_lens.client')
local config = require('pytest_lens.config')

local M = {}

---@class pytest_lens.Subcommand
---@field about string
---@field run fun(arguments: string[])
---@field takes? 'options'|'ids'|'collect'|'coverage' What may follow it.

---An option of a run.
---@class pytest_lens.RunOption
---@field takes 'number'|'boolean'|'text'
---@field offers string[] What it may be completed to.

-- Options of a run, as the server names them.
---@type table<string, pytest_lens.RunOption>
local OPTIONS = {
  workers = { takes = 'number', offers = { '2', '4', '8' } },
  maxfail = { takes = 'number', offers = { '1' } },
  keyword = { takes = 'text', offers = {} },
  marker = { takes = 'text', offers = {} },
  rerun = { takes = 'boolean', offers = { 'true', 'false' } },
  runDisabled = { takes = 'boolean', offers = { 'true', 'false' } },
  timeoutMs = { takes = 'number', offers = { '10000' } },
  coverage = { takes = 'boolean', offers = { 'true', 'false' } },
}

-- So many node ids are offered at most: nobody reads more.
local OFFERED = 200

---The server of the current buffer; where there is none, the user is told what to do.
---@return vim.lsp.Client?
local function server()
  local found = client.of()
  if found then
    return found
  end
  local bufnr = vim.api.nvim_get_current_buf()
  local root = client.root_of(bufnr)
  if root and client.has_ended(root) then
    client.say(('the server of %s has ended: `:Lens restart` starts it again'):format(vim.fs.basename(root)))
  elseif vim.b[bufnr].pytest_lens_client then
    client.say('the server of this window has ended: `:Lens restart` starts it again')
  elseif vim.bo.filetype == 'python' then
    client.say(
      root
          and 'no server serves this buffer: `:checkhealth pytest_lens` says why, `:Lens restart` tries again'
        or 'this file lies in no project: a folder with pytest.ini or pyproject.toml, or a git repository, is one'
    )
  else
    client.say('no Python file of a project is open: open a test file first')
  end
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

---What an option's text means; nothing where it means nothing.
---@param option pytest_lens.RunOption
---@param text string
---@return number|boolean|string?
local function value_of(option, text)
  if option.takes == 'boolean' then
    return ({ ['true'] = true, ['false'] = false })[text]
  elseif option.takes == 'number' then
    local number = tonumber(text)
    return number and number >= 0 and number % 1 == 0 and number or nil
  end
  return text
end

---`name=value` pairs as the server takes them, and what is left. Says what is wrong with them, and returns nothing.
---@param arguments string[]
---@param takes_ids boolean? Whether there may be something left.
---@return table? options, string[] rest
local function options_of(arguments, takes_ids)
  local options, rest = {}, {}
  for _, argument in ipairs(arguments) do
    local name, text = argument:match('^(%a+)=(.*)$')
    local option = name and OPTIONS[name]
    if option then
      options[name] = value_of(option, text or '')
      if options[name] == nil then
        local kind = option.takes == 'number' and 'a whole number' or '`true` or `false`'
        client.say(('`%s` takes %s, not %q'):format(name, kind, text))
        return nil, {}
      end
    elseif name or not takes_ids then
      local known = vim.tbl_keys(OPTIONS)
      table.sort(known)
      local text_of = '%q is no option of a run: those are %s; a blank in a value is written `\\ `'
      client.say(text_of:format(argument, table.concat(known, ', ')))
      return nil, {}
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
    local options, ids = options_of(arguments, true)
    if not options then
      return
    end
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
    local options = lsp_client and options_of(arguments)
    if lsp_client and options then
      M.start(lsp_client.id, command, vim.tbl_extend('force', where(), options))
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
      if problem then
        client.say(problem)
      elseif answer and #answer.stopped == 0 then
        client.say('no test is running', vim.log.levels.INFO)
      elseif answer and command == 'pytestLens.stop' then
        require('pytest_lens.runs').stopped(lsp_client.id, answer.stopped)
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
  client.begin_anew()
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
  coverage = {
    about = 'runs all tests, or those named, and marks the lines that ran; `list` and `clear`',
    takes = 'coverage',
    run = function(arguments)
      local coverage = require('pytest_lens.coverage')
      if #arguments == 1 and (arguments[1] == 'list' or arguments[1] == 'clear') then
        return coverage[arguments[1]]()
      end
      local lsp_client = server()
      local options, ids = options_of(arguments, true)
      if lsp_client and options then
        local where = #ids > 0 and { ids = ids } or {}
        local argument = vim.tbl_extend('force', { coverage = true }, where, options)
        M.start(lsp_client.id, 'pytestLens.run', argument)
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
  local takes, first = subcommand.takes, arguments and arguments[1]
  if first and (not takes or (takes == 'collect' and first ~= 'force')) then
    local may = takes and 'only `force` may follow' or 'nothing follows'
    return client.say(('`:Lens %s %s`: %s `:Lens %s`'):format(name, first, may, name))
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
  for name, option in vim.spairs(OPTIONS) do
    table.insert(found, name .. '=')
    for _, value in ipairs(vim.startswith(lead, name .. '=') and option.offers or {}) do
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
    elseif takes == 'coverage' then
      candidates = vim.list_extend({ 'clear', 'list' }, vim.list_extend(ids(lead), options(lead)))
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
