--- The settings of `setup{}`: which there are, their defaults, and what each accepts.

---@class midfill.Config
---@field enabled boolean Whether completions are offered when Neovim starts.
---@field filetypes table<string, boolean> Filetype to on or off; "*" stands for all others.
---@field ghost "own"|"native" Who draws: the plugin, or Neovim 0.12's `vim.lsp.inline_completion`.
---@field debounce_ms integer Wait after a typed key before the request, in milliseconds.
---@field move_debounce_ms integer Wait after a cursor move or on entering Insert mode.
---@field with_menu boolean Show ghost text while the completion menu is open.
---@field max_file_bytes integer Larger buffers get no completions.
---@field server midfill.ServerConfig
---@field keymaps midfill.KeymapConfig

---@class midfill.ServerConfig
---@field command string[] The server's command line.
---@field environment table<string, string> Variables added to the server's environment.
---@field settings table Midfill's own settings, by section: `{ completion = { candidates = 5 } }`.
---@field timeout_ms integer A server that answers nothing for this long is reported.
---@field max_restarts integer Restarts within three minutes after the server ended by itself.

---@class midfill.KeymapConfig
---@field accept string|false
---@field accept_word string|false
---@field accept_line string|false
---@field next string|false
---@field previous string|false
---@field dismiss string|false
---@field trigger string|false

local M = {}

---@alias midfill.Check fun(value: any): boolean

---@param value any
---@return boolean
local function is_count(value)
  return type(value) == "number" and value >= 0 and value == math.floor(value)
end

---@param key_type string
---@param value_type string
---@return midfill.Check
local function map_of(key_type, value_type)
  return function(value)
    if type(value) ~= "table" then
      return false
    end
    for key, entry in pairs(value) do
      if type(key) ~= key_type or type(entry) ~= value_type then
        return false
      end
    end
    return true
  end
end

---@param name string
---@return midfill.Check
local function is_a(name)
  return function(value)
    return type(value) == name
  end
end

---@param value any
---@return boolean
local function is_command(value)
  return map_of("number", "string")(value) and #value > 0
end

---@param value any
---@return boolean
local function is_ghost(value)
  return value == "own" or value == "native"
end

---@param value any
---@return boolean
local function is_key(value)
  return value == false or (type(value) == "string" and value ~= "")
end

---@class midfill.Setting
---@field default any
---@field accepts string What a person may write, as a phrase.
---@field check midfill.Check

---@param default any
---@param accepts string
---@param check midfill.Check
---@return midfill.Setting
local function setting(default, accepts, check)
  return { default = default, accepts = accepts, check = check }
end

local a_key = "a key such as '<Tab>', or false"
local milliseconds = "a whole number of milliseconds"

---@type table<string, midfill.Setting|table<string, midfill.Setting>>
local schema = {
  enabled = setting(true, "true or false", is_a("boolean")),
  filetypes = setting({
    ["*"] = true,
    gitcommit = false,
    gitrebase = false,
    help = false,
    hgcommit = false,
  }, "a table of filetype = true or false", map_of("string", "boolean")),
  ghost = setting("own", "'own' or 'native'", is_ghost),
  debounce_ms = setting(0, milliseconds, is_count),
  move_debounce_ms = setting(75, milliseconds, is_count),
  with_menu = setting(false, "true or false", is_a("boolean")),
  max_file_bytes = setting(8 * 1024 * 1024, "a whole number of bytes", is_count),
  server = {
    command = setting(
      { "midfill", "serve", "--stdio" },
      "a list of strings, the program first",
      is_command
    ),
    environment = setting({}, "a table of name = 'value'", map_of("string", "string")),
    settings = setting({}, "a table of sections", is_a("table")),
    timeout_ms = setting(20000, milliseconds, is_count),
    max_restarts = setting(3, "a whole number", is_count),
  },
  keymaps = {
    accept = setting(false, a_key, is_key),
    accept_word = setting(false, a_key, is_key),
    accept_line = setting(false, a_key, is_key),
    next = setting(false, a_key, is_key),
    previous = setting(false, a_key, is_key),
    dismiss = setting(false, a_key, is_key),
    trigger = setting(false, a_key, is_key),
  },
}

---@param node table
---@return boolean
local function is_setting(node)
  return type(node.check) == "function"
end

---@param node table
---@param given any
---@param path string
---@param problems string[]
---@return any
local function resolve(node, given, path, problems)
  if is_setting(node) then
    if given == nil then
      return vim.deepcopy(node.default)
    end
    if not node.check(given) then
      problems[#problems + 1] = ("%s is %s; it must be %s"):format(
        path,
        vim.inspect(given, { newline = " ", indent = "" }),
        node.accepts
      )
      return vim.deepcopy(node.default)
    end
    if path == "filetypes" then
      return vim.tbl_extend("force", node.default, given)
    end
    return vim.deepcopy(given)
  end
  if given ~= nil and type(given) ~= "table" then
    problems[#problems + 1] = ("%s must be a table"):format(path == "" and "the argument" or path)
    given = nil
  end
  local made = {}
  for key, below in pairs(node) do
    local place = path == "" and key or (path .. "." .. key)
    made[key] = resolve(below, given and given[key], place, problems)
  end
  for key in pairs(given or {}) do
    if node[key] == nil then
      local names = vim.tbl_keys(node)
      table.sort(names)
      problems[#problems + 1] = ("%s%s is unknown; there are: %s"):format(
        path == "" and "" or (path .. "."),
        tostring(key),
        table.concat(names, ", ")
      )
    end
  end
  return made
end

--- Lay the given settings over the defaults. A wrong one costs itself alone.
---@param given table|nil
---@return midfill.Config config
---@return string[] problems One sentence for each setting that was not taken.
function M.resolve(given)
  local problems = {}
  local config = resolve(schema, given, "", problems)
  table.sort(problems)
  return config, problems
end

---@type midfill.Config
M.current = (M.resolve(nil))

return M
