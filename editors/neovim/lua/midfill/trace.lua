--- Shows why the last completion is what it is: `midfill/trace` in a scratch buffer.

local compat = require("midfill.compat")
local notice = require("midfill.notice")
local server = require("midfill.server")

local M = {}

---@param lines string[]
---@param title string
---@param text string
local function section(lines, title, text)
  lines[#lines + 1] = ""
  lines[#lines + 1] = "## " .. title
  lines[#lines + 1] = ""
  for _, line in ipairs(vim.split(text, "\n", { plain = true })) do
    lines[#lines + 1] = "    " .. line
  end
end

---@param value any
---@return any value Nil for JSON's null.
local function present(value)
  if value == vim.NIL then
    return nil
  end
  return value
end

--- Write a trace for people, as Markdown.
---@param trace table
---@return string[]
function M.render(trace)
  local lines = {
    "# The last completion",
    "",
    ("- %s, %s:%d:%d"):format(
      trace.trigger or "?",
      trace.uri or "?",
      (trace.line or 0) + 1,
      (trace.character or 0) + 1
    ),
    ("- outcome: %s%s"):format(
      trace.outcome or "?",
      present(trace.reason) and (" (" .. trace.reason .. ")") or ""
    ),
    ("- scope: %s"):format(present(trace.scope) or "none"),
    ("- prompt: %s tokens, %s of them from the cache; output: %s tokens"):format(
      present(trace.promptTokens) or "?",
      present(trace.cachedTokens) or "?",
      present(trace.outputTokens) or "?"
    ),
    ("- first token after %s ms, all after %s ms"):format(
      present(trace.ttftMs) or "?",
      present(trace.totalMs) or "?"
    ),
  }
  if present(trace.source) then
    lines[#lines + 1] = ("- source: %s"):format(trace.source)
  end
  for _, snippet in ipairs(present(trace.snippets) or {}) do
    lines[#lines + 1] = ("- snippet: %s (%s), %d characters"):format(
      snippet.path,
      snippet.source,
      snippet.chars
    )
  end
  for at, text in ipairs(present(trace.generated) or {}) do
    section(lines, ("Generated %d"):format(at), text)
  end
  for _, cut in ipairs(present(trace.cuts) or {}) do
    section(
      lines,
      ("Cut by %s"):format(cut.filter),
      ("before: %s\nafter:  %s"):format(vim.inspect(cut.before), vim.inspect(cut.after))
    )
  end
  for at, text in ipairs(present(trace.shown) or {}) do
    section(lines, ("Shown %d"):format(at), text)
  end
  section(lines, "Prompt", present(trace.prompt) or "")
  return lines
end

---@param trace table
local function show(trace)
  vim.cmd("botright new")
  local buf = vim.api.nvim_get_current_buf()
  vim.bo[buf].buftype = "nofile"
  vim.bo[buf].bufhidden = "wipe"
  vim.bo[buf].swapfile = false
  vim.api.nvim_buf_set_lines(buf, 0, -1, false, M.render(trace))
  vim.bo[buf].modifiable = false
  vim.bo[buf].filetype = "markdown"
  notice.announce("Trace")
end

--- Ask for the last completion's trace, and show it.
function M.open()
  local client = server.client()
  if not client then
    notice.tell("no server runs, so there is no trace")
    return
  end
  compat.request(client, "midfill/trace", vim.empty_dict(), function(err, trace)
    if err then
      notice.tell(("this server gives no trace: %s"):format(err.message))
    elseif not present(trace) then
      notice.tell("nothing was completed yet", vim.log.levels.INFO)
    else
      show(trace)
    end
  end, vim.api.nvim_get_current_buf())
end

return M
