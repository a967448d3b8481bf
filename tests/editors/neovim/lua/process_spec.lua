local compat = require("midfill.compat")
local config = require("midfill.config")
local process = require("midfill.process")

--- Let Neovim's events come to a server's process in an order, and return what the user
--- is told.
local function told_after(events)
  local said, dispatchers = {}, nil
  local start_rpc, notify = compat.start_rpc, vim.notify
  compat.start_rpc = function(_, given)
    dispatchers = given
    return {}
  end
  vim.notify = function(text)
    said[#said + 1] = text
  end
  config.current = config.resolve(nil)
  process.forget_ends()
  process.spawn({ on_exit = function() end, on_error = function() end }, {
    exited = function() end,
    ended = function(code, signal, wrote_garbage)
      process.ended_by_itself(false, code, signal, wrote_garbage)
    end,
    is_wanted = function()
      return true
    end,
    stop = function() end,
  })
  events(dispatchers)
  vim.wait(1000, function()
    return #said > 0
  end, 1)
  compat.start_rpc, vim.notify = start_rpc, notify
  return table.concat(said, "\n")
end

return {
  ["garbage is reported, though the end of the process is noticed first"] = function()
    local text = told_after(function(dispatchers)
      -- Neovim 0.12 reads garbage, schedules `on_error` and ends the process at once.
      vim.schedule(function()
        dispatchers.on_error(1, "garbage")
      end)
      dispatchers.on_exit(0, 15)
    end)
    assert(not text:find("signal 15", 1, true), text)
    assert(text:find("something else than messages", 1, true), text)
  end,
  ["garbage is reported before the end of the process is noticed"] = function()
    local text = told_after(function(dispatchers)
      dispatchers.on_error(1, "garbage")
      vim.wait(20)
      dispatchers.on_exit(0, 15)
    end)
    assert(not text:find("signal 15", 1, true), text)
    assert(text:find("something else than messages", 1, true), text)
  end,
  ["an end without garbage is reported as it was"] = function()
    local text = told_after(function(dispatchers)
      dispatchers.on_exit(0, 15)
    end)
    assert(text:find("was ended by signal 15", 1, true), text)
  end,
}
