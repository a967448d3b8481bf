--- Sends the server the errors and warnings of a buffer, for which LSP has no message.

local compat = require("midfill.compat")
local server = require("midfill.server")

local M = {}

--- How long they have to stay as they are: servers send them anew at every key.
local DELAY_MS = 300
local MOST = 100
local MOST_CHARS = 500

---@type table<integer, integer> The number of the latest change of each buffer.
local changes = {}

---@param client vim.lsp.Client
---@return boolean
local function takes(client)
  local extras = (client.server_capabilities or {}).experimental or {}
  return (extras.midfill or {}).diagnostics == true
end

---@param buf integer
local function send(buf)
  local client = server.client()
  if not client or not server.is_attached(buf) or not takes(client) then
    return
  end
  local sent = {}
  local least = vim.diagnostic.severity.WARN
  for _, found in ipairs(vim.diagnostic.get(buf, { severity = { min = least } })) do
    if #sent < MOST then
      local at = { line = found.lnum, character = 0 }
      sent[#sent + 1] = {
        range = { start = at, ["end"] = at },
        severity = found.severity,
        message = vim.fn.strcharpart(found.message, 0, MOST_CHARS),
      }
    end
  end
  compat.notify(client, "midfill/diagnostics", {
    uri = vim.uri_from_bufnr(buf),
    diagnostics = sent,
  })
end

--- Send a buffer's diagnostics when they have not changed for a while.
---@param buf integer
function M.changed(buf)
  local number = (changes[buf] or 0) + 1
  changes[buf] = number
  vim.defer_fn(function()
    if changes[buf] == number then
      changes[buf] = nil
      send(buf)
    end
  end, DELAY_MS)
end

return M
