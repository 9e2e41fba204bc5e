-- An adapter for neotest: its positions are the server's tree, and what it runs, the server runs.
--
-- Position ids are paths and, behind `::`, what pytest calls a test; so they are the root and a node id.

local client = require('pytest_lens.client')
local outcomes = require('pytest_lens.outcomes')

---@type table
local adapter = { name = 'pytest-lens' }

-- What was told to neotest of each test, and where its output is, by client and node id.
---@type table<integer, table<string, { result: pytest_lens.TestOutcome, texts: string }>>
local told = {}

local STATUS = { passed = 'passed', failed = 'failed', skipped = 'skipped' }

---The store that a path lies in.
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
---@return string? id None for the root itself.
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

---A file is one of tests where the server says so, or, before it knows, where pytest would think so by its name.
function adapter.is_test_file(path)
  local store = store_of(path)
  local id = store and node_id(store, path)
  if store and id and store.items[id] then
    return true
  end
  local name = vim.fs.basename(path)
  return name:find('^test_.*%.py$') ~= nil or name:find('_test%.py$') ~= nil
end

---A tree as neotest reads it: a list that starts with its own position.
---@param store pytest_lens.Store
---@param id string
---@param path string
---@return table
local function branch(store, id, path)
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
    -- Cases share their function's line: their outcomes are told as its own.
    if store.items[child].kind ~= 'case' then
      local below = branch(store, child, path)
      table.insert(list, below)
      local last = below[1].range[3] ---@type integer
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
  return Tree.from_list(branch(store, id, path), function(position)
    return position.id
  end)
end

---The line of a failure in a file, from 0: that of its innermost frame there.
---@param result pytest_lens.TestOutcome
---@param uri string
---@return integer?
local function line_in(result, uri)
  local places = vim.tbl_map(function(frame)
    return frame.location
  end, result.frames or {})
  table.insert(places, result.location)
  for index = #places, 1, -1 do
    if places[index].uri == uri then
      return places[index].range.start.line
    end
  end
end

---The errors of a test: one for each line and message, however many of its cases end in it. What went wrong in another
---file is told at the test, with the place.
---@param store pytest_lens.Store
---@param failures pytest_lens.TestOutcome[]
---@param uri string
---@return table[]
local function errors_of(store, failures, uri)
  local found, known = {}, {} ---@type table[], table<string, table>
  for _, result in ipairs(failures) do
    local message = result.message or outcomes.look(result.outcome).words
    local innermost = result.frames and result.frames[#result.frames]
    local place = innermost and innermost.location or result.location
    if place and place.uri ~= uri then
      local path = vim.fs.relpath(store.root, vim.uri_to_fname(place.uri)) or vim.uri_to_fname(place.uri)
      message = ('%s:%d: %s'):format(path, place.range.start.line + 1, message)
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

---@param text string
---@return string path Of a file with that text.
local function file_with(text)
  local path = vim.fn.tempname()
  vim.fn.writefile(vim.split(text, '\n'), path)
  return path
end

-- The output of all tests that said nothing.
local silence ---@type string?

---A file with what the tests of a position said, each under its name.
---@param client_id integer
---@param results pytest_lens.TestOutcome[]
---@return string path
local function output_of(client_id, results)
  local parts, any = {}, false
  for _, result in ipairs(results) do
    local known = (told[client_id] or {})[result.id]
    local text = known and known.texts or ''
    local title = ('%s %s'):format(result.id, outcomes.look(result.outcome).words)
    table.insert(parts, text == '' and title or title .. '\n\n' .. text)
    any = any or text ~= ''
  end
  if any then
    return file_with(table.concat(parts, '\n\n'))
  end
  silence = silence or file_with('It printed nothing.')
  return silence
end

---What neotest is to know of a test: the worst of its cases, with the failures at their lines.
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
    status = STATUS[outcomes.look(worst).icon],
    short = first and first.message,
    errors = errors_of(store, failures, vim.uri_from_fname(store.root .. '/' .. id:gsub('::.*', ''))),
    output = output_of(client_id, results),
  }
end

---Results of the items that these tests are, or are cases of, by position.
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

---Whether neotest draws diagnostics at all.
---@return boolean
local function draws_diagnostics()
  local found, config = pcall(require, 'neotest.config')
  local diagnostic = found and config.diagnostic
  return not diagnostic or diagnostic.enabled ~= false
end

-- Where neotest was told of all failures in a file, it shows them: the server's diagnostics would say them again.
client.tell_elsewhere(function(client_id, uri)
  local known = told[client_id]
  if not known or not draws_diagnostics() then
    return false
  end
  for _, store in ipairs(client.stores(client_id)) do
    local file = vim.fs.relpath(store.root, vim.uri_to_fname(uri))
    for _, result in ipairs(file and store.items[file] and store:results_within(file) or {}) do
      local is_told = known[result.id] and known[result.id].result == result
      if outcomes.is_failure(result.outcome) and not is_told then
        return false
      end
    end
  end
  return true
end)

client.on_exit(function(client_id)
  told[client_id] = nil
end)

---All that a test said, as its output is read.
---@param outcome pytest_lens.TestOutcome
---@return string
local function texts_of(outcome)
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

---Takes note of what neotest is told of a test, so that nobody else tells it.
---@param client_id integer
---@param store pytest_lens.Store
---@param outcome pytest_lens.TestOutcome
local function note(client_id, store, outcome)
  local result = store.results[outcome.id]
  if result then
    told[client_id] = told[client_id] or {}
    told[client_id][outcome.id] = { result = result, texts = texts_of(outcome) }
  end
end

---A run as a process of neotest's: it is stopped, waited for and read like one.
---@param lsp_client vim.lsp.Client
---@param store pytest_lens.Store
---@param begin fun(done: fun(answer: table?)) Starts it.
---@param context table Takes the ids of the tests that ran.
---@return table
local function process(lsp_client, store, begin, context)
  ---@diagnostic disable-next-line: unresolved-require
  local nio = require('nio')
  local ended, news = nio.control.event(), nio.control.queue()
  local state = { path = vim.fn.tempname(), code = 0, done = false }
  local lines = {} ---@type string[]
  local run ---@type string?
  local group = vim.api.nvim_create_augroup('pytest_lens_neotest_' .. state.path, {})
  local function finish(code)
    if not state.done then
      state.done, state.code = true, code
      vim.fn.writefile(vim.split(table.concat(lines, '\n'), '\n'), state.path)
      vim.api.nvim_del_augroup_by_id(group)
      news.put_nowait(false)
      ended.set()
    end
  end
  ---@param event { match: string, data: table }
  local function take(event)
    if event.match == 'PytestLensTestOutcome' then
      local ids, files = {}, {} ---@type table<string, boolean>, table<string, boolean>
      for _, outcome in ipairs(event.data.outcomes) do
        if not outcome.willRerun then
          ids[outcome.id], context.ids[outcome.id] = true, true
          table.insert(lines, ('%s %s'):format(outcome.id, outcomes.look(outcome.outcome).words))
          table.insert(lines, outcome.message)
          note(lsp_client.id, store, outcome)
          files[outcome.id:gsub('::.*', '')] = true
        end
      end
      news.put_nowait(ids)
      for file in pairs(files) do
        client.publish_again(lsp_client.id, vim.uri_from_fname(store.root .. '/' .. file))
      end
    elseif event.match == 'PytestLensRunFinished' then
      finish(event.data.status == 'passed' and 0 or 1)
    end
  end
  -- The first outcomes may be told before the run's own number is.
  local early = {} ---@type table[]
  vim.api.nvim_create_autocmd('User', {
    group = group,
    pattern = { 'PytestLensTestOutcome', 'PytestLensRunFinished' },
    callback = function(event)
      if not run then
        table.insert(early, { match = event.match, data = event.data })
      elseif event.data.runId == run then
        take({ match = event.match, data = event.data })
      end
    end,
  })
  begin(function(answer)
    if not answer then
      return finish(4)
    end
    run = answer.runId
    for _, event in ipairs(early) do
      if event.data.runId == run then
        take(event)
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
        return news.get() or nil
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
    client.say('no server serves this file: open it first')
    return nil
  end
  local id = node_id(store, position.id)
  local argument = { workspace = store.workspace, ids = id and { id } or nil }
  local function begin(done)
    if args.strategy == 'dap' then
      require('pytest_lens.dap').start(lsp_client.id, argument, done)
    else
      require('pytest_lens.commands').start(lsp_client.id, 'pytestLens.run', argument, done)
    end
  end
  local context = { root = store.root, ids = {} }
  return {
    command = { 'pytest-lens' },
    context = context,
    strategy = function()
      return process(lsp_client, store, begin, context)
    end,
    stream = function(ids)
      return function()
        local news = ids()
        return news and results_of(store, lsp_client.id, news)
      end
    end,
  }
end

function adapter.results(spec)
  local store, lsp_client = store_of(spec.context.root)
  return store and lsp_client and results_of(store, lsp_client.id, spec.context.ids) or {}
end

return adapter
