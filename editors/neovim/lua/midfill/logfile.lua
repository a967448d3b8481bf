--- The server's log: its own file, so that Neovim's `lsp.log` does not grow by it.

local M = {}

local MAX_BYTES = 4 * 1024 * 1024

--- Return the path of the log.
---@return string
function M.path()
  return vim.fn.stdpath("log") .. "/midfill.log"
end

--- Return a command line that writes the command's stderr to the log. The shell replaces
--- itself by the command, so that signals reach it.
---@param command string[]
---@return string[]
function M.redirect(command)
  if vim.fn.has("win32") == 1 then
    return command
  end
  local path = M.path()
  vim.fn.mkdir(vim.fn.fnamemodify(path, ":h"), "p")
  if vim.fn.getfsize(path) > MAX_BYTES then
    vim.fn.rename(path, path .. ".old")
  end
  local redirected = { "/bin/sh", "-c", 'log="$1"; shift; exec "$@" 2>>"$log"', "midfill", path }
  return vim.list_extend(redirected, command)
end

--- Open the log in a split.
function M.open()
  vim.cmd("botright split " .. vim.fn.fnameescape(M.path()))
  vim.bo.readonly = true
  vim.cmd("normal! G")
end

return M
