--- The buffers: which of them are completed, and what of them is followed.

local compat = require("midfill.compat")
local config = require("midfill.config")
local cursor = require("midfill.cursor")
local diagnostics = require("midfill.diagnostics")
local server = require("midfill.server")
local session = require("midfill.session")
local switch = require("midfill.switch")

local M = {}

---@param buf integer
---@return boolean
local function is_ordinary_file(buf)
  return vim.api.nvim_buf_is_loaded(buf)
    and vim.bo[buf].buftype == ""
    and vim.api.nvim_buf_get_name(buf) ~= ""
    and not vim.api.nvim_buf_get_name(buf):match("^%a[%w+.-]+://")
end

---@param buf integer
---@return boolean
local function is_small_enough(buf)
  local bytes = vim.api.nvim_buf_get_offset(buf, vim.api.nvim_buf_line_count(buf))
  return bytes <= config.current.max_file_bytes
end

--- Attach a buffer if it is a document that is to be completed.
---@param buf integer
function M.consider(buf)
  if not is_ordinary_file(buf) or not is_small_enough(buf) then
    return
  end
  if switch.language_is_on(buf) and not server.is_attached(buf) then
    server.attach(buf)
  end
end

---@param buf integer
local function follow_buffer(buf)
  local group = vim.api.nvim_create_augroup("midfill_buffer_" .. buf, { clear = true })
  local function on(events, callback)
    vim.api.nvim_create_autocmd(events, { group = group, buffer = buf, callback = callback })
  end
  on({ "TextChangedI", "TextChangedP", "CursorMovedI", "CompleteDone" }, function()
    session.changed(buf)
  end)
  on("InsertEnter", function()
    session.entered(buf)
  end)
  on({ "InsertLeave", "BufLeave" }, session.left)
  on({ "CursorMoved", "BufEnter" }, function()
    cursor.moved(buf)
  end)
  on({ "TextChanged", "InsertLeave" }, function()
    cursor.changed(buf)
  end)
  on("DiagnosticChanged", function()
    diagnostics.changed(buf)
  end)
end

--- Follow a buffer that was attached.
---@param client vim.lsp.Client
---@param buf integer
function M.attached(client, buf)
  follow_buffer(buf)
  diagnostics.changed(buf)
  if config.current.ghost == "native" and compat.native_ghost then
    require("midfill.native").attach(client, buf)
  end
  if vim.api.nvim_get_current_buf() == buf then
    session.ask_again()
  end
end

return M
