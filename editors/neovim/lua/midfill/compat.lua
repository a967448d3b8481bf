--- What differs between Neovim versions, each difference in one function: for 0.8 to 0.12,
--- tested on 0.10.4, 0.11.4 and 0.12.4.

local M = {}

---@param version string
---@return boolean
local function has(version)
  return vim.fn.has("nvim-" .. version) == 1
end

M.uv = vim.uv or vim.loop

--- Whether virtual text can push the text behind it to the right (0.10).
M.inline_virtual_text = has("0.10")

--- Whether Neovim shows inline completions by itself (0.12).
M.native_ghost = has("0.12") and vim.lsp.inline_completion ~= nil

--- Send a request.
---@param client vim.lsp.Client
---@param method string
---@param params table
---@param handler fun(err: table|nil, result: any, ctx: table)
---@param buf integer
---@return integer|nil id The request's id; nil if the server is gone.
function M.request(client, method, params, handler, buf)
  local sent, id
  if has("0.11") then
    sent, id = client:request(method, params, handler, buf)
  else
    sent, id = client.request(method, params, handler, buf)
  end
  return sent and id or nil
end

--- Send a notification.
---@param client vim.lsp.Client
---@param method string
---@param params table
function M.notify(client, method, params)
  if has("0.11") then
    client:notify(method, params)
  else
    client.notify(method, params)
  end
end

--- Cancel a request.
---@param client vim.lsp.Client
---@param id integer
function M.cancel(client, id)
  if has("0.11") then
    client:cancel_request(id)
  else
    client.cancel_request(id)
  end
end

--- Stop a client: politely, or at once.
---@param client vim.lsp.Client
---@param force boolean
function M.stop(client, force)
  if has("0.11") then
    client:stop(force)
  else
    client.stop(force)
  end
end

---@param client vim.lsp.Client
---@return boolean
function M.is_stopped(client)
  if has("0.11") then
    return client:is_stopped()
  end
  return client.is_stopped()
end

--- Run `start` with Neovim's reader of messages made safe: before 0.12 it throws at what
--- is no message, in a callback, which blocks the screen with an error.
---@param on_garbage fun()
---@param start fun(): table
---@return table
local function with_safe_reader(on_garbage, start)
  local rpc = vim.lsp.rpc
  local original = rpc.create_read_loop
  if not original then
    return start()
  end
  rpc.create_read_loop = function(...)
    local read = original(...)
    local broken = false
    return function(...)
      if not broken and not pcall(read, ...) then
        broken = true
        on_garbage()
      end
    end
  end
  local ok, result = pcall(start)
  rpc.create_read_loop = original
  if not ok then
    error(result, 0)
  end
  return result
end

--- Start a server's process and speak JSON-RPC with it.
---@param argv string[]
---@param dispatchers table
---@param environment table<string, string>
---@return table rpc
function M.start_rpc(argv, dispatchers, environment)
  return with_safe_reader(function()
    dispatchers.on_error(1, "no message")
  end, function()
    if has("0.10") then
      return vim.lsp.rpc.start(argv, dispatchers, { env = environment })
    end
    local arguments = vim.list_slice(argv, 2)
    return vim.lsp.rpc.start(argv[1], arguments, dispatchers, { env = environment })
  end)
end

--- Run a command in a terminal in the current window.
---@param argv string[]
---@param environment table<string, string>
function M.terminal(argv, environment)
  local options = vim.empty_dict()
  options.env = next(environment) and environment or nil
  if has("0.11") then
    options.term = true
    vim.fn.jobstart(argv, options)
  else
    vim.fn.termopen(argv, options)
  end
end

return M
