local trace = require("midfill.trace")

local function holds(rendered, line)
  assert(vim.tbl_contains(rendered, line), line .. " is not in:\n" .. table.concat(rendered, "\n"))
end

return {
  ["a trace says why nothing was shown, and which snippets were read"] = function()
    local snippet = { path = "lib/b.py", source = "open_tabs", chars = 12, text = "x" }
    local rendered = trace.render({
      outcome = "empty",
      reason = "Too unsure.",
      source = "cache",
      snippets = { snippet },
    })
    holds(rendered, "- outcome: empty (Too unsure.)")
    holds(rendered, "- source: cache")
    holds(rendered, "- snippet: lib/b.py (open_tabs), 12 characters")
  end,
  ["a trace of a server that says less is shown, too"] = function()
    holds(trace.render({ outcome = "shown", source = vim.NIL }), "- outcome: shown")
  end,
}
