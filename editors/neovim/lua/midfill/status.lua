--- What the server says of itself, and the statusline made of it.

local notice = require("midfill.notice")
local switch = require("midfill.switch")

local M = {}

---@class midfill.Status
---@field state "stopped"|"starting"|"loading"|"ready"|"busy"|"off"|"error"|"restarting"
---@field message string|nil One short sentence.
---@field percent integer|nil
---@field model string|nil
---@field device string|nil
---@field reason string|nil
---@field uri string|nil The document that `off` is about.
---@field remedy string|nil
---@field restarts integer|nil
---@field debounceMs integer|nil How long an overloaded server has its clients wait.

---@type midfill.Status
local current = { state = "stopped" }

---@type table<string, string>
local off_documents = {}

local can_complete = { ready = true, busy = true, off = true, starting = false }

--- Return the last status.
---@return midfill.Status
function M.get()
  return current
end

--- Take a new status.
---@param status midfill.Status
function M.set(status)
  if status.state == "off" and status.uri then
    off_documents[status.uri] = status.reason or status.message or "off"
  else
    current = vim.tbl_extend("keep", status, { model = current.model, device = current.device })
  end
  if status.state == "ready" or status.state == "busy" then
    off_documents = {}
  end
  notice.announce("Status", { state = status.state })
  vim.cmd("redrawstatus")
end

--- Return how long to wait after a key: longer where the server has too much to do.
---@param configured integer In milliseconds.
---@return integer
function M.debounce_ms(configured)
  return math.max(configured, current.debounceMs or 0)
end

--- Tell whether the server would answer a request.
---@return boolean
function M.can_complete()
  return can_complete[current.state] == true
end

--- Return the statusline's text for a buffer: empty where Midfill has nothing to do.
---@param buf integer
---@param attached boolean
---@return string
function M.statusline(buf, attached)
  if not attached then
    return ""
  end
  local state = current.state
  if state == "error" or state == "stopped" then
    return "Midfill: " .. state
  elseif state == "loading" or state == "restarting" or state == "starting" then
    return current.percent and ("Midfill %d%%%%"):format(current.percent) or "Midfill …"
  end
  local minutes = switch.snooze_minutes()
  if minutes then
    return ("Midfill: snoozed %d min"):format(minutes)
  elseif not switch.is_on(buf) or off_documents[vim.uri_from_bufnr(buf)] then
    return "Midfill: off"
  end
  return state == "busy" and "Midfill *" or "Midfill"
end

--- Say in whole sentences how it is.
---@param buf integer
---@param attached boolean
---@return string[]
function M.describe(buf, attached)
  local lines = { ("Server: %s"):format(current.message or current.state) }
  if current.model then
    lines[#lines + 1] = ("Model: %s on %s"):format(current.model, current.device or "?")
  end
  if (current.restarts or 0) > 0 then
    lines[#lines + 1] = ("The engine was restarted %d time(s)."):format(current.restarts)
  end
  if current.remedy then
    lines[#lines + 1] = current.remedy
  end
  local why = switch.why_off(buf) or off_documents[vim.uri_from_bufnr(buf)]
  if not attached then
    lines[#lines + 1] = "This buffer: not attached (unnamed, not an ordinary file, or off)"
  else
    lines[#lines + 1] = why and ("This buffer: %s"):format(why) or "This buffer: on"
  end
  return lines
end

return M
