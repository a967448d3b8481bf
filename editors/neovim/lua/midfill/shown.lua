--- The suggestion that is shown: holds it, checks it against the buffer, draws and clears it.

local compat = require("midfill.compat")
local config = require("midfill.config")
local ghost = require("midfill.ghost")
local notice = require("midfill.notice")
local server = require("midfill.server")
local suggestions = require("midfill.suggestion")
local switch = require("midfill.switch")

local M = {}

---@class midfill.Painter
---@field draw fun(buf: integer, drawing: midfill.Drawing, suggestion: midfill.Suggestion, is_new: boolean)
---@field clear fun(buf: integer)
---@field asks boolean Whether the session asks by itself while the user types.
---@field request fun(client: vim.lsp.Client, method: string, params: table, handler: function, buf: integer): integer|nil

---@class midfill.Shown
---@field buf integer|nil The buffer of the suggestion.
---@field suggestion midfill.Suggestion|nil
---@field painter midfill.Painter

---@type midfill.Shown
local shown = {
  painter = { draw = ghost.draw, clear = ghost.clear, asks = true, request = compat.request },
}

--- Let something else than the plugin's own ghost text draw.
---@param painter midfill.Painter
function M.use_painter(painter)
  shown.painter = painter
end

--- Return what draws and sends requests.
---@return midfill.Painter
function M.painter()
  return shown.painter
end

--- Return where the cursor is in a buffer.
---@param buf integer
---@return midfill.Place
function M.place(buf)
  local cursor = vim.api.nvim_win_get_cursor(0)
  local row = cursor[1] - 1
  local line = vim.api.nvim_buf_get_lines(buf, row, row + 1, false)[1] or ""
  return { row = row, column = cursor[2], line = line }
end

--- Tell whether Neovim is in Insert mode.
---@return boolean
function M.inserting()
  return vim.api.nvim_get_mode().mode:sub(1, 1) == "i"
end

--- Tell whether the completion menu is open and hides ghost text.
---@return boolean
function M.menu_hides()
  return not config.current.with_menu and vim.fn.pumvisible() == 1
end

--- Tell whether a suggestion may be shown in a buffer now.
---@param buf integer
---@return boolean
function M.may_show(buf)
  return server.is_attached(buf)
    and M.inserting()
    and vim.bo[buf].modifiable
    and vim.fn.reg_executing() == ""
    and not M.menu_hides()
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
  local suggestion = shown.suggestion
  if not suggestion or suggestion.broken or shown.buf ~= buf or not M.inserting() then
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
  return shown.suggestion ~= nil
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

--- Draw what is suggested now.
---@param now midfill.Current
---@param is_new boolean Whether something else was shown before.
function M.draw(now, is_new)
  local count = #now.suggestion.items
  shown.painter.draw(now.buf, {
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
  M.draw(left, false)
end

--- Clear the suggestion at once.
function M.clear()
  if shown.suggestion then
    local buf = shown.buf
    shown.suggestion, shown.buf = nil, nil
    shown.painter.clear(buf)
    notice.announce("Cleared")
  end
end

--- Show a suggestion in the current buffer.
---@param suggestion midfill.Suggestion
---@return boolean shown
function M.show(suggestion)
  shown.suggestion = suggestion
  shown.buf = vim.api.nvim_get_current_buf()
  local now = M.current()
  if not now then
    shown.suggestion, shown.buf = nil, nil
    return false
  end
  M.draw(now, true)
  notice.announce("Shown", { rest = now.rest, count = #suggestion.items })
  return true
end

--- Note which lines of a buffer changed; other lines than the suggestion's end it.
---@param buf integer
---@param first integer
---@param last integer
---@param new_last integer
function M.lines_changed(buf, first, last, new_last)
  local suggestion = shown.suggestion
  if not suggestion or shown.buf ~= buf then
    return
  end
  if not suggestions.allows_change(suggestion, first, last, new_last) then
    suggestion.broken = true
    vim.schedule(function()
      if shown.suggestion == suggestion then
        M.clear()
      end
    end)
  end
end

--- Show another item of the suggestion.
---@param step integer
function M.cycle(step)
  suggestions.cycle(shown.suggestion, step)
  local now = M.current()
  if now then
    M.draw(now, true)
    notice.announce("Shown", { rest = now.rest, count = #now.suggestion.items })
  end
end

return M
