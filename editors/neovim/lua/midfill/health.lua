--- `:checkhealth midfill`.

local compat = require("midfill.compat")
local config = require("midfill.config")
local handshake = require("midfill.handshake")
local keymap = require("midfill.keymap")
local logfile = require("midfill.logfile")
local server = require("midfill.server")
local status = require("midfill.status")

local M = {}

local start = vim.health.start or vim.health.report_start
local ok = vim.health.ok or vim.health.report_ok
local info = vim.health.info or vim.health.report_info
local warn = vim.health.warn or vim.health.report_warn
local error = vim.health.error or vim.health.report_error

local function check_neovim()
  start("Neovim")
  if vim.fn.has("nvim-0.8") == 0 then
    error("Neovim is older than 0.8", { "Update Neovim" })
    return
  end
  local version = vim.version()
  ok(("Neovim %d.%d.%d"):format(version.major, version.minor, version.patch))
  if not compat.inline_virtual_text then
    info("Before 0.10, ghost text in the middle of a line is drawn at its end")
  end
  if config.current.ghost == "native" and not compat.native_ghost then
    warn("ghost = 'native' needs Neovim 0.12; the plugin's own ghost text is used")
  end
end

local function check_settings()
  start("Settings")
  local problems = require("midfill").problems()
  for _, problem in ipairs(problems) do
    warn(problem)
  end
  if not require("midfill").is_set_up() then
    warn("setup was not called", { "Call require('midfill').setup{} in your configuration" })
  elseif #problems == 0 then
    ok("All settings were taken")
  end
  for _, key in ipairs(keymap.overridden()) do
    warn(("%s was mapped again by something else after setup"):format(key), {
      "Call setup later, or map <Plug>(midfill-accept) yourself",
    })
  end
end

local function check_server()
  start("Server")
  local command = config.current.server.command
  if vim.fn.executable(command[1]) == 0 then
    error(("%s is not executable"):format(command[1]), {
      "Install Midfill, or set server.command in require('midfill').setup{}",
    })
  else
    ok(("%s: %s"):format(table.concat(command, " "), vim.fn.exepath(command[1])))
  end
  local now = status.get()
  local version = server.server_version()
  if version then
    local same = version:match("^%d+%.%d+") == handshake.version:match("^%d+%.%d+")
    local report = same and ok or warn
    report(("Server %s, plugin %s"):format(version, handshake.version))
  end
  if now.state == "error" then
    error(now.message or "The server failed", { now.remedy or "See :Midfill log" })
  elseif now.state == "stopped" then
    info("The server does not run; it starts with the first file")
  else
    ok(("State: %s%s"):format(now.state, now.model and (", model " .. now.model) or ""))
  end
  info("Log: " .. logfile.path())
end

--- Check Neovim, settings and server.
function M.check()
  check_neovim()
  check_settings()
  check_server()
end

return M
