local config = require("midfill.config")

local function problems(settings)
  local _, found = config.resolve(settings)
  return table.concat(found, "\n")
end

return {
  ["nothing gives the defaults"] = function()
    local made, found = config.resolve(nil)
    assert(#found == 0)
    assert(made.ghost == "own" and made.server.command[1] == "midfill")
    assert(made.keymaps.accept == false)
  end,
  ["good ones are taken"] = function()
    local made = config.resolve({ filetypes = { lua = false }, keymaps = { accept = "<Tab>" } })
    assert(made.filetypes.lua == false and made.filetypes["*"] == true)
    assert(made.keymaps.accept == "<Tab>")
  end,
  ["each wrong one is named with its place"] = function()
    assert(problems({ debounce_ms = -1 }):find("debounce_ms is -1", 1, true))
    assert(problems({ debounce_ms = 1.5 }):find("whole number", 1, true))
    assert(problems({ server = { command = {} } }):find("server.command", 1, true))
    assert(problems({ server = 1 }):find("server must be a table", 1, true))
    assert(problems({ keymaps = { acept = "x" } }):find("keymaps.acept is unknown", 1, true))
    assert(problems({ filetypes = { "python" } }):find("filetypes", 1, true))
    assert(problems("text"):find("the argument must be a table", 1, true))
  end,
  ["a wrong one keeps its default"] = function()
    local made =
      config.resolve({ debounce_ms = "x", server = { command = { 1 }, max_restarts = 0 } })
    assert(made.debounce_ms == 0 and made.server.command[1] == "midfill")
    assert(made.server.max_restarts == 0)
  end,
}
