--- Tells the server where the cursor has come to rest, for which LSP has no message: an idle
--- engine reads the prompt for that place before the first key there.

local compat = require("midfill.compat")
local position = require("midfill.position")
local server = require("midfill.server")
local shown = require("midfill.shown")
local status = require("midfill.status")
local switch = require("midfill.switch")

local M = {}

--- How long it has to stay where it is: who scrolls or searches moves it again at once.
local DELAY_MS = 150

local answers = { ready = true, busy = true }

---@class midfill.KnownLine
---@field client_id integer|nil
---@field buf integer
---@field row integer From 0.

---@class midfill.Cursor
---@field known midfill.KnownLine|nil The line that the server was last told of, or that was edited.
---@field timer uv_timer_t|nil

---@type midfill.Cursor
local cursor = {}

---@param buf integer
---@return midfill.KnownLine
local function line_at(buf)
  local client = server.client()
  return { client_id = client and client.id, buf = buf, row = shown.place(buf).row }
end

---@param client vim.lsp.Client
---@return boolean
local function takes(client)
  local extras = (client.server_capabilities or {}).experimental or {}
  return (extras.midfill or {}).cursor == true
end

--- Tell whether completions come by themselves in a buffer once its text changes.
---@param buf integer
---@return boolean
local function is_offered(buf)
  return server.is_attached(buf) and switch.is_on(buf) and answers[status.get().state] == true
end

--- Tell whether the cursor still is in a buffer, which may be gone, and no text is selected.
---@param buf integer
---@return boolean
local function rests_in(buf)
  return vim.api.nvim_get_current_buf() == buf and vim.api.nvim_get_mode().mode == "n"
end

--- Note that the cursor has stayed where it is; a test replaces this to see it.
---@param buf integer
function M.rested(buf)
  local client = server.client()
  if not client or not takes(client) or not rests_in(buf) or not is_offered(buf) then
    return
  end
  local line = line_at(buf)
  if vim.deep_equal(line, cursor.known) then
    return
  end
  cursor.known = line
  local place = shown.place(buf)
  compat.notify(client, "midfill/cursor", {
    textDocument = { uri = vim.uri_from_bufnr(buf) },
    position = {
      line = place.row,
      -- Where `A` and `o` go on: right of both stands what is below.
      character = position.character(place.line, #place.line, client.offset_encoding),
    },
  })
end

--- Note that the cursor was moved, or is in another buffer or window than before.
---@param buf integer
function M.moved(buf)
  cursor.timer = cursor.timer or assert(compat.uv.new_timer())
  cursor.timer:start(
    DELAY_MS,
    0,
    vim.schedule_wrap(function()
      M.rested(buf)
    end)
  )
end

--- Note that the text was changed where the cursor is now, or Insert mode was: the server is
--- asked there anyway.
---@param buf integer
function M.changed(buf)
  cursor.known = line_at(buf)
end

return M
