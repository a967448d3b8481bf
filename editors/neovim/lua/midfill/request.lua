--- The request in flight: asks the server at the cursor, cancels, and judges the reply.

local compat = require("midfill.compat")
local notice = require("midfill.notice")
local position = require("midfill.position")
local server = require("midfill.server")
local shown = require("midfill.shown")
local suggestions = require("midfill.suggestion")
local watchdog = require("midfill.watchdog")

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
---@field step integer|nil Cycle so far when the reply is there; nil for an automatic request.

---@type midfill.Pending|nil
local in_flight

--- Tell whether a reply is awaited.
---@return boolean
function M.is_pending()
  return in_flight ~= nil
end

--- Cancel the request in flight.
function M.cancel()
  local pending = in_flight
  if pending then
    in_flight = nil
    watchdog.stop()
    if pending.id and not compat.is_stopped(pending.client) then
      compat.cancel(pending.client, pending.id)
    end
  end
end

---@param pending midfill.Pending
---@return boolean
local function is_stale(pending)
  local buf = vim.api.nvim_get_current_buf()
  local place = shown.place(buf)
  return buf ~= pending.buf
    or vim.api.nvim_buf_get_changedtick(buf) ~= pending.tick
    or place.row ~= pending.row
    or place.column ~= pending.column
    or not shown.may_show(buf)
end

---@param pending midfill.Pending
---@param err table|nil
---@param result any
local function replied(pending, err, result)
  watchdog.stop()
  if in_flight ~= pending then
    return
  end
  in_flight = nil
  if err or is_stale(pending) then
    notice.announce("Nothing", { stale = not err })
    return
  end
  local place = shown.place(pending.buf)
  local suggestion = suggestions.from_reply(result, place, pending.client.offset_encoding)
  if not suggestion then
    notice.announce("Nothing", { stale = false })
    return
  end
  if pending.step then
    suggestion.invoked = true
    local now = shown.current()
    if now then
      suggestions.cycle_from(suggestion, now.item.text, now.rest, pending.step)
    end
  end
  shown.clear()
  shown.show(suggestion)
end

--- Ask the server at the cursor.
---@param buf integer
---@param step integer|nil Ask explicitly, and cycle so far when the reply is there.
function M.ask(buf, step)
  local client = server.client()
  if not client then
    return
  end
  M.cancel()
  local place = shown.place(buf)
  local pending = {
    client = client,
    buf = buf,
    tick = vim.api.nvim_buf_get_changedtick(buf),
    row = place.row,
    column = place.column,
    step = step,
  }
  in_flight = pending
  watchdog.expects()
  pending.id = shown.painter().request(client, METHOD, {
    textDocument = { uri = vim.uri_from_bufnr(buf) },
    position = {
      line = place.row,
      character = position.character(place.line, place.column, client.offset_encoding),
    },
    context = { triggerKind = step and INVOKED or AUTOMATIC },
  }, function(err, result)
    replied(pending, err, result)
  end, buf)
  notice.announce("Asked", { invoked = step ~= nil })
end

return M
