--- Tells the user what happened: each thing once, without taking the keyboard.

local M = {}

---@type table<string, boolean>
local shown = {}

--- Show a message.
---@param text string
---@param level integer|nil One of `vim.log.levels`; a warning if nil.
function M.tell(text, level)
  vim.schedule(function()
    vim.notify("Midfill: " .. text, level or vim.log.levels.WARN, { title = "Midfill" })
  end)
end

--- Show a message unless one of the same kind was shown since the last `forget`.
---@param kind string
---@param text string
---@param level integer|nil
function M.tell_once(kind, text, level)
  if not shown[kind] then
    shown[kind] = true
    M.tell(text, level)
  end
end

--- Let a kind of message be shown again.
---@param kind string
function M.forget(kind)
  shown[kind] = nil
end

--- Announce an event of the plugin: `autocmd User Midfill…`.
---@param name string
---@param data table|nil
function M.announce(name, data)
  vim.api.nvim_exec_autocmds("User", {
    pattern = "Midfill" .. name,
    modeline = false,
    data = data or {},
  })
end

return M
