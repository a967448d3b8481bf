--- Midfill for Neovim: code completion as ghost text.
---
--- Everything public is here; `:help midfill` describes it.

local M = {}

local config = require("midfill.config")

local CALLED_TOO_EARLY = "call require('midfill').setup{} first"

---@type { set_up: boolean, problems: string[] }
local state = { set_up = false, problems = {} }

--- Tell whether `setup` was called.
---@return boolean
function M.is_set_up()
  return state.set_up
end

--- Return a sentence for each setting that was not taken.
---@return string[]
function M.problems()
  return state.problems
end

local function set_hooks()
  local session = require("midfill.session")
  require("midfill.server").set_hooks({
    attached = require("midfill.buffers").attached,
    lines_changed = require("midfill.shown").lines_changed,
    ended = session.left,
    ready = session.ask_again,
    action = function(action)
      if action == "showLog" then
        M.show_log()
      elseif action == "runDoctor" then
        M.run_doctor()
      end
    end,
  })
end

local function set_autocommands()
  local group = vim.api.nvim_create_augroup("midfill", { clear = true })
  local function on(events, callback)
    vim.api.nvim_create_autocmd(events, { group = group, callback = callback })
  end
  on("VimLeavePre", function()
    require("midfill.server").quit()
  end)
  on({ "FileType", "BufFilePost", "BufWritePost" }, function(event)
    require("midfill.buffers").consider(event.buf)
  end)
  on("BufDelete", function(event)
    require("midfill.switch").forget_buffer(event.buf)
  end)
  on("ColorScheme", require("midfill.ghost").define_highlights)
end

---@param name string
---@param ... any
---@return fun(): boolean
local function action(name, ...)
  local arguments = { ... }
  return function()
    return M[name](unpack(arguments)) == true
  end
end

local function map_keys()
  require("midfill.keymap").apply(config.current.keymaps, {
    accept = action("accept"),
    accept_word = action("accept_word"),
    accept_line = action("accept_line"),
    next = action("next"),
    previous = action("previous"),
    dismiss = action("dismiss"),
    trigger = action("trigger"),
  }, function(name)
    return name == "trigger" or require("midfill.shown").has_suggestion()
  end)
end

--- Take the settings, and begin to complete. See `:help midfill-settings`.
---@param settings table|nil
function M.setup(settings)
  if vim.fn.has("nvim-0.8") == 0 then
    vim.api.nvim_err_writeln("Midfill needs Neovim 0.8 or newer")
    return
  end
  config.current, state.problems = config.resolve(settings)
  state.set_up = true
  if #state.problems > 0 then
    require("midfill.notice").tell("in setup, " .. table.concat(state.problems, "; "))
  end
  set_autocommands()
  set_hooks()
  require("midfill.ghost").define_highlights()
  require("midfill.switch").reset()
  map_keys()
  for _, buf in ipairs(vim.api.nvim_list_bufs()) do
    if vim.bo[buf].filetype ~= "" then
      require("midfill.buffers").consider(buf)
    end
  end
end

--- Accept the suggestion. Return false if there is none, so that a mapping can fall through.
---@return boolean
function M.accept()
  return require("midfill.accept").accept("all")
end

--- Accept the suggestion's next word.
---@return boolean
function M.accept_word()
  return require("midfill.accept").accept("word")
end

--- Accept the suggestion's next line.
---@return boolean
function M.accept_line()
  return require("midfill.accept").accept("line")
end

--- Show the next candidate; the first time, ask for candidates.
---@return boolean
function M.next()
  return require("midfill.session").cycle(1)
end

--- Show the previous candidate.
---@return boolean
function M.previous()
  return require("midfill.session").cycle(-1)
end

--- Clear the suggestion until the text changes.
---@return boolean
function M.dismiss()
  return require("midfill.session").dismiss()
end

--- Tell whether a suggestion is shown.
---@return boolean
function M.is_visible()
  return require("midfill.shown").is_visible()
end

--- Ask for candidates at the cursor.
---@return boolean
function M.trigger()
  return require("midfill.session").trigger()
end

--- Switch completions on or off: everywhere, for the filetype, or for the buffer.
---@param scope midfill.Scope|nil "global" if nil.
---@param on boolean|nil Toggle if nil.
---@return boolean on
function M.toggle(scope, on)
  assert(state.set_up, CALLED_TOO_EARLY)
  local buf = vim.api.nvim_get_current_buf()
  local now = require("midfill.switch").set(scope or "global", buf, on)
  M.refresh()
  return now
end

--- Offer nothing for some minutes.
---@param minutes number|nil 10 if nil.
function M.snooze(minutes)
  require("midfill.switch").snooze(minutes or 10, M.refresh)
  M.refresh()
end

--- End the snooze.
function M.end_snooze()
  require("midfill.switch").end_snooze()
  M.refresh()
end

--- Show or clear what the switches now allow.
function M.refresh()
  local session = require("midfill.session")
  local buf = vim.api.nvim_get_current_buf()
  if require("midfill.switch").is_on(buf) then
    require("midfill.buffers").consider(buf)
    session.ask_again()
  else
    session.dismiss()
  end
  vim.cmd("redrawstatus")
end

--- Start the server, for all buffers that are open.
function M.start()
  if not state.set_up then
    M.setup()
    return
  end
  for _, buf in ipairs(vim.api.nvim_list_bufs()) do
    require("midfill.buffers").consider(buf)
  end
end

--- Stop the server.
function M.stop()
  require("midfill.server").stop()
end

--- Start the server again; if it asks whether to restart its engine, that is enough.
function M.restart()
  assert(state.set_up, CALLED_TOO_EARLY)
  if not require("midfill.messages").answer("Restart") then
    require("midfill.server").restart()
  end
end

--- Open the server's log.
function M.show_log()
  require("midfill.logfile").open()
end

--- Show what the model read and wrote for the last completion.
function M.show_trace()
  require("midfill.trace").open()
end

--- Run `midfill doctor` in a terminal.
function M.run_doctor()
  require("midfill.models").run_doctor()
end

--- Return a short text for the statusline: `Midfill 42%`, `Midfill`, `Midfill: off`, ….
---@return string
function M.statusline()
  if not state.set_up then
    return ""
  end
  local buf = vim.api.nvim_get_current_buf()
  local attached_here = require("midfill.server").knows(buf)
  return require("midfill.status").statusline(buf, attached_here)
end

--- Describe server, model and buffer in whole sentences.
---@return string[]
function M.describe()
  local buf = vim.api.nvim_get_current_buf()
  local attached_here = require("midfill.server").knows(buf)
  return require("midfill.status").describe(buf, attached_here)
end

return M
