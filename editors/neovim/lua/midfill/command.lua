--- `:Midfill SUBCOMMAND`, with completion.

local messages = require("midfill.messages")
local notice = require("midfill.notice")

local M = {}

---@class midfill.Subcommand
---@field run fun(argument: string|nil)
---@field arguments string[]|nil What completion offers.

---@type table<string, midfill.Subcommand>
local subcommands

---@param name string
---@return any
local function api(name)
  return require("midfill")[name]
end

---@param argument string|nil
local function toggle(argument)
  local scope = argument or "global"
  if not vim.tbl_contains({ "global", "language", "buffer" }, scope) then
    notice.tell(("toggle %s: it must be global, language or buffer"):format(scope))
    return
  end
  local on = api("toggle")(scope)
  notice.tell(("%s (%s)"):format(on and "on" or "off", scope), vim.log.levels.INFO)
end

---@param argument string|nil
local function snooze(argument)
  if argument == "off" then
    api("end_snooze")()
    return
  end
  local minutes = tonumber(argument or "10")
  if not minutes or minutes <= 0 then
    notice.tell(("snooze %s: it must be a number of minutes, or off"):format(argument))
    return
  end
  api("snooze")(minutes)
  notice.tell(("snoozed for %g min"):format(minutes), vim.log.levels.INFO)
end

---@param argument string|nil
local function model(argument)
  local models = require("midfill.models")
  if argument then
    models.use(argument)
  else
    models.choose()
  end
end

---@param argument string|nil
local function accept(argument)
  local part = argument or "all"
  if not vim.tbl_contains({ "all", "word", "line" }, part) then
    notice.tell(("accept %s: it must be all, word or line"):format(part))
    return
  end
  require("midfill.accept").accept(part)
end

local function print_status()
  vim.api.nvim_echo({ { table.concat(api("describe")(), "\n") } }, false, {})
end

---@param name string
---@return fun()
local function call(name)
  return function()
    api(name)()
  end
end

subcommands = {
  accept = { run = accept, arguments = { "all", "word", "line" } },
  answer = { run = messages.choose },
  dismiss = { run = call("dismiss") },
  doctor = { run = call("run_doctor") },
  health = {
    run = function()
      vim.cmd("checkhealth midfill")
    end,
  },
  log = { run = call("show_log") },
  model = { run = model },
  next = { run = call("next") },
  previous = { run = call("previous") },
  restart = { run = call("restart") },
  snooze = { run = snooze, arguments = { "5", "10", "30", "60", "off" } },
  start = { run = call("start") },
  status = { run = print_status },
  stop = { run = call("stop") },
  toggle = { run = toggle, arguments = { "global", "language", "buffer" } },
  trace = { run = call("show_trace") },
  trigger = { run = call("trigger") },
}

---@return string[]
local function names()
  local list = vim.tbl_keys(subcommands)
  table.sort(list)
  return list
end

--- Run `:Midfill …`.
---@param arguments string[]
function M.run(arguments)
  local name = arguments[1] or "status"
  local subcommand = subcommands[name]
  if not subcommand then
    notice.tell(("%s is unknown; there are: %s"):format(name, table.concat(names(), ", ")))
    return
  end
  subcommand.run(arguments[2])
end

--- Complete `:Midfill …`.
---@param lead string
---@param line string The command line up to the cursor.
---@return string[]
function M.complete(lead, line)
  local words = vim.split(line, "%s+", { trimempty = true })
  local at = #words - (lead == "" and 0 or 1)
  local offered = {}
  if at == 1 then
    offered = names()
  elseif at == 2 and subcommands[words[2]] then
    offered = subcommands[words[2]].arguments or {}
  end
  return vim.tbl_filter(function(word)
    return vim.startswith(word, lead)
  end, offered)
end

return M
