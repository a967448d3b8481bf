--- The one server of this Neovim: starts it, attaches buffers, notices how it ends.

local compat = require("midfill.compat")
local config = require("midfill.config")
local logfile = require("midfill.logfile")
local messages = require("midfill.messages")
local notice = require("midfill.notice")
local status = require("midfill.status")

local M = {}

--- The plugin's version; the server's major and minor number have to be the same.
M.version = "0.1.0"

local RESTART_WINDOW_MS = 180000
local QUIT_MS = 800

---@class midfill.ServerState
---@field client_id integer|nil
---@field ready boolean Whether `initialize` was answered.
---@field stopping boolean Whether its end was asked for.
---@field quitting boolean Whether Neovim ends.
---@field buffers table<integer, boolean> Buffers to attach, now and after a restart.
---@field ends_ms integer[] When it ended by itself.
---@field hang_timer uv_timer_t|nil
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
  ends_ms = {},
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

--- Return the version that the server told, if there is one.
---@return string|nil
function M.server_version()
  return state.server_version
end

---@param timeout_ms integer
---@param text string
local function watch(timeout_ms, text)
  M.heard()
  local timer = assert(compat.uv.new_timer())
  state.hang_timer = timer
  timer:start(
    timeout_ms,
    0,
    vim.schedule_wrap(function()
      if state.hang_timer == timer then
        M.heard()
        status.set({ state = "error", message = "The server does not answer" })
        notice.tell_once("hang", text)
      end
    end)
  )
end

--- Note that an answer is awaited.
function M.expects()
  watch(
    config.current.server.timeout_ms,
    ("the server has not answered for %g s. Start it again with :Midfill restart, or look into :Midfill log"):format(
      config.current.server.timeout_ms / 1000
    )
  )
end

--- Note that an answer came, or is awaited no longer.
function M.heard()
  local timer = state.hang_timer
  if timer then
    state.hang_timer = nil
    timer:stop()
    timer:close()
  end
end

---@param result table
---@return string|nil problem
local function unfit(result)
  local info = result.serverInfo or {}
  if not (result.capabilities or {}).inlineCompletionProvider then
    return ("%s offers no inline completions. Check server.command, or update Midfill"):format(
      info.name or "the server"
    )
  end
  state.server_version = info.version
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

---@param client vim.lsp.Client
---@param result table
local function initialized(client, result)
  M.heard()
  client.offset_encoding = (result.capabilities or {}).positionEncoding or "utf-16"
  local problem = unfit(result)
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

---@return boolean
local function may_restart()
  local now = compat.uv.now()
  state.ends_ms[#state.ends_ms + 1] = now
  local recent = vim.tbl_filter(function(ended)
    return now - ended < RESTART_WINDOW_MS
  end, state.ends_ms)
  state.ends_ms = recent
  return #recent <= config.current.server.max_restarts
end

---@param was_ready boolean
---@param code integer
---@param signal integer
local function ended_by_itself(was_ready, code, signal)
  local how = signal ~= 0 and ("was ended by signal %d"):format(signal)
    or ("ended with status %d"):format(code)
  if was_ready and may_restart() then
    notice.tell_once("ended", ("the server %s and is started again"):format(how))
    M.start()
    return
  end
  status.set({ state = "error", message = ("The server %s"):format(how) })
  notice.tell_once(
    "gone",
    ("the server %s. See why with :Midfill log or :checkhealth midfill, then :Midfill restart"):format(
      how
    )
  )
end

---@param code integer
---@param signal integer
local function ended(code, signal)
  local was_ready, on_end = state.ready, state.on_end
  M.heard()
  state.client_id, state.ready, state.on_end = nil, false, nil
  messages.drop_question()
  if state.quitting then
    return
  end
  hooks.ended()
  notice.announce("Ended", { code = code, signal = signal })
  if not state.stopping then
    ended_by_itself(was_ready, code, signal)
  elseif status.get().state ~= "error" then
    status.set({ state = "stopped" })
  end
  state.stopping = false
  if on_end then
    on_end()
  end
end

--- Start the server's process, with its end and its errors told by us alone: Neovim's own
--- messages name neither a reason nor a remedy.
---@param dispatchers table
---@return table rpc
local function spawn(dispatchers)
  local finished = false
  local wrapped = vim.tbl_extend("force", dispatchers, {
    on_exit = function(code, signal)
      finished = true
      state.quit_done = true
      vim.schedule(function()
        ended(code, signal)
      end)
      dispatchers.on_exit(0, 0)
    end,
    on_error = function(_, _)
      vim.schedule(function()
        if finished or state.stopping then
          return
        end
        status.set({ state = "error", message = "The server writes no messages" })
        notice.tell_once(
          "garbage",
          "the server writes something else than messages to its output, and was stopped. "
            .. "Check server.command with :checkhealth midfill, then :Midfill restart"
        )
        M.stop(true)
      end)
    end,
  })
  local argv = logfile.redirect(config.current.server.command)
  return compat.start_rpc(argv, wrapped, config.current.server.environment)
end

---@return table
local function capabilities()
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

---@return table
local function client_config()
  return {
    name = "midfill",
    cmd = spawn,
    capabilities = capabilities(),
    init_options = { midfill = object(config.current.server.settings) },
    handlers = messages.handlers(hooks),
    on_init = initialized,
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
  watch(
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
  for _, kind in ipairs({
    "ended",
    "gone",
    "garbage",
    "hang",
    "missing",
    "unfit",
    "spawn",
    "version",
  }) do
    notice.forget(kind)
  end
  state.ends_ms = {}
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
