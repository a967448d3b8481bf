--- Maps the keys that the settings name; each falls through to what it did before.

local M = {}

---@class midfill.MappedKey
---@field key string
---@field before table|nil The mapping that was there.

---@type midfill.MappedKey[]
local mapped = {}

---@param key string
---@return table|nil
local function mapping_of(key)
  local raw = vim.api.nvim_replace_termcodes(key, true, true, true)
  for _, mapping in ipairs(vim.api.nvim_get_keymap("i")) do
    if mapping.lhsraw == raw or mapping.lhsrawalt == raw or mapping.lhs == key then
      return mapping
    end
  end
  return nil
end

---@param lhs string
---@param mapping table
local function set_like(lhs, mapping)
  local rhs = mapping.callback and "" or mapping.rhs
  if mapping.sid and mapping.sid > 0 then
    rhs = rhs:gsub("<SID>", ("<SNR>%d_"):format(mapping.sid))
  end
  local options = {
    callback = mapping.callback,
    desc = mapping.desc,
    expr = mapping.expr == 1,
    noremap = mapping.noremap == 1,
    nowait = mapping.nowait == 1,
    script = mapping.script == 1,
    silent = mapping.silent == 1,
  }
  if options.expr then
    options.replace_keycodes = mapping.replace_keycodes == 1
  end
  vim.api.nvim_set_keymap("i", lhs, rhs, options)
end

---@type table<string, boolean>
local passing = {}

---@type table<string, { key: string, action: fun(): boolean }>
local bound = {}

--- Do what a key is mapped to; if there is nothing to do, have it do what it did before.
---@param name string
function M.run(name)
  local entry = bound[name]
  if entry and not entry.action() then
    passing[name] = true
    local key = vim.api.nvim_replace_termcodes(entry.key, true, true, true)
    vim.api.nvim_feedkeys(key, "im", false)
  end
end

--- Map a key to an action.
---
--- The mapping itself decides only that nothing is shown at all: while keys are typed fast,
--- Neovim evaluates a mapping before the keys in front of it are in the buffer. Whether a
--- suggestion still fits is decided in `<Cmd>`, which runs behind them.
---@param name string
---@param key string
---@param action fun(): boolean Whether it did something; if not, the key does what it did.
---@param may_act fun(): boolean
local function map(name, key, action, may_act)
  local before = mapping_of(key)
  local fallback = key
  if before then
    fallback = ("<Plug>(midfill-before-%s)"):format(name)
    set_like(fallback, before)
  end
  bound[name] = { key = key, action = action }
  -- With remap, a key that returns itself is not mapped again, and still expands
  -- abbreviations as it would without a mapping.
  vim.keymap.set("i", key, function()
    if passing[name] or not may_act() then
      passing[name] = nil
      return fallback
    end
    return ("<Cmd>lua require('midfill.keymap').run('%s')<CR>"):format(name)
  end, { expr = true, remap = true, silent = true, desc = "Midfill: " .. name:gsub("_", " ") })
  mapped[#mapped + 1] = { key = key, before = before }
end

--- Put back what the keys did before.
function M.reset()
  for at = #mapped, 1, -1 do
    local entry = mapped[at]
    pcall(vim.keymap.del, "i", entry.key)
    if entry.before then
      set_like(entry.key, entry.before)
    end
  end
  mapped, bound, passing = {}, {}, {}
end

--- Map the keys of the settings.
---@param keys midfill.KeymapConfig
---@param actions table<string, fun(): boolean>
---@param may_act fun(name: string): boolean Whether an action may have something to do.
function M.apply(keys, actions, may_act)
  M.reset()
  local names = vim.tbl_keys(actions)
  table.sort(names)
  for _, name in ipairs(names) do
    if keys[name] then
      map(name, keys[name], actions[name], function()
        return may_act(name)
      end)
    end
  end
end

--- Return the keys that something else has mapped since.
---@return string[]
function M.overridden()
  local names = {}
  for _, entry in ipairs(mapped) do
    local mapping = mapping_of(entry.key)
    if not mapping or not vim.startswith(mapping.desc or "", "Midfill: ") then
      names[#names + 1] = entry.key
    end
  end
  return names
end

return M
