--- What plugin and server tell each other when the server starts.

local config = require("midfill.config")
local notice = require("midfill.notice")

local M = {}

--- The plugin's version; the server's major and minor number have to be the same.
M.version = "0.1.0"

--- Return what the plugin tells that it can do.
---@return table
function M.capabilities()
  local made = vim.lsp.protocol.make_client_capabilities()
  made.general = made.general or {}
  made.general.positionEncodings = { "utf-8", "utf-16" }
  made.textDocument.inlineCompletion = { dynamicRegistration = false }
  made.experimental = { midfill = { status = true, actions = true } }
  return made
end

--- Return a table that becomes a JSON object, also when it is empty.
---@param values table
---@return table
local function object(values)
  return next(values) == nil and vim.empty_dict() or values
end

--- Return the settings that the server is given.
---@return table
function M.options()
  return { midfill = object(config.current.server.settings) }
end

--- Return why a server is of no use; tell the user if its version is not the plugin's.
---@param result table
---@return string|nil problem
function M.problem(result)
  local info = result.serverInfo or {}
  if not (result.capabilities or {}).inlineCompletionProvider then
    return ("%s offers no inline completions. Check server.command, or update Midfill"):format(
      info.name or "the server"
    )
  end
  local ours, theirs = M.version:match("^%d+%.%d+"), tostring(info.version):match("^%d+%.%d+")
  if info.name == "midfill" and ours ~= theirs then
    notice.tell_once(
      "version",
      ("the server is version %s, the plugin %s. Update both to the same version"):format(
        info.version,
        M.version
      )
    )
  end
  return nil
end

return M
