-- Defines :Midfill and the <Plug> maps. Nothing is loaded and no key mapped until asked.

if vim.g.loaded_midfill or vim.fn.has("nvim-0.8") == 0 then
  return
end
vim.g.loaded_midfill = true

vim.api.nvim_create_user_command("Midfill", function(options)
  require("midfill.command").run(options.fargs)
end, {
  nargs = "*",
  desc = "Midfill: code completion",
  complete = function(lead, line, column)
    return require("midfill.command").complete(lead, line:sub(1, column))
  end,
})

local actions = {
  accept = "accept",
  ["accept-word"] = "accept_word",
  ["accept-line"] = "accept_line",
  next = "next",
  previous = "previous",
  dismiss = "dismiss",
  trigger = "trigger",
  toggle = "toggle",
  snooze = "snooze",
}
for name, call in pairs(actions) do
  local run = ("<Cmd>lua require('midfill').%s()<CR>"):format(call)
  local modes = (name == "toggle" or name == "snooze") and { "n", "i" } or "i"
  vim.keymap.set(modes, ("<Plug>(midfill-%s)"):format(name), run, { desc = "Midfill: " .. name })
end

for _, part in ipairs({ "all", "word", "line" }) do
  local commit = ("<C-g>u<Cmd>lua require('midfill.accept').commit('%s')<CR>"):format(part)
  vim.keymap.set("i", ("<Plug>(midfill-commit-%s)"):format(part), commit)
end
