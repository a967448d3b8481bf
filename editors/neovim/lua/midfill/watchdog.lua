--- Notices a server that does not answer.

local compat = require("midfill.compat")
local config = require("midfill.config")
local notice = require("midfill.notice")
local status = require("midfill.status")

local M = {}

---@type uv_timer_t|nil
local running

--- Show a message once if no answer comes in time.
---@param timeout_ms integer
---@param text string
function M.watch(timeout_ms, text)
  M.stop()
  local timer = assert(compat.uv.new_timer())
  running = timer
  timer:start(
    timeout_ms,
    0,
    vim.schedule_wrap(function()
      if running == timer then
        M.stop()
        status.set({ state = "error", message = "The server does not answer" })
        notice.tell_once("hang", text)
      end
    end)
  )
end

--- Note that an answer is awaited.
function M.expects()
  M.watch(
    config.current.server.timeout_ms,
    ("the server has not answered for %g s. Start it again with :Midfill restart, or look into :Midfill log"):format(
      config.current.server.timeout_ms / 1000
    )
  )
end

--- Note that an answer came, or is awaited no longer.
function M.stop()
  local timer = running
  if timer then
    running = nil
    timer:stop()
    timer:close()
  end
end

return M
