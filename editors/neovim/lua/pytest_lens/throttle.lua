-- Limits how often a view is redrawn while notifications stream in.

---Wraps `draw` so that it runs at once, and then at most once per interval. A call within the interval is deferred to
---its end; several such calls become one.
---@param interval integer Milliseconds.
---@param draw fun()
---@return fun()
return function(interval, draw)
  local is_waiting, is_pending = false, false
  local function run()
    if is_waiting then
      is_pending = true
      return
    end
    is_waiting, is_pending = true, false
    vim.defer_fn(function()
      is_waiting = false
      if is_pending then
        run()
      end
    end, interval)
    draw()
  end
  return run
end
