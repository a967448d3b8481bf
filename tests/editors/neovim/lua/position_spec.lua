local position = require("midfill.position")

local function equal(expected, actual)
  assert(vim.deep_equal(expected, actual), vim.inspect(expected) .. " ~= " .. vim.inspect(actual))
end

local LINE = "aé😀b"
local starts = {
  -- byte, utf-16, utf-32
  { 0, 0, 0 },
  { 1, 1, 1 },
  { 3, 2, 2 },
  { 7, 4, 3 },
  { 8, 5, 4 },
}

return {
  ["bytes to utf-16 and utf-32"] = function()
    for _, at in ipairs(starts) do
      equal(at[2], position.character(LINE, at[1], "utf-16"))
      equal(at[3], position.character(LINE, at[1], "utf-32"))
      equal(at[1], position.character(LINE, at[1], "utf-8"))
    end
  end,
  ["utf-16 and utf-32 to bytes"] = function()
    for _, at in ipairs(starts) do
      equal(at[1], position.byte(LINE, at[2], "utf-16"))
      equal(at[1], position.byte(LINE, at[3], "utf-32"))
      equal(at[1], position.byte(LINE, at[1], "utf-8"))
    end
  end,
  ["columns behind the end are the end"] = function()
    for _, encoding in ipairs({ "utf-8", "utf-16", "utf-32" }) do
      equal(#LINE, position.byte(LINE, 99, encoding))
      equal(3, position.byte("abc", 99, encoding))
      equal(0, position.byte("", 1, encoding))
    end
  end,
  ["bytes that are no UTF-8 count one each"] = function()
    equal(3, position.character("\255\254a", 3, "utf-16"))
    equal(2, position.character("\240\159", 2, "utf-16"))
  end,
  ["code points"] = function()
    equal(4, position.code_points(LINE))
    equal(0, position.code_points(""))
  end,
}
