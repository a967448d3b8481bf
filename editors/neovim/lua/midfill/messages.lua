--- The handlers of what the server sends by itself.

local notice = require("midfill.notice")
local status = require("midfill.status")

local M = {}

---@class midfill.Question
---@field message string
---@field actions { title: string }[]
---@field reply fun(action: table|nil)

---@type midfill.Question|nil
local question

local commands = {
  ["Restart"] = ":Midfill restart",
  ["Show log"] = ":Midfill log",
  ["Run doctor"] = ":Midfill doctor",
}

---@type table<integer, integer>
local levels = {
  vim.log.levels.ERROR,
  vim.log.levels.WARN,
  vim.log.levels.INFO,
  vim.log.levels.DEBUG,
}

---@param actions { title: string }[]
---@return string
local function remedies(actions)
  local names = {}
  for _, action in ipairs(actions) do
    names[#names + 1] = commands[action.title] or action.title
  end
  return table.concat(names, ", ")
end

--- Answer the server's question with one of its buttons, if there is a question.
---@param title string|nil The button; none if nil.
---@return boolean answered
function M.answer(title)
  if not question then
    return false
  end
  local asked = question
  question = nil
  for _, action in ipairs(asked.actions) do
    if action.title == title then
      asked.reply(action)
      return true
    end
  end
  asked.reply(nil)
  return title == nil
end

--- Forget the question of a server that is gone.
function M.drop_question()
  question = nil
end

--- Let the user choose one of the server's buttons.
function M.choose()
  if not question then
    notice.tell("there is nothing to answer", vim.log.levels.INFO)
    return
  end
  vim.ui.select(question.actions, {
    prompt = question.message,
    format_item = function(action)
      return action.title
    end,
  }, function(action)
    M.answer(action and action.title)
  end)
end

--- Tell the server's question without a pop-up that takes the keys: the user may be in the
--- middle of a word. The commands are the buttons.
---@param params table
---@return table|userdata
local function ask(params)
  local co = coroutine.running()
  M.answer(nil)
  question = {
    message = params.message,
    actions = params.actions or {},
    reply = function(action)
      vim.schedule(function()
        coroutine.resume(co, action or vim.NIL)
      end)
    end,
  }
  notice.tell(("%s (%s)"):format(params.message, remedies(question.actions)))
  notice.announce("Question", { actions = #question.actions })
  return coroutine.yield()
end

--- Make the handlers of a client.
---@param hooks midfill.Hooks
---@return table<string, function>
function M.handlers(hooks)
  return {
    ["midfill/status"] = function(_, params)
      local before = status.get().state
      status.set(params)
      if params.state == "ready" and before ~= "busy" then
        hooks.ready()
      end
    end,
    ["midfill/action"] = function(_, params)
      hooks.action(params.action)
    end,
    ["window/showMessage"] = function(_, params)
      notice.tell(params.message, levels[params.type])
      return vim.NIL
    end,
    ["window/showMessageRequest"] = function(_, params)
      return ask(params)
    end,
    ["window/logMessage"] = function()
      return vim.NIL
    end,
  }
end

return M
