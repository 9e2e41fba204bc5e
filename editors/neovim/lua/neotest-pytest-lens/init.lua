-- An adapter for neotest: its positions are the server's tree, and what it runs, the server runs.
--
-- Position ids are paths and, behind `::`, what pytest calls a test; so they are the root and a node id.

local client = require('pytest_lens.client')
local outcomes = require('pytest_lens.outcomes')

---@type table
local adapter = { name = 'pytest-lens' }

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

---What neotest is to know of a test: the worst of its cases, with the failures at their lines.
---@param results pytest_lens.TestOutcome[]
---@return table?
local function result_of(results)
  local counts, errors, messages = {}, {}, {}
  for _, result in ipairs(results) do
    counts[result.outcome] = (counts[result.outcome] or 0) + 1
    if outcomes.is_failure(result.outcome) then
      local message = result.message or outcomes.look(result.outcome).words
      table.insert(messages, message)
      table.insert(errors, { message = message, line = result.location and result.location.range.start.line })
    end
  end
  local worst = outcomes.worst(counts)
  if worst then
    return { status = STATUS[outcomes.look(worst).icon], short = messages[1], errors = errors }
  end
end

---Results of the items that these tests are, or are cases of, by position.
---@param store pytest_lens.Store
---@param ids table<string, boolean>
---@return table<string, table>
local function results_of(store, ids)
  local found = {}
  for id in pairs(ids) do
    local item = store.items[id]
    local own = item and item.kind == 'case' and item.parent or id
    found[store.root .. '/' .. own] = result_of(store:results_within(own))
  end
  return found
end

---A run as a process of neotest's: it is stopped, waited for and read like one.
---@param lsp_client vim.lsp.Client
---@param begin fun(done: fun(answer: table?)) Starts it.
---@param context table Takes the ids of the tests that ran.
---@return table
local function process(lsp_client, begin, context)
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
      local ids = {}
      for _, outcome in ipairs(event.data.outcomes) do
        if not outcome.willRerun then
          ids[outcome.id], context.ids[outcome.id] = true, true
          table.insert(lines, ('%s %s'):format(outcome.id, outcomes.look(outcome.outcome).words))
          table.insert(lines, outcome.message)
        end
      end
      news.put_nowait(ids)
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
      return process(lsp_client, begin, context)
    end,
    stream = function(ids)
      return function()
        local told = ids()
        return told and results_of(store, told)
      end
    end,
  }
end

function adapter.results(spec)
  local store = store_of(spec.context.root)
  return store and results_of(store, spec.context.ids) or {}
end

return adapter
