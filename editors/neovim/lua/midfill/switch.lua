--- Where completions are on: everywhere, per filetype, per buffer, and snoozed for a while.

local compat = require("midfill.compat")
local config = require("midfill.config")
local notice = require("midfill.notice")

local M = {}

---@class midfill.Switches
---@field global boolean
---@field filetypes table<string, boolean> What was switched since the start, by filetype.
---@field buffers table<integer, boolean> What was switched, by buffer.
---@field snooze_ends_ms integer|nil When the snooze ends, in the time of `uv.now`.
---@field snooze_timer uv_timer_t|nil

---@type midfill.Switches
local switches = { global = true, filetypes = {}, buffers = {} }

--- Take the settings' switches.
function M.reset()
  M.end_snooze()
  switches.global = config.current.enabled
  switches.filetypes = {}
  switches.buffers = {}
end

---@param filetype string
---@return boolean
local function filetype_is_on(filetype)
  local switched = switches.filetypes[filetype]
  if switched ~= nil then
    return switched
  end
  local set = config.current.filetypes[filetype]
  if set ~= nil then
    return set
  end
  return config.current.filetypes["*"] == true
end

--- Return how many minutes of snooze are left; nil when awake.
---@return integer|nil
function M.snooze_minutes()
  if not switches.snooze_ends_ms then
    return nil
  end
  return math.max(1, math.ceil((switches.snooze_ends_ms - compat.uv.now()) / 60000))
end

--- Say why completions are off in a buffer; nil where they are on.
---@param buf integer
---@return string|nil
function M.why_off(buf)
  if not switches.global then
    return "switched off"
  elseif switches.snooze_ends_ms then
    return ("snoozed for %d min"):format(M.snooze_minutes())
  elseif switches.buffers[buf] ~= nil then
    return not switches.buffers[buf] and "switched off for this buffer" or nil
  elseif not filetype_is_on(vim.bo[buf].filetype) then
    return ("switched off for %s"):format(
      vim.bo[buf].filetype == "" and "files without a filetype" or vim.bo[buf].filetype
    )
  end
  return nil
end

--- Tell whether a buffer's language is on, or the buffer itself was switched on.
---@param buf integer
---@return boolean
function M.language_is_on(buf)
  local switched = switches.buffers[buf]
  if switched ~= nil then
    return switched
  end
  return filetype_is_on(vim.bo[buf].filetype)
end

--- Tell whether completions are on in a buffer.
---@param buf integer
---@return boolean
function M.is_on(buf)
  return M.why_off(buf) == nil
end

---@alias midfill.Scope "global"|"language"|"buffer"

--- Switch completions on or off.
---@param scope midfill.Scope
---@param buf integer
---@param on boolean|nil Toggle if nil.
---@return boolean on What it is now.
function M.set(scope, buf, on)
  local filetype = vim.bo[buf].filetype
  if scope == "global" then
    if on == nil then
      on = not switches.global
    end
    switches.global = on
  elseif scope == "language" then
    if on == nil then
      on = not filetype_is_on(filetype)
    end
    switches.filetypes[filetype] = on
  else
    if on == nil then
      on = switches.buffers[buf] == false
        or (switches.buffers[buf] == nil and not filetype_is_on(filetype))
    end
    switches.buffers[buf] = on
  end
  notice.announce("Switched", { scope = scope, on = on })
  return on
end

--- Forget a buffer that is gone.
---@param buf integer
function M.forget_buffer(buf)
  switches.buffers[buf] = nil
end

--- Offer nothing for some minutes.
---@param minutes number
---@param on_end fun() Called when they are over.
function M.snooze(minutes, on_end)
  M.end_snooze()
  local length_ms = math.floor(minutes * 60000)
  switches.snooze_ends_ms = compat.uv.now() + length_ms
  switches.snooze_timer = assert(compat.uv.new_timer())
  local function over()
    M.end_snooze()
    on_end()
  end
  switches.snooze_timer:start(length_ms, 0, vim.schedule_wrap(over))
  notice.announce("Switched", { scope = "snooze", on = false })
end

--- Offer completions again.
function M.end_snooze()
  if switches.snooze_timer then
    switches.snooze_timer:stop()
    switches.snooze_timer:close()
    switches.snooze_timer = nil
    switches.snooze_ends_ms = nil
    notice.announce("Switched", { scope = "snooze", on = true })
  end
end

return M
