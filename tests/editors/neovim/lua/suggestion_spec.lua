local suggestion = require("midfill.suggestion")

local function equal(expected, actual)
  assert(vim.deep_equal(expected, actual), vim.inspect(expected) .. " ~= " .. vim.inspect(actual))
end

local function place(line, column)
  return { row = 3, column = column or #line, line = line }
end

local function item(text, first, last, command)
  local range
  if first then
    range = {
      start = { line = 3, character = first },
      ["end"] = { line = 3, character = last or first },
    }
  end
  return { insertText = text, range = range, command = command }
end

local function texts(result, at)
  local made = suggestion.from_reply(result, at, "utf-16")
  return made and vim.tbl_map(function(entry)
    return entry.text
  end, made.items)
end

return {
  ["a list, and a list in a table, are read"] = function()
    equal({ "a" }, texts({ item("a") }, place("x")))
    equal({ "a" }, texts({ items = { item("a") } }, place("x")))
  end,
  ["what is no item is left out"] = function()
    equal(nil, texts(nil, place("x")))
    equal(nil, texts(vim.NIL, place("x")))
    equal(nil, texts("text", place("x")))
    equal(nil, texts({ 1, { insertText = 2 }, {}, item("") }, place("x")))
    equal({ "a" }, texts({ { range = 1, insertText = "a" } }, place("x")))
    equal(nil, texts({ { range = {}, insertText = "a" } }, place("x")))
  end,
  ["carriage returns become line feeds"] = function()
    equal({ "a\nb\nc" }, texts({ item("a\r\nb\rc") }, place("x")))
  end,
  ["a text that is there twice is there once"] = function()
    equal({ "a", "b" }, texts({ item("a"), item("b"), item("a") }, place("x")))
  end,
  ["a range may start before the cursor with what stands there"] = function()
    equal({ "total" }, texts({ item("total", 0, 3) }, place("tot")))
    equal(nil, texts({ item("other", 0, 3) }, place("tot")))
    equal(nil, texts({ item("tot", 0, 3) }, place("tot")))
  end,
  ["ranges of other lines and behind the cursor are left out"] = function()
    local other = item("a", 0)
    other.range.start.line = 2
    equal(nil, texts({ other }, place("x")))
    equal(nil, texts({ item("a", 2) }, place("abc", 1)))
  end,
  ["utf-16 columns behind astral characters are found"] = function()
    equal({ "a" }, texts({ item("a", 2) }, place("😀")))
    equal(nil, texts({ item("a", 1) }, place("ab😀", 6)))
  end,
  ["the rest follows what is typed"] = function()
    local it = { text = "item" }
    equal("item", suggestion.rest(it, ""))
    equal("em", suggestion.rest(it, "it"))
    equal(nil, suggestion.rest(it, "item"))
    equal(nil, suggestion.rest(it, "items"))
    equal(nil, suggestion.rest(it, "x"))
  end,
  ["a word takes blanks, then letters or punctuation"] = function()
    equal("return", suggestion.part("return a", "word"))
    equal(" a", suggestion.part(" a + b", "word"))
    equal(" +", suggestion.part(" + b", "word"))
    equal("\n    x", suggestion.part("\n    x = 1", "word"))
    equal("été", suggestion.part("été(", "word"))
    equal("  ", suggestion.part("  ", "word"))
  end,
  ["a line ends before its line end"] = function()
    equal("a = 1", suggestion.part("a = 1\nb", "line"))
    equal("\nb", suggestion.part("\nb\nc", "line"))
    equal("b", suggestion.part("b", "line"))
    equal("a\nb", suggestion.part("a\nb", "all"))
  end,
  ["changes of its own rows are allowed, and followed"] = function()
    local made = suggestion.from_reply({ item("a\nb") }, place("x"), "utf-8")
    assert(suggestion.allows_change(made, 3, 4, 4))
    assert(suggestion.allows_change(made, 3, 4, 5))
    equal(4, made.last_row)
    assert(suggestion.allows_change(made, 4, 5, 5))
    assert(not suggestion.allows_change(made, 0, 1, 1))
    assert(not suggestion.allows_change(made, 5, 6, 6))
  end,
  ["candidates go around"] = function()
    local made = suggestion.from_reply({ item("a"), item("b"), item("c") }, place("x"), "utf-8")
    suggestion.cycle(made, -1)
    equal(3, made.index)
    suggestion.cycle(made, 1)
    equal(1, made.index)
    suggestion.cycle_from(made, "b", "b", 1)
    equal(3, made.index)
    suggestion.cycle_from(made, "z", "z", 1)
    equal(1, made.index)
    suggestion.cycle_from(made, "z", "z", -1)
    equal(3, made.index)
  end,
}
