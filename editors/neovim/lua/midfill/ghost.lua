--- Draws ghost text with extmarks.

local compat = require("midfill.compat")

local M = {}

local namespace = vim.api.nvim_create_namespace("midfill")

M.namespace = namespace

--- Define the highlight groups; a colour scheme or the user may define them otherwise.
function M.define_highlights()
  vim.api.nvim_set_hl(0, "MidfillGhost", { link = "Comment", default = true })
  vim.api.nvim_set_hl(0, "MidfillHint", { link = "NonText", default = true })
end

--- Replace tabs by the blanks that they take, and make control characters visible.
---@param text string
---@param column integer The screen column where it starts, from 0.
---@param tabstop integer
---@return string
local function printable(text, column, tabstop)
  if not text:find("%c") then
    return text
  end
  local parts = {}
  for piece, control in (text .. "\0"):gmatch("([^%c]*)(%c)") do
    parts[#parts + 1] = piece
    column = column + vim.fn.strdisplaywidth(piece)
    if control == "\t" then
      local blanks = tabstop - column % tabstop
      parts[#parts + 1] = (" "):rep(blanks)
      column = column + blanks
    elseif control ~= "\0" then
      local shown = vim.fn.strtrans(control)
      parts[#parts + 1] = shown
      column = column + #shown
    end
  end
  return table.concat(parts)
end

---@class midfill.Drawing
---@field row integer
---@field column integer Bytes.
---@field rest string What is still to come.
---@field tail string What stands behind the cursor.
---@field replaced string The head of `tail` that the item replaces.
---@field hint string|nil Shown behind the last line.

--- Return the rest without what stands behind the cursor already, so that only what is new
--- is drawn.
---@param drawing midfill.Drawing
---@return string
local function without_replaced(drawing)
  local rest, replaced = drawing.rest, drawing.replaced
  if replaced ~= "" and rest:sub(-#replaced) == replaced then
    return rest:sub(1, -#replaced - 1)
  end
  return rest
end

---@param drawing midfill.Drawing
---@return "inline"|"overlay"|"eol"
local function text_position(drawing)
  if compat.inline_virtual_text then
    return "inline"
  end
  return drawing.tail == "" and "overlay" or "eol"
end

--- Draw a suggestion in place of what was drawn before.
---@param buf integer
---@param drawing midfill.Drawing
function M.draw(buf, drawing)
  M.clear(buf)
  local tabstop = vim.bo[buf].tabstop
  local lines = vim.split(without_replaced(drawing), "\n", { plain = true })
  local screen_column = lines[1]:find("\t") and vim.fn.virtcol(".") - 1 or 0
  local first = { { printable(lines[1], screen_column, tabstop), "MidfillGhost" } }
  local below = {}
  for at = 2, #lines do
    local text = printable(lines[at], 0, tabstop)
    below[#below + 1] = { { text == "" and " " or text, "MidfillGhost" } }
  end
  if drawing.hint then
    local last = below[#below] or first
    last[#last + 1] = { " " .. drawing.hint, "MidfillHint" }
  end
  vim.api.nvim_buf_set_extmark(buf, namespace, drawing.row, drawing.column, {
    virt_text = first,
    virt_text_pos = text_position(drawing),
    virt_lines = #below > 0 and below or nil,
    hl_mode = "combine",
    priority = 65535,
  })
end

--- Remove what is drawn.
---@param buf integer
function M.clear(buf)
  if vim.api.nvim_buf_is_valid(buf) then
    vim.api.nvim_buf_clear_namespace(buf, namespace, 0, -1)
  end
end

return M
