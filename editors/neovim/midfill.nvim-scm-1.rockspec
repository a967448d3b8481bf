rockspec_format = "3.0"
package = "midfill.nvim"
version = "scm-1"
description = {
  summary = "Code completion as ghost text, from a model on your own machine",
  labels = { "neovim", "lsp", "completion" },
  license = "Apache-2.0",
}
source = {
  -- For `luarocks make` in this folder, which fetches nothing.
  url = "file://.",
}
dependencies = { "lua >= 5.1" }
build = {
  type = "builtin",
  copy_directories = { "doc", "plugin" },
  modules = {
    ["midfill.accept"] = "lua/midfill/accept.lua",
    ["midfill.buffers"] = "lua/midfill/buffers.lua",
    ["midfill.command"] = "lua/midfill/command.lua",
    ["midfill.compat"] = "lua/midfill/compat.lua",
    ["midfill.config"] = "lua/midfill/config.lua",
    ["midfill.cursor"] = "lua/midfill/cursor.lua",
    ["midfill.diagnostics"] = "lua/midfill/diagnostics.lua",
    ["midfill.folders"] = "lua/midfill/folders.lua",
    ["midfill.ghost"] = "lua/midfill/ghost.lua",
    ["midfill.handshake"] = "lua/midfill/handshake.lua",
    ["midfill.health"] = "lua/midfill/health.lua",
    ["midfill"] = "lua/midfill/init.lua",
    ["midfill.keymap"] = "lua/midfill/keymap.lua",
    ["midfill.logfile"] = "lua/midfill/logfile.lua",
    ["midfill.messages"] = "lua/midfill/messages.lua",
    ["midfill.models"] = "lua/midfill/models.lua",
    ["midfill.native"] = "lua/midfill/native.lua",
    ["midfill.notice"] = "lua/midfill/notice.lua",
    ["midfill.position"] = "lua/midfill/position.lua",
    ["midfill.process"] = "lua/midfill/process.lua",
    ["midfill.request"] = "lua/midfill/request.lua",
    ["midfill.server"] = "lua/midfill/server.lua",
    ["midfill.session"] = "lua/midfill/session.lua",
    ["midfill.shown"] = "lua/midfill/shown.lua",
    ["midfill.status"] = "lua/midfill/status.lua",
    ["midfill.suggestion"] = "lua/midfill/suggestion.lua",
    ["midfill.switch"] = "lua/midfill/switch.lua",
    ["midfill.trace"] = "lua/midfill/trace.lua",
    ["midfill.watchdog"] = "lua/midfill/watchdog.lua",
  },
}
