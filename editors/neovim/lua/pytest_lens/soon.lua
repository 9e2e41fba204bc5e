-- Drawing that keeps up with a stream: the first time at once, then no more often than every so many milliseconds.

---@param interval integer
---@param draw fun()
---@return fun() Asks for a drawing.
return function(interval, draw)
  local resting, wanted = false, false
  local function run()
    if resting then
      wanted = true
      return
    end
    resting, wanted = true, false
    vim.defer_fn(function()
      resting = false
      if wanted then
        run()
      end
    end, interval)
    draw()
  end
  return run
end
