--- Lets Neovim 0.12's `vim.lsp.inline_completion` ask and draw, and keeps it from showing
--- or accepting text that no longer fits.
---
--- Neovim alone shows replies that came too late, and keeps a suggestion that the user has
--- typed past. So its replies are checked on their way in, the session follows the same
--- text, and an accept goes through the session's check of the buffer.

local compat = require("midfill.compat")
local ghost = require("midfill.ghost")
local shown = require("midfill.shown")
local suggestions = require("midfill.suggestion")

local M = {}

local METHOD = "textDocument/inlineCompletion"

---@class midfill.NativeState
---@field client_id integer|nil The client whose replies are checked.
---@field request fun(...): boolean, integer|nil The client's own request function.
---@field deliver fun(items: table[])|nil Hands items to Neovim, once it has asked.
---@field deliver_buf integer|nil The buffer that it asked for.

---@type midfill.NativeState
local state = { request = compat.request }

--- Tell whether Neovim has asked for a buffer, so that it can be handed items for it.
---@param buf integer
---@return boolean
local function can_deliver(buf)
  return state.deliver ~= nil and state.deliver_buf == buf and vim.api.nvim_buf_is_valid(buf)
end

---@param buf integer
---@param items table[]
local function deliver(buf, items)
  if can_deliver(buf) then
    state.deliver(items)
  end
end

---@param buf integer
---@param suggestion midfill.Suggestion
local function show_all(buf, suggestion)
  deliver(
    buf,
    vim.tbl_map(function(item)
      return item.raw
    end, suggestion.items)
  )
  if suggestion.index > 1 then
    vim.lsp.inline_completion.select({ count = suggestion.index - 1 })
  end
end

---@type midfill.Painter
local painter = {
  asks = false,
  draw = function(buf, drawing, suggestion, is_new)
    if not can_deliver(buf) then
      ghost.draw(buf, drawing) -- an explicit trigger before Neovim's first own request
    elseif is_new then
      show_all(buf, suggestion)
    elseif drawing.row ~= suggestion.row then
      shown.clear() -- Neovim would go on drawing on the first row
    end
  end,
  clear = function(buf)
    ghost.clear(buf)
    deliver(buf, {})
  end,
  request = function(client, method, params, handler, buf)
    local sent, id = state.request(client, method, params, handler, buf)
    return sent and id or nil
  end,
}

--- Check a reply to Neovim's own request before it sees it.
---@param client vim.lsp.Client
---@param buf integer
---@param handler fun(err: table|nil, result: any, ctx: table)
---@return fun(err: table|nil, result: any, ctx: table)
local function checked(client, buf, handler)
  local tick = vim.api.nvim_buf_get_changedtick(buf)
  local column = shown.place(buf).column
  return function(err, result, ctx)
    state.deliver_buf = buf
    state.deliver = function(items)
      handler(nil, items, ctx)
    end
    local is_current = not err
      and vim.api.nvim_get_current_buf() == buf
      and vim.api.nvim_buf_get_changedtick(buf) == tick
      and shown.place(buf).column == column
    if not is_current or shown.shows_candidates() then
      return
    end
    local place = shown.place(buf)
    local suggestion = suggestions.from_reply(result, place, client.offset_encoding)
    shown.clear()
    if not suggestion or not shown.may_show(buf) or not shown.show(suggestion) then
      deliver(buf, {})
    end
  end
end

--- Let Neovim complete in a buffer.
---@param client vim.lsp.Client
---@param buf integer
function M.attach(client, buf)
  shown.use_painter(painter)
  if state.client_id ~= client.id then
    local request = client.request
    state.client_id, state.request, state.deliver = client.id, request, nil
    ---@diagnostic disable-next-line: duplicate-set-field
    client.request = function(self, method, params, handler, request_buf)
      if method == METHOD and handler then
        handler = checked(client, request_buf or buf, handler)
      end
      return request(self, method, params, handler, request_buf)
    end
  end
  vim.lsp.inline_completion.enable(true, { bufnr = buf })
end

return M
