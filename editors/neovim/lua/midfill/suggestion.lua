--- A suggestion: the items of one reply, and what of them is still to come.
---
--- Pure: it knows texts and positions, no buffer and no window.

local position = require("midfill.position")

local M = {}

---@class midfill.Item
---@field text string What is inserted in place of the range; LF line ends.
---@field before string The row's text up to where the range starts.
---@field replaced string What the range holds behind the cursor.
---@field command table|nil The server's command that reports an accept.
---@field raw table The item as the server sent it.

---@class midfill.Suggestion
---@field items midfill.Item[]
---@field index integer The item that is shown, from 1.
---@field row integer The row where the items start, from 0.
---@field last_row integer The last row that typing the items' text has reached.
---@field tail string The text behind the cursor on its row.
---@field invoked boolean Whether the user asked for it.
---@field broken boolean Whether lines changed that are not the suggestion's.

---@class midfill.Place
---@field row integer The cursor's row, from 0.
---@field column integer The cursor's byte column.
---@field line string The cursor's line.

--- Return an LSP item's text, or nil if it has none that can be shown.
---@param raw any
---@return string|nil
local function text_of(raw)
  local text = raw.insertText
  if type(text) == "table" then
    text = text.value
  end
  if type(text) ~= "string" or text == "" then
    return nil
  end
  return (text:gsub("\r\n?", "\n"):gsub("%z", ""))
end

---@param raw any
---@param place midfill.Place
---@param encoding midfill.Encoding
---@return midfill.Item|nil
local function item_of(raw, place, encoding)
  local text = type(raw) == "table" and text_of(raw)
  if not text then
    return nil
  end
  local first, last = place.column, place.column
  local range = raw.range
  if type(range) == "table" then
    if range.start.line ~= place.row or range["end"].line ~= place.row then
      return nil
    end
    first = position.byte(place.line, range.start.character, encoding)
    last = position.byte(place.line, range["end"].character, encoding)
  end
  if first > place.column or last < place.column then
    return nil
  end
  local typed = place.line:sub(first + 1, place.column)
  local replaced = place.line:sub(place.column + 1, last)
  local rest = text:sub(#typed + 1)
  if text:sub(1, #typed) ~= typed or rest == "" or rest == replaced then
    return nil
  end
  local command = type(raw.command) == "table" and raw.command or nil
  return {
    text = text,
    before = place.line:sub(1, first),
    replaced = replaced,
    command = command,
    raw = raw,
  }
end

--- Make a suggestion of a server's reply.
---@param result any
---@param place midfill.Place Where it was asked for.
---@param encoding midfill.Encoding
---@return midfill.Suggestion|nil
function M.from_reply(result, place, encoding)
  if type(result) ~= "table" then
    return nil
  end
  local raw_items = result.items or result
  if type(raw_items) ~= "table" then
    return nil
  end
  local items, seen = {}, {}
  for _, raw in ipairs(raw_items) do
    local ok, item = pcall(item_of, raw, place, encoding)
    if ok and item and not seen[item.text] then
      seen[item.text] = true
      items[#items + 1] = item
    end
  end
  if #items == 0 then
    return nil
  end
  return {
    items = items,
    index = 1,
    row = place.row,
    last_row = place.row,
    tail = place.line:sub(place.column + 1),
    invoked = false,
    broken = false,
  }
end

--- Return the item that is shown.
---@param suggestion midfill.Suggestion
---@return midfill.Item
function M.item(suggestion)
  return suggestion.items[suggestion.index]
end

--- Return what of an item is still to come behind `typed`, or nil if it does not go on so.
---@param item midfill.Item
---@param typed string The buffer's text from the item's start to the cursor.
---@return string|nil
function M.rest(item, typed)
  if item.text:sub(1, #typed) ~= typed or #item.text == #typed then
    return nil
  end
  return item.text:sub(#typed + 1)
end

--- Return how much of a text is its first word: blanks, then letters or punctuation.
---@param text string
---@return string
local function first_word(text)
  local blanks = text:match("^%s*")
  local behind = text:sub(#blanks + 1)
  local word = behind:match("^[%w_\128-\255]+") or behind:match("^[^%w_%s\128-\255]+") or ""
  return blanks .. word
end

--- Return how much of a text is its first line, or a line end and the line behind it.
---@param text string
---@return string
local function first_line(text)
  return text:match("^\n*[^\n]*")
end

---@alias midfill.Part "all"|"word"|"line"

--- Return the part of the rest that one accept takes.
---@param rest string
---@param part midfill.Part
---@return string
function M.part(rest, part)
  if part == "word" then
    return first_word(rest)
  elseif part == "line" then
    return first_line(rest)
  end
  return rest
end

--- Tell whether a change of lines may be the typing of the suggestion's own text.
--- Follows line ends that were typed.
---@param suggestion midfill.Suggestion
---@param first integer First changed row.
---@param last integer First row behind the change, before it.
---@param new_last integer The same, after it.
---@return boolean
function M.allows_change(suggestion, first, last, new_last)
  if first < suggestion.row or last > suggestion.last_row + 1 then
    return false
  end
  suggestion.last_row = suggestion.last_row + new_last - last
  return suggestion.last_row >= suggestion.row
end

--- Move to another item.
---@param suggestion midfill.Suggestion
---@param step integer
function M.cycle(suggestion, step)
  suggestion.index = (suggestion.index - 1 + step) % #suggestion.items + 1
end

--- Select the item that is `step` items from the text shown until now. A text that is not
--- among the items counts as standing before the first one.
---@param suggestion midfill.Suggestion
---@param text string The whole text that is shown.
---@param rest string What of it is still to come.
---@param step integer
function M.cycle_from(suggestion, text, rest, step)
  for at, item in ipairs(suggestion.items) do
    if item.text == text or item.text == rest then
      suggestion.index = at
      M.cycle(suggestion, step)
      return
    end
  end
  suggestion.index = step < 0 and #suggestion.items or 1
end

return M
