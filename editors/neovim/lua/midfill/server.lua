--- The one server of this Neovim: starts it, attaches buffers, notices how it ends.

local compat = require("midfill.compat")
local config = require("midfill.config")
local folders = require("midfill.folders")
local handshake = require("midfill.handshake")
local messages = require("midfill.messages")
local notice = require("midfill.notice")
local process = require("midfill.process")
local status = require("midfill.status")
local watchdog = require("midfill.watchdog")

local M = {}

local QUIT_MS = 800

---@class midfill.ServerState
---@field client_id integer|nil
---@field ready boolean Whether `initialize` was answered.
---@field stopping boolean Whether its end was asked for.
---@field quitting boolean Whether Neovim ends.
---@field buffers table<integer, boolean> Buffers to attach, now and after a restart.
---@field on_end fun()|nil What to do once it has ended.
---@field server_version string|nil
---@field quit_done boolean Whether the process has ended.

---@type midfill.ServerState
local state = {
  ready = false,
  stopping = false,
  quitting = false,
  quit_done = false,
  buffers = {},
}

---@class midfill.Hooks
---@field attached fun(client: vim.lsp.Client, buf: integer)
---@field lines_changed fun(buf: integer, first: integer, last: integer, new_last: integer)
---@field ended fun() The server is gone.
---@field ready fun() The server can answer.
---@field action fun(action: string) The server asks for `showLog` or `runDoctor`.

---@type midfill.Hooks
local hooks

--- Set what is called when something happens.
---@param given midfill.Hooks
function M.set_hooks(given)
  hooks = given
end

--- Return the server's client once it has answered `initialize`.
---@return vim.lsp.Client|nil
function M.client()
  local client = state.client_id and vim.lsp.get_client_by_id(state.client_id)
  return state.ready and client or nil
end

---@param buf integer
---@return boolean
function M.is_attached(buf)
  return state.ready and state.buffers[buf] == true
end

--- Tell whether a buffer is attached, or will be when the server is there.
---@param buf integer
---@return boolean
function M.knows(buf)
  return state.buffers[buf] == true
end

--- Return the version that the server sent, if there is one.
---@return string|nil
function M.server_version()
  return state.server_version
end

---@param client vim.lsp.Client
---@param result table
local function initialized(client, result)
  watchdog.stop()
  client.offset_encoding = (result.capabilities or {}).positionEncoding or "utf-16"
  local problem = handshake.problem(result)
  if problem then
    notice.tell_once("unfit", problem)
    status.set({ state = "error", message = problem })
    state.stopping = true
    vim.schedule(function()
      compat.stop(client, true)
    end)
    return
  end
  state.ready = true
  state.server_version = (result.serverInfo or {}).version
  local extras = (result.capabilities.experimental or {}).midfill or {}
  local is_silent = not extras.status
  status.set({ state = is_silent and "ready" or "loading", percent = not is_silent and 0 or nil })
  vim.schedule(function()
    for buf in pairs(state.buffers) do
      M.attach(buf)
    end
    notice.announce("Started", { version = state.server_version })
    hooks.ready()
  end)
end

---@param code integer
---@param signal integer
---@param wrote_garbage boolean
local function ended(code, signal, wrote_garbage)
  local was_ready, on_end = state.ready, state.on_end
  watchdog.stop()
  state.client_id, state.ready, state.on_end = nil, false, nil
  messages.drop_question()
  if state.quitting then
    return
  end
  hooks.ended()
  notice.announce("Ended", { code = code, signal = signal })
  if not state.stopping then
    if process.ended_by_itself(was_ready, code, signal, wrote_garbage) then
      M.start()
    end
  elseif status.get().state ~= "error" then
    status.set({ state = "stopped" })
  end
  state.stopping = false
  if on_end then
    on_end()
  end
end

---@param dispatchers table
---@return table rpc
local function spawn(dispatchers)
  return process.spawn(dispatchers, {
    exited = function()
      state.quit_done = true
    end,
    ended = ended,
    is_wanted = function()
      return not state.stopping
    end,
    stop = function()
      M.stop(true)
    end,
  })
end

---@return table
local function client_config()
  return {
    name = "midfill",
    cmd = spawn,
    capabilities = handshake.capabilities(),
    init_options = handshake.options(),
    handlers = messages.handlers(hooks),
    on_init = initialized,
    workspace_folders = folders.of(state.buffers),
  }
end

--- Start the server unless it runs, or no buffer needs it.
---@return boolean started
function M.start()
  if state.client_id then
    return true
  end
  local buf = next(state.buffers)
  if not buf then
    return false
  end
  local program = config.current.server.command[1]
  if vim.fn.executable(program) == 0 then
    status.set({ state = "error", message = ("%s is not installed"):format(program) })
    notice.tell_once(
      "missing",
      ("%s was not found. Install Midfill, or set server.command in require('midfill').setup{}; then :Midfill restart"):format(
        program
      )
    )
    return false
  end
  state.stopping, state.quit_done = false, false
  status.set({ state = "starting" })
  vim.api.nvim_buf_call(buf, function()
    state.client_id = vim.lsp.start(client_config(), {
      bufnr = buf,
      reuse_client = function()
        return false
      end,
    })
  end)
  if not state.client_id then
    status.set({ state = "error", message = ("%s could not be started"):format(program) })
    notice.tell_once(
      "spawn",
      ("%s could not be started. See :Midfill log and :checkhealth midfill"):format(program)
    )
    return false
  end
  watchdog.watch(
    config.current.server.timeout_ms,
    ("%s does not answer. Is server.command right? See :Midfill log, then :Midfill restart"):format(
      program
    )
  )
  return true
end

---@param buf integer
local function follow_lines(buf)
  vim.api.nvim_buf_attach(buf, false, {
    on_lines = function(_, _, _, first, last, new_last)
      if not state.buffers[buf] then
        return true
      end
      hooks.lines_changed(buf, first, last, new_last)
    end,
    on_detach = function()
      state.buffers[buf] = nil
    end,
  })
end

--- Attach a buffer; starts the server for the first one.
---@param buf integer
function M.attach(buf)
  if not state.buffers[buf] then
    state.buffers[buf] = true
    follow_lines(buf)
  end
  if not M.start() or not state.ready or not vim.api.nvim_buf_is_loaded(buf) then
    return
  end
  local client = M.client()
  if client and not vim.lsp.buf_is_attached(buf, client.id) then
    folders.add(client, buf)
    vim.lsp.buf_attach_client(buf, client.id)
  end
  if client then
    hooks.attached(client, buf)
    notice.announce("Attached", { buf = buf })
  end
end

--- Detach a buffer.
---@param buf integer
function M.detach(buf)
  state.buffers[buf] = nil
  local client = M.client()
  if client and vim.lsp.buf_is_attached(buf, client.id) then
    vim.lsp.buf_detach_client(buf, client.id)
  end
end

--- Stop the server.
---@param force boolean|nil Without asking it to shut down.
function M.stop(force)
  local client = state.client_id and vim.lsp.get_client_by_id(state.client_id)
  if client then
    state.stopping = true
    compat.stop(client, force == true)
  end
end

--- Start the server again, also one that does not answer.
function M.restart()
  process.forget_ends()
  local client_id = state.client_id
  if not client_id then
    M.start()
    return
  end
  state.on_end = M.start
  M.stop(not state.ready)
  vim.defer_fn(function()
    if state.client_id == client_id then
      M.stop(true)
    end
  end, 2000)
end

--- End the server because Neovim ends, and wait for it, for less than a second.
function M.quit()
  state.quitting = true
  local client = state.client_id and vim.lsp.get_client_by_id(state.client_id)
  if not client then
    return
  end
  compat.stop(client, not state.ready)
  local done = vim.wait(QUIT_MS, function()
    return state.quit_done
  end, 10)
  if not done then
    compat.stop(client, true)
  end
end

return M
