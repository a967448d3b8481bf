--- Accepts a suggestion, whole or in part, as one undo step.

local compat = require("midfill.compat")
local notice = require("midfill.notice")
local position = require("midfill.position")
local server = require("midfill.server")
local shown = require("midfill.shown")
local suggestions = require("midfill.suggestion")

local M = {}

---@param keys string
local function feed(keys)
  local raw = vim.api.nvim_replace_termcodes(keys, true, false, true)
  vim.api.nvim_feedkeys(raw, "im", false)
end

--- Accept what is shown at the cursor.
---
--- The text goes in by keys put before everything that was typed ahead: this works in an
--- `<expr>` mapping, where the buffer may not be changed, and keeps the order of fast keys.
---@param part midfill.Part
---@return boolean accepted False if nothing fits here, so that a mapping can fall through.
function M.accept(part)
  if not shown.is_visible() then
    return false
  end
  local close_menu = vim.fn.pumvisible() == 1 and "<C-y>" or ""
  feed(close_menu .. ("<Plug>(midfill-commit-%s)"):format(part))
  return true
end

---@param now midfill.Current
---@param accepted string
local function report(now, accepted)
  local command = now.item.command
  local client = server.client()
  if not command or not client then
    return
  end
  local arguments = vim.deepcopy(command.arguments)
  if accepted ~= now.rest and type(arguments) == "table" and type(arguments[1]) == "table" then
    arguments[1].acceptedChars = position.code_points(now.typed .. accepted)
  end
  compat.request(client, "workspace/executeCommand", {
    command = command.command,
    arguments = arguments,
  }, function() end, now.buf)
end

--- Insert the accepted text. `<Plug>(midfill-commit-…)` calls this behind an undo break.
---@param part midfill.Part
function M.commit(part)
  local now = shown.current()
  if not now then
    return
  end
  local accepted = suggestions.part(now.rest, part)
  local is_whole = accepted == now.rest
  if is_whole then
    shown.clear()
    local row, column = now.place.row, now.place.column
    if now.item.replaced ~= "" then
      local stop = column + #now.item.replaced
      vim.api.nvim_buf_set_text(now.buf, row, column, row, stop, { "" })
    end
  else
    shown.draw_without(now, accepted)
  end
  -- Unlike nvim_buf_set_text, a paste is repeated by the dot command.
  vim.api.nvim_paste(accepted, false, -1)
  report(now, accepted)
  notice.announce("Accepted", { part = part, text = accepted })
end

return M
