--- Follows the keys: moves or clears what is shown, and asks for what comes next.

local compat = require("midfill.compat")
local config = require("midfill.config")
local cursor = require("midfill.cursor")
local notice = require("midfill.notice")
local request = require("midfill.request")
local server = require("midfill.server")
local shown = require("midfill.shown")
local status = require("midfill.status")

local M = {}

---@class midfill.Session
---@field seen { buf: integer, tick: integer, row: integer, column: integer, menu: boolean }|nil
---@field waiting integer Counts the delays, so that an outdated one ends without a request.
---@field timer uv_timer_t|nil

---@type midfill.Session
local session = { waiting = 0 }

--- Cancel the request in flight, and the one that waits to be sent.
local function cancel()
  session.waiting = session.waiting + 1
  if session.timer then
    session.timer:stop()
  end
  request.cancel()
end

---@param buf integer
local function ask_if_wanted(buf)
  if vim.api.nvim_get_current_buf() == buf and shown.may_show(buf) and status.can_complete() then
    cancel()
    request.ask(buf)
  end
end

---@param buf integer
---@param delay_ms integer
local function ask_soon(buf, delay_ms)
  session.waiting = session.waiting + 1
  local waiting = session.waiting
  local function ask_now()
    if session.waiting == waiting then
      M.timed("ask", ask_if_wanted, buf)
    end
  end
  if delay_ms == 0 then
    vim.schedule(ask_now)
    return
  end
  session.timer = session.timer or assert(compat.uv.new_timer())
  session.timer:start(delay_ms, 0, vim.schedule_wrap(ask_now))
end

--- Run a handler; a test replaces this to measure it.
---@param _name string
---@param handler fun(...)
---@param ... any
function M.timed(_name, handler, ...)
  handler(...)
end

---@param buf integer
---@param place { row: integer, column: integer }
---@param tick integer
---@return boolean changed
---@return boolean text_changed
local function note_change(buf, place, tick)
  local menu = shown.menu_hides()
  local seen = session.seen
  local same_text = seen ~= nil and seen.buf == buf and seen.tick == tick
  local same = same_text
    and seen.row == place.row
    and seen.column == place.column
    and seen.menu == menu
  if not same then
    session.seen = { buf = buf, tick = tick, row = place.row, column = place.column, menu = menu }
  end
  return not same, not same_text
end

---@param buf integer
local function follow(buf)
  local cursor = vim.api.nvim_win_get_cursor(0)
  local place = { row = cursor[1] - 1, column = cursor[2] }
  local changed, text_changed = note_change(buf, place, vim.api.nvim_buf_get_changedtick(buf))
  if not changed then
    return
  end
  local now = not shown.menu_hides() and shown.current() or nil
  if now then
    shown.draw(now, false)
    notice.announce("Moved", { rest = now.rest })
    return
  end
  shown.clear()
  if not shown.painter().asks then
    return
  end
  cancel()
  if shown.may_show(buf) then
    local settings = config.current
    local configured = text_changed and settings.debounce_ms or settings.move_debounce_ms
    ask_soon(buf, status.debounce_ms(configured))
  end
end

--- Note that the text or the cursor may have changed.
---@param buf integer
function M.changed(buf)
  M.timed("key", follow, buf)
end

--- Note that Insert mode begins.
---@param buf integer
function M.entered(buf)
  session.seen = nil
  if shown.painter().asks and shown.may_show(buf) then
    ask_soon(buf, status.debounce_ms(config.current.move_debounce_ms))
  end
end

--- Note that Insert mode ends, or that the buffer is left.
function M.left()
  cancel()
  shown.clear()
  session.seen = nil
end

--- Ask at the cursor because the server can answer now, or tell the server where it rests.
function M.ask_again()
  local buf = vim.api.nvim_get_current_buf()
  cursor.moved(buf)
  if shown.painter().asks and not shown.has_suggestion() and not request.is_pending() then
    ask_if_wanted(buf)
  end
end

--- Ask explicitly; several candidates may come.
---@param step integer|nil Cycle so far from what is shown when they are there.
---@return boolean
function M.trigger(step)
  local buf = vim.api.nvim_get_current_buf()
  if not server.is_attached(buf) or not shown.inserting() then
    return false
  end
  cancel()
  request.ask(buf, step or 0)
  return true
end

--- Show another candidate; the first time, ask for candidates.
---@param step integer
---@return boolean
function M.cycle(step)
  local now = shown.current()
  if not now then
    return false
  end
  if #now.suggestion.items == 1 and not now.suggestion.invoked then
    M.trigger(step)
    return true
  end
  shown.cycle(step)
  return true
end

--- Clear the suggestion until the text changes.
---@return boolean
function M.dismiss()
  local visible = shown.is_visible()
  cancel()
  shown.clear()
  return visible
end

return M
