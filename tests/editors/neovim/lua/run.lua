--- Runs the specs beside this file: `nvim -l run.lua`. A spec returns its cases by name.

local folder = vim.fn.fnamemodify(debug.getinfo(1, "S").source:sub(2), ":p:h")
local held, failures = 0, {}

for _, path in ipairs(vim.fn.sort(vim.fn.glob(folder .. "/*_spec.lua", false, true))) do
  for name, case in pairs(dofile(path)) do
    local ok, problem = pcall(case)
    if ok then
      held = held + 1
    else
      failures[#failures + 1] = ("%s: %s: %s"):format(vim.fn.fnamemodify(path, ":t"), name, problem)
    end
  end
end

print(("%d cases hold"):format(held))
if #failures > 0 then
  error(table.concat(failures, "\n"), 0)
end
