--- Follows the keys: shows, moves and clears ghost text, asks and cancels.

local compat = require("midfill.compat")
local config = require("midfill.config")
local ghost = require("midfill.ghost")
local notice = require("midfill.notice")
local position = require("midfill.position")
local server = require("midfill.server")
local status = require("midfill.status")
local suggestions = require("midfill.suggestion")
local switch = require("midfill.switch")

local M = {}

local METHOD = "textDocument/inlineCompletion"
local INVOKED, AUTOMATIC = 1, 2

---@class midfill.Pending
---@field id integer|nil
---@field client vim.lsp.Client
---@field buf integer
---@field tick integer
---@field row integer
---@field column integer
---@field step integer|nil Cycle so far when the reply is there.

---@class midfill.Session
---@field buf integer|nil The buffer of the suggestion.
---@field suggestion midfill.Suggestion|nil
---@field pending midfill.Pending|nil
---@field seen { buf: integer, tick: integer, row: integer, column: integer, menu: boolean }|nil
---@field waiting integer Counts the delays, so that an outdated one ends without a request.
---@field timer uv_timer_t|nil
---@field painter midfill.Painter

---@class midfill.Painter
---@field draw fun(buf: integer, drawing: midfill.Drawing, suggestion: midfill.Suggestion, is_new: boolean)
---@field clear fun(buf: integer)
---@field asks boolean Whether the session asks by itself while the user types.
---@field request fun(client: vim.lsp.Client, method: string, params: table, handler: function, buf: integer): integer|nil

---@type midfill.Session
local session = {
  waiting = 0,
  painter = { draw = ghost.draw, clear = ghost.clear, asks = true, request = compat.request },
}

--- Let something else than the plugin's own ghost text draw.
---@param painter midfill.Painter
function M.use_painter(painter)
  session.painter = painter
end

---@param buf integer
---@return midfill.Place
function M.place(buf)
  local cursor = vim.api.nvim_win_get_cursor(0)
  local row = cursor[1] - 1
  local line = vim.api.nvim_buf_get_lines(buf, row, row + 1, false)[1] or ""
  return { row = row, column = cursor[2], line = line }
end

---@return boolean
local function inserting()
  return vim.api.nvim_get_mode().mode:sub(1, 1) == "i"
end

---@return boolean
local function menu_hides()
  return not config.current.with_menu and vim.fn.pumvisible() == 1
end

--- Tell whether a suggestion may be shown in a buffer now.
---@param buf integer
---@return boolean
function M.may_show(buf)
  return server.is_attached(buf)
    and inserting()
    and vim.bo[buf].modifiable
    and vim.fn.reg_executing() == ""
    and not menu_hides()
    and switch.is_on(buf)
end

--- Return the text between an item's start and the cursor; nil if the text around it is no
--- longer what it was.
---@param buf integer
---@param place midfill.Place
---@param item midfill.Item
---@param suggestion midfill.Suggestion
---@return string|nil
local function typed_text(buf, place, item, suggestion)
  if place.line:sub(place.column + 1) ~= suggestion.tail or place.row < suggestion.row then
    return nil
  end
  local before = #item.before
  if place.row == suggestion.row then
    if place.column < before or place.line:sub(1, before) ~= item.before then
      return nil
    end
    return place.line:sub(before + 1, place.column)
  end
  local lines = vim.api.nvim_buf_get_lines(buf, suggestion.row, place.row, false)
  if not lines[1] or lines[1]:sub(1, before) ~= item.before then
    return nil
  end
  lines[1] = lines[1]:sub(before + 1)
  lines[#lines + 1] = place.line:sub(1, place.column)
  return table.concat(lines, "\n")
end

---@class midfill.Current
---@field buf integer
---@field suggestion midfill.Suggestion
---@field item midfill.Item
---@field typed string
---@field rest string
---@field place midfill.Place

--- Return what is suggested at the cursor now, checked against the buffer's text.
---@return midfill.Current|nil
function M.current()
  local buf = vim.api.nvim_get_current_buf()
  local suggestion = session.suggestion
  if not suggestion or suggestion.broken or session.buf ~= buf or not inserting() then
    return nil
  end
  local place = M.place(buf)
  local item = suggestions.item(suggestion)
  local typed = typed_text(buf, place, item, suggestion)
  local rest = typed and suggestions.rest(item, typed)
  if not typed or not rest then
    return nil
  end
  return {
    buf = buf,
    suggestion = suggestion,
    item = item,
    typed = typed,
    rest = rest,
    place = place,
  }
end

--- Tell whether a suggestion is drawn; keys that are not in the buffer yet may end it.
---@return boolean
function M.has_suggestion()
  return session.suggestion ~= nil
end

--- Tell whether candidates that the user asked for are shown.
---@return boolean
function M.shows_candidates()
  local now = M.current()
  return now ~= nil and now.suggestion.invoked
end

--- Tell whether a suggestion is shown and still fits.
---@return boolean
function M.is_visible()
  return M.current() ~= nil
end

---@param now midfill.Current
---@param is_new boolean Whether something else was shown before.
local function draw(now, is_new)
  local count = #now.suggestion.items
  session.painter.draw(now.buf, {
    row = now.place.row,
    column = now.place.column,
    rest = now.rest,
    tail = now.suggestion.tail,
    replaced = now.item.replaced,
    hint = count > 1 and ("(%d/%d)"):format(now.suggestion.index, count) or nil,
  }, now.suggestion, is_new)
end

--- Draw what is left of a suggestion behind text that goes in next: the mark moves with it,
--- and the text is at no time on the screen twice.
---@param now midfill.Current
---@param accepted string
function M.draw_without(now, accepted)
  local left = vim.tbl_extend("force", now, { rest = now.rest:sub(#accepted + 1) })
  draw(left, false)
end

--- Clear the suggestion at once.
function M.clear()
  if session.suggestion then
    local buf = session.buf
    session.suggestion, session.buf = nil, nil
    session.painter.clear(buf)
    notice.announce("Cleared")
  end
end

--- Cancel the request in flight, and the one that waits to be sent.
function M.cancel()
  session.waiting = session.waiting + 1
  if session.timer then
    session.timer:stop()
  end
  local pending = session.pending
  if pending then
    session.pending = nil
    server.heard()
    if pending.id and not compat.is_stopped(pending.client) then
      compat.cancel(pending.client, pending.id)
    end
  end
end

--- Show a suggestion in the current buffer.
---@param suggestion midfill.Suggestion
---@return boolean shown
function M.show(suggestion)
  session.suggestion = suggestion
  session.buf = vim.api.nvim_get_current_buf()
  local now = M.current()
  if not now then
    session.suggestion, session.buf = nil, nil
    return false
  end
  draw(now, true)
  notice.announce("Shown", { rest = now.rest, count = #suggestion.items })
  return true
end

---@param pending midfill.Pending
---@return boolean
local function is_stale(pending)
  local buf = vim.api.nvim_get_current_buf()
  local place = M.place(buf)
  return buf ~= pending.buf
    or vim.api.nvim_buf_get_changedtick(buf) ~= pending.tick
    or place.row ~= pending.row
    or place.column ~= pending.column
    or not M.may_show(buf)
end

---@param pending midfill.Pending
---@param err table|nil
---@param result any
local function replied(pending, err, result)
  server.heard()
  if session.pending ~= pending then
    return
  end
  session.pending = nil
  if err or is_stale(pending) then
    notice.announce("Nothing", { stale = not err })
    return
  end
  local place = M.place(pending.buf)
  local suggestion = suggestions.from_reply(result, place, pending.client.offset_encoding)
  if not suggestion then
    notice.announce("Nothing", { stale = false })
    return
  end
  if pending.step then
    suggestion.invoked = true
    local now = M.current()
    if now then
      suggestions.cycle_from(suggestion, now.item.text, now.rest, pending.step)
    end
  end
  M.clear()
  M.show(suggestion)
end

--- Ask the server at the cursor.
---@param buf integer
---@param kind integer
---@param step integer|nil
local function ask(buf, kind, step)
  local client = server.client()
  if not client then
    return
  end
  M.cancel()
  local place = M.place(buf)
  local pending = {
    client = client,
    buf = buf,
    tick = vim.api.nvim_buf_get_changedtick(buf),
    row = place.row,
    column = place.column,
    step = step,
  }
  session.pending = pending
  server.expects()
  pending.id = session.painter.request(client, METHOD, {
    textDocument = { uri = vim.uri_from_bufnr(buf) },
    position = {
      line = place.row,
      character = position.character(place.line, place.column, client.offset_encoding),
    },
    context = { triggerKind = kind },
  }, function(err, result)
    replied(pending, err, result)
  end, buf)
  notice.announce("Asked", { invoked = kind == INVOKED })
end

---@param buf integer
local function ask_if_wanted(buf)
  if vim.api.nvim_get_current_buf() == buf and M.may_show(buf) and status.can_complete() then
    ask(buf, AUTOMATIC)
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
  local menu = menu_hides()
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
  local now = not menu_hides() and M.current() or nil
  if now then
    draw(now, false)
    notice.announce("Moved", { rest = now.rest })
    return
  end
  M.clear()
  if not session.painter.asks then
    return
  end
  M.cancel()
  if M.may_show(buf) then
    local settings = config.current
    ask_soon(buf, text_changed and settings.debounce_ms or settings.move_debounce_ms)
  end
end

--- Hear that the text or the cursor may have changed.
---@param buf integer
function M.changed(buf)
  M.timed("key", follow, buf)
end

--- Hear which lines of a buffer changed; other lines than the suggestion's end it.
---@param buf integer
---@param first integer
---@param last integer
---@param new_last integer
function M.lines_changed(buf, first, last, new_last)
  local suggestion = session.suggestion
  if not suggestion or session.buf ~= buf then
    return
  end
  if not suggestions.allows_change(suggestion, first, last, new_last) then
    suggestion.broken = true
    vim.schedule(function()
      if session.suggestion == suggestion then
        M.clear()
      end
    end)
  end
end

--- Hear that Insert mode begins.
---@param buf integer
function M.entered(buf)
  session.seen = nil
  if session.painter.asks and M.may_show(buf) then
    ask_soon(buf, config.current.move_debounce_ms)
  end
end

--- Hear that Insert mode ends, or that the buffer is left.
function M.left()
  M.cancel()
  M.clear()
  session.seen = nil
end

--- Ask at the cursor because the server can answer now.
function M.ask_again()
  local buf = vim.api.nvim_get_current_buf()
  if session.painter.asks and not session.suggestion and not session.pending then
    ask_if_wanted(buf)
  end
end

--- Ask explicitly; several candidates may come.
---@param step integer|nil Cycle so far from what is shown when they are there.
---@return boolean
function M.trigger(step)
  local buf = vim.api.nvim_get_current_buf()
  if not server.is_attached(buf) or not inserting() then
    return false
  end
  ask(buf, INVOKED, step or 0)
  return true
end

--- Show another candidate; the first time, ask for candidates.
---@param step integer
---@return boolean
function M.cycle(step)
  local now = M.current()
  if not now then
    return false
  end
  if #now.suggestion.items == 1 and not now.suggestion.invoked then
    M.trigger(step)
    return true
  end
  suggestions.cycle(now.suggestion, step)
  now = M.current()
  if now then
    draw(now, true)
    notice.announce("Shown", { rest = now.rest, count = #now.suggestion.items })
  end
  return true
end

--- Clear the suggestion until the text changes.
---@return boolean
function M.dismiss()
  local visible = M.is_visible()
  M.cancel()
  M.clear()
  return visible
end

return M
