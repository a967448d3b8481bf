--- The workspace folders: the repositories that the attached buffers' files lie in.

local compat = require("midfill.compat")

local M = {}

---@type table<string, boolean> The folders that the server knows.
local known = {}

---@param path string
---@return lsp.WorkspaceFolder
local function folder(path)
  return { uri = vim.uri_from_fname(path), name = vim.fn.fnamemodify(path, ":t") }
end

--- Return the repository of a buffer's file; nil where it is in none.
---@param buf integer
---@return string|nil
local function repository(buf)
  local name = vim.api.nvim_buf_get_name(buf)
  local found = vim.fs.find(".git", { upward = true, path = vim.fs.dirname(name) })[1]
  return found and vim.fs.dirname(found) or nil
end

--- Return the folders of some buffers, with which a server is started.
---@param buffers table<integer, boolean>
---@return lsp.WorkspaceFolder[]|nil
function M.of(buffers)
  known = {}
  local found = {}
  for buf in pairs(buffers) do
    local path = vim.api.nvim_buf_is_valid(buf) and repository(buf) or nil
    if path and not known[path] then
      known[path] = true
      found[#found + 1] = folder(path)
    end
  end
  return #found > 0 and found or nil
end

--- Tell a server of a buffer's folder, unless it knows it.
---@param client vim.lsp.Client
---@param buf integer
function M.add(client, buf)
  local path = repository(buf)
  if path and not known[path] then
    known[path] = true
    compat.notify(client, "workspace/didChangeWorkspaceFolders", {
      event = { added = { folder(path) }, removed = {} },
    })
  end
end

return M
