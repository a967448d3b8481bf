--- The server's process: how it is started, and whether it is started again.

local compat = require("midfill.compat")
local config = require("midfill.config")
local logfile = require("midfill.logfile")
local notice = require("midfill.notice")
local status = require("midfill.status")

local M = {}

local RESTART_WINDOW_MS = 180000

---@type integer[]
local ends_ms = {}

---@class midfill.ProcessHandlers
---@field exited fun() It has ended; called at once, also while Neovim waits.
---@field ended fun(code: integer, signal: integer, wrote_garbage: boolean) It has ended; called when all is possible.
---@field is_wanted fun(): boolean Whether its end was not asked for.
---@field stop fun() Stop it without asking it to shut down.

local function tell_of_garbage()
  status.set({ state = "error", message = "The server writes no messages" })
  notice.tell_once(
    "garbage",
    "the server writes something else than messages to its output, and was stopped. "
      .. "Check server.command with :checkhealth midfill, then :Midfill restart"
  )
end

--- Start the server's process, with its end and its errors reported by us alone: Neovim's own
--- messages name neither a reason nor a remedy.
---@param dispatchers table
---@param handlers midfill.ProcessHandlers
---@return table rpc
function M.spawn(dispatchers, handlers)
  local finished, wrote_garbage = false, false
  local wrapped = vim.tbl_extend("force", dispatchers, {
    on_exit = function(code, signal)
      finished = true
      handlers.exited()
      vim.schedule(function()
        handlers.ended(code, signal, wrote_garbage)
      end)
      dispatchers.on_exit(0, 0)
    end,
    on_error = function(_, _)
      -- Neovim 0.12 ends the process by itself, and its end may be noticed before what is
      -- scheduled here.
      wrote_garbage = true
      vim.schedule(function()
        if finished or not handlers.is_wanted() then
          return
        end
        tell_of_garbage()
        handlers.stop()
      end)
    end,
  })
  local argv = logfile.redirect(config.current.server.command)
  return compat.start_rpc(argv, wrapped, config.current.server.environment)
end

---@return boolean
local function may_restart()
  local now = compat.uv.now()
  ends_ms[#ends_ms + 1] = now
  local recent = vim.tbl_filter(function(ended)
    return now - ended < RESTART_WINDOW_MS
  end, ends_ms)
  ends_ms = recent
  return #recent <= config.current.server.max_restarts
end

--- Tell that the server ended by itself, and whether it is to be started again.
---@param was_ready boolean
---@param code integer
---@param signal integer
---@param wrote_garbage boolean Whether it wrote something else than messages before.
---@return boolean restart
function M.ended_by_itself(was_ready, code, signal, wrote_garbage)
  if wrote_garbage then
    tell_of_garbage()
    return false
  end
  local how = signal ~= 0 and ("was ended by signal %d"):format(signal)
    or ("ended with status %d"):format(code)
  if was_ready and may_restart() then
    notice.tell_once("ended", ("the server %s and is started again"):format(how))
    return true
  end
  status.set({ state = "error", message = ("The server %s"):format(how) })
  notice.tell_once(
    "gone",
    ("the server %s. See why with :Midfill log or :checkhealth midfill, then :Midfill restart"):format(
      how
    )
  )
  return false
end

--- Forget how often it ended and which messages were shown.
function M.forget_ends()
  for _, kind in ipairs({
    "ended",
    "gone",
    "garbage",
    "hang",
    "missing",
    "unfit",
    "spawn",
    "version",
  }) do
    notice.forget(kind)
  end
  ends_ms = {}
end

return M
