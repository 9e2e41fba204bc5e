-- The adapter for neotest: positions come from the server's tree, and the server runs the tests.
--
-- The id of a position is the root of the project and the node id of a test.

local client = require('pytest_lens.client')
local dap = require('pytest_lens.dap')
local diagnostics = require('pytest_lens.diagnostics')
local notify = require('pytest_lens.notify')
local outcomes = require('pytest_lens.outcomes')
local runs = require('pytest_lens.runs')

---@type table
local adapter = { name = 'pytest-lens' }

-- The outcomes that neotest received, by client and node id.
---@type table<integer, table<string, { result: pytest_lens.TestOutcome, text: string }>>
local reported = {}

local STATUS = { passed = 'passed', failed = 'failed', skipped = 'skipped' }

---The store of the folder that contains a path.
---@param path string
---@return pytest_lens.Store?, vim.lsp.Client?
local function store_of(path)
  for _, lsp_client in ipairs(vim.lsp.get_clients({ name = 'pytest_lens' })) do
    for _, store in ipairs(client.stores(lsp_client.id)) do
      if path == store.root or vim.startswith(path, store.root .. '/') then
        return store, lsp_client
      end
    end
  end
end

---@param store pytest_lens.Store
---@param position string
---@return string? id Nil for the root.
local function node_id(store, position)
  if position ~= store.root then
    return position:sub(#store.root + 2)
  end
end

function adapter.root(dir)
  local found =
    vim.fs.root(dir, { 'pytest.toml', 'pytest.ini', 'pyproject.toml', 'tox.ini', 'setup.cfg', '.git' })
  return found
end

function adapter.filter_dir(name)
  return name ~= '__pycache__' and name ~= 'node_modules' and not vim.startswith(name, '.')
end

---Whether the server has tests in a file. Before it knows, the name of the file decides, as in pytest.
function adapter.is_test_file(path)
  local store = store_of(path)
  local id = store and node_id(store, path)
  if store and id and store.items[id] then
    return true
  end
  local name = vim.fs.basename(path)
  return name:find('^test_.*%.py$') ~= nil or name:find('_test%.py$') ~= nil
end

---Builds a tree in neotest's form: a list that starts with the position of the item.
---@param store pytest_lens.Store
---@param id string
---@param path string
---@return table
local function build_tree(store, id, path)
  local item = store.items[id]
  local range = item.range
  ---@type table
  local position = {
    id = store.root .. '/' .. id,
    name = item.label,
    type = item.kind == 'file' and 'file' or item.kind == 'class' and 'namespace' or 'test',
    path = path,
    range = { 0, 0, 0, 0 },
  }
  if range then
    position.range = { range.start.line, range.start.character, range['end'].line, range['end'].character }
  end
  local list = { position }
  for _, child in ipairs(store.children[id] or {}) do
    -- The cases of a function share its line, and its position.
    if store.items[child].kind ~= 'case' then
      local subtree = build_tree(store, child, path)
      table.insert(list, subtree)
      local last = subtree[1].range[3] ---@type integer
      position.range[3] = math.max(position.range[3], last)
    end
  end
  return list
end

function adapter.discover_positions(path)
  local store = store_of(path)
  local id = store and node_id(store, path)
  if not store or not id or not store.items[id] then
    return nil
  end
  ---@diagnostic disable-next-line: unresolved-require
  local Tree = require('neotest.types').Tree
  return Tree.from_list(build_tree(store, id, path), function(position)
    return position.id
  end)
end

---The line of a failure in a file, from 0: the line of its innermost frame in that file.
---@param result pytest_lens.TestOutcome
---@param uri string
---@return integer?
local function line_in(result, uri)
  local locations = vim.tbl_map(function(frame)
    return frame.location
  end, result.frames or {})
  table.insert(locations, result.location)
  for index = #locations, 1, -1 do
    if locations[index].uri == uri then
      return locations[index].range.start.line
    end
  end
end

---The errors of a test: one per line and message, even if several cases have it. The message of an error in another
---file names its location.
---@param store pytest_lens.Store
---@param failures pytest_lens.TestOutcome[]
---@param uri string
---@return table[]
local function errors_of(store, failures, uri)
  local found, known = {}, {} ---@type table[], table<string, table>
  for _, result in ipairs(failures) do
    local message = result.message or outcomes.display(result.outcome).text
    local innermost = result.frames and result.frames[#result.frames]
    local location = innermost and innermost.location or result.location
    if location and location.uri ~= uri then
      local full = vim.uri_to_fname(location.uri)
      local path = vim.fs.relpath(store.root, full) or full
      message = ('%s:%d: %s'):format(path, location.range.start.line + 1, message)
    end
    local line = line_in(result, uri)
    local key = ('%s %s'):format(line or '', message)
    if not known[key] then
      known[key] = { message = message, line = line }
      table.insert(found, known[key])
    end
  end
  return found
end

---Writes a text to a temporary file.
---@param text string
---@return string path
local function write_file(text)
  local path = vim.fn.tempname()
  vim.fn.writefile(vim.split(text, '\n'), path)
  return path
end

-- The output file of all tests that printed nothing.
local empty_output ---@type string?

---Writes the output of the tests of a position to a file, each under its name.
---@param client_id integer
---@param results pytest_lens.TestOutcome[]
---@return string path
local function write_output(client_id, results)
  local parts, any = {}, false
  for _, result in ipairs(results) do
    local known = (reported[client_id] or {})[result.id]
    local text = known and known.text or ''
    local title = ('%s %s'):format(result.id, outcomes.display(result.outcome).text)
    table.insert(parts, text == '' and title or title .. '\n\n' .. text)
    any = any or text ~= ''
  end
  if any then
    return write_file(table.concat(parts, '\n\n'))
  end
  empty_output = empty_output or write_file('It printed nothing.')
  return empty_output
end

---The neotest result of a test: the most severe outcome of its cases, with the errors at their lines.
---@param store pytest_lens.Store
---@param client_id integer
---@param id string
---@return table?
local function result_of(store, client_id, id)
  local results = store:results_within(id)
  local counts = {}
  for _, result in ipairs(results) do
    counts[result.outcome] = (counts[result.outcome] or 0) + 1
  end
  local worst = outcomes.worst(counts)
  if not worst then
    return nil
  end
  local failures = vim.tbl_filter(function(result)
    return outcomes.is_failure(result.outcome)
  end, results)
  local first = failures[1] or results[1]
  return {
    status = STATUS[outcomes.display(worst).icon],
    short = first and first.message,
    errors = errors_of(store, failures, vim.uri_from_fname(store.root .. '/' .. id:gsub('::.*', ''))),
    output = write_output(client_id, results),
  }
end

---The neotest results of tests by position. A case belongs to the position of its function.
---@param store pytest_lens.Store
---@param client_id integer
---@param ids table<string, boolean>
---@return table<string, table>
local function results_of(store, client_id, ids)
  local found = {}
  for id in pairs(ids) do
    local item = store.items[id]
    local own = item and item.kind == 'case' and item.parent or id
    local position = store.root .. '/' .. own
    found[position] = found[position] or result_of(store, client_id, own)
  end
  return found
end

---Whether neotest shows diagnostics.
---@return boolean
local function shows_diagnostics()
  local is_loaded, config = pcall(require, 'neotest.config')
  local diagnostic = is_loaded and config.diagnostic
  return not diagnostic or diagnostic.enabled ~= false
end

-- If neotest received all failures of a file, it shows them: the server's diagnostics would repeat them.
diagnostics.hide_failures_if(function(client_id, uri)
  local known = reported[client_id]
  if not known or not shows_diagnostics() then
    return false
  end
  for _, store in ipairs(client.stores(client_id)) do
    local file = vim.fs.relpath(store.root, vim.uri_to_fname(uri))
    for _, result in ipairs(file and store.items[file] and store:results_within(file) or {}) do
      local is_reported = known[result.id] and known[result.id].result == result
      if outcomes.is_failure(result.outcome) and not is_reported then
        return false
      end
    end
  end
  return true
end)

client.on_exit(function(client_id)
  reported[client_id] = nil
end)

---The failure and the captured output of a test as one text.
---@param outcome pytest_lens.TestOutcome
---@return string
local function text_of(outcome)
  local parts = {} ---@type string[]
  table.insert(parts, outcome.longrepr or outcome.message)
  for _, part in ipairs({
    { 'Captured stdout', outcome.stdout },
    { 'Captured stderr', outcome.stderr },
    { 'Captured log', outcome.log },
  }) do
    if part[2] and part[2] ~= '' then
      table.insert(parts, ('--- %s ---\n%s'):format(part[1], part[2]))
    end
  end
  return table.concat(parts, '\n')
end

---Records that neotest receives the outcome of a test.
---@param client_id integer
---@param store pytest_lens.Store
---@param outcome pytest_lens.TestOutcome
local function record(client_id, store, outcome)
  local result = store.results[outcome.id]
  if result then
    reported[client_id] = reported[client_id] or {}
    reported[client_id][outcome.id] = { result = result, text = text_of(outcome) }
  end
end

---Wraps a run as a process of neotest, with a result, an output and a way to stop it.
---@param lsp_client vim.lsp.Client
---@param store pytest_lens.Store
---@param start fun(done: fun(answer: table?)) Starts the run.
---@param context table Receives the ids of the tests that ran.
---@return table
local function run_as_process(lsp_client, store, start, context)
  ---@diagnostic disable-next-line: unresolved-require
  local nio = require('nio')
  local ended, updates = nio.control.event(), nio.control.queue()
  local state = { path = vim.fn.tempname(), code = 0, done = false }
  local lines = {} ---@type string[]
  local run ---@type string?
  local group = vim.api.nvim_create_augroup('pytest_lens_neotest_' .. state.path, {})
  local function finish(code)
    if not state.done then
      state.done, state.code = true, code
      vim.fn.writefile(vim.split(table.concat(lines, '\n'), '\n'), state.path)
      vim.api.nvim_del_augroup_by_id(group)
      updates.put_nowait(false)
      ended.set()
    end
  end
  ---@param event { match: string, data: table }
  local function handle(event)
    if event.match == 'PytestLensTestOutcome' then
      local ids, files = {}, {} ---@type table<string, boolean>, table<string, boolean>
      for _, outcome in ipairs(event.data.outcomes) do
        if not outcome.willRerun then
          ids[outcome.id], context.ids[outcome.id] = true, true
          table.insert(lines, ('%s %s'):format(outcome.id, outcomes.display(outcome.outcome).text))
          table.insert(lines, outcome.message)
          record(lsp_client.id, store, outcome)
          files[outcome.id:gsub('::.*', '')] = true
        end
      end
      updates.put_nowait(ids)
      for file in pairs(files) do
        diagnostics.refresh(lsp_client.id, vim.uri_from_fname(store.root .. '/' .. file))
      end
    elseif event.match == 'PytestLensRunFinished' then
      finish(event.data.status == 'passed' and 0 or 1)
    end
  end
  -- The first outcomes may arrive before the answer with the run's id.
  local early = {} ---@type table[]
  vim.api.nvim_create_autocmd('User', {
    group = group,
    pattern = { 'PytestLensTestOutcome', 'PytestLensRunFinished' },
    callback = function(event)
      if not run then
        table.insert(early, { match = event.match, data = event.data })
      elseif event.data.runId == run then
        handle({ match = event.match, data = event.data })
      end
    end,
  })
  start(function(answer)
    if not answer then
      return finish(4)
    end
    run = answer.runId
    for _, event in ipairs(early) do
      if event.data.runId == run then
        handle(event)
      end
    end
  end)
  return {
    is_complete = function()
      return state.done
    end,
    result = function()
      ended.wait()
      return state.code
    end,
    output = function()
      return state.path
    end,
    output_stream = function()
      return function()
        return updates.get() or nil
      end
    end,
    stop = function()
      client.request(lsp_client, 'pytestLens.stop', { runId = run })
    end,
    attach = function()
      require('pytest_lens.commands').run('output')
    end,
  }
end

function adapter.build_spec(args)
  local position = args.tree:data()
  local store, lsp_client = store_of(position.path)
  if not store or not lsp_client then
    notify.warn('no server is running for this file: open the file first')
    return nil
  end
  local id = node_id(store, position.id)
  local argument = { workspace = store.workspace, ids = id and { id } or nil }
  local function start(done)
    if args.strategy == 'dap' then
      dap.start(lsp_client.id, argument, done)
    else
      runs.start(lsp_client.id, 'pytestLens.run', argument, done)
    end
  end
  local context = { root = store.root, ids = {} }
  return {
    command = { 'pytest-lens' },
    context = context,
    strategy = function()
      return run_as_process(lsp_client, store, start, context)
    end,
    stream = function(ids)
      return function()
        local update = ids()
        return update and results_of(store, lsp_client.id, update)
      end
    end,
  }
end

function adapter.results(spec)
  local store, lsp_client = store_of(spec.context.root)
  return store and lsp_client and results_of(store, lsp_client.id, spec.context.ids) or {}
end

return adapter
