--- Runs the server's program for what it does besides serving: doctor, and list of models.

local compat = require("midfill.compat")
local config = require("midfill.config")
local notice = require("midfill.notice")
local server = require("midfill.server")

local M = {}

--- Return the program with other arguments: `midfill serve --stdio` becomes `midfill doctor`.
---@param ... string
---@return string[]
function M.command(...)
  local argv = {}
  for _, word in ipairs(config.current.server.command) do
    if word == "serve" then
      break
    end
    argv[#argv + 1] = word
  end
  return vim.list_extend(argv, { ... })
end

--- Run the doctor in a terminal.
function M.run_doctor()
  local argv = M.command("doctor")
  if vim.fn.executable(argv[1]) == 0 then
    notice.tell(("%s was not found. Install Midfill, or set server.command"):format(argv[1]))
    return
  end
  vim.cmd("botright new")
  compat.terminal(argv, config.current.server.environment)
end

--- Load another model: the server is started again with it.
---@param name string A shipped or pulled model, or a folder.
function M.use(name)
  local settings = config.current.server.settings
  settings.model = vim.tbl_extend("force", settings.model or {}, { path = name })
  server.restart()
end

---@param output string[]
---@return string[]
local function names_in(output)
  local names = {}
  for at, line in ipairs(output) do
    local name = line:match("^(%S+)")
    if at > 1 and name then
      names[#names + 1] = name
    end
  end
  return names
end

--- Let the user choose a model of the registry.
function M.choose()
  local argv = M.command("models", "list")
  local output = {}
  local job = vim.fn.executable(argv[1]) == 1
    and vim.fn.jobstart(argv, {
      stdout_buffered = true,
      on_stdout = function(_, data)
        output = data
      end,
      on_exit = function()
        local names = names_in(output)
        if #names == 0 then
          notice.tell("the list of models is empty. See :Midfill doctor")
          return
        end
        vim.ui.select(names, { prompt = "Model of Midfill" }, function(name)
          if name then
            M.use(name)
          end
        end)
      end,
    })
  if not job or job <= 0 then
    notice.tell(("%s was not found. Install Midfill, or set server.command"):format(argv[1]))
  end
end

return M
