--- Converts between byte columns, which Neovim counts, and a server's columns.
---
--- Own code, for Neovim's differs between versions, and 0.10's is wrong in UTF-16 behind
--- characters outside of the Basic Multilingual Plane.

local M = {}

---@alias midfill.Encoding "utf-8"|"utf-16"|"utf-32"

--- The length in bytes of the character whose first byte this is.
---@param byte integer
---@return integer
local function width(byte)
  if byte < 0xC2 then
    return 1
  elseif byte < 0xE0 then
    return 2
  elseif byte < 0xF0 then
    return 3
  elseif byte < 0xF5 then
    return 4
  end
  return 1
end

--- The length in bytes of the character at `at`; a byte that is no UTF-8 counts alone.
---@param line string
---@param at integer From 1.
---@return integer
local function character_bytes(line, at)
  local bytes = width(line:byte(at))
  for follow = at + 1, at + bytes - 1 do
    local byte = line:byte(follow)
    if not byte or byte < 0x80 or byte > 0xBF then
      return 1
    end
  end
  return bytes
end

---@param bytes integer
---@param encoding midfill.Encoding
---@return integer
local function units(bytes, encoding)
  if encoding == "utf-8" then
    return bytes
  end
  return (encoding == "utf-16" and bytes == 4) and 2 or 1
end

---@param line string
---@param bytes integer
---@return boolean
local function is_ascii(line, bytes)
  local first = line:find("[\128-\255]")
  return first == nil or first > bytes
end

--- Return the server's column of a byte column.
---@param line string
---@param byte_column integer From 0.
---@param encoding midfill.Encoding
---@return integer
function M.character(line, byte_column, encoding)
  local last = math.min(byte_column, #line)
  if encoding == "utf-8" or is_ascii(line, last) then
    return last
  end
  local at, column = 1, 0
  while at <= last do
    local bytes = character_bytes(line, at)
    column = column + units(bytes, encoding)
    at = at + bytes
  end
  return column
end

--- Return the byte column of a server's column, at most the line's length.
---@param line string
---@param character integer From 0.
---@param encoding midfill.Encoding
---@return integer
function M.byte(line, character, encoding)
  if encoding == "utf-8" or is_ascii(line, math.min(character, #line)) then
    return math.min(character, #line)
  end
  local at, column = 1, 0
  while at <= #line and column < character do
    local bytes = character_bytes(line, at)
    column = column + units(bytes, encoding)
    at = at + bytes
  end
  return at - 1
end

--- Count code points.
---@param text string
---@return integer
function M.code_points(text)
  return M.character(text, #text, "utf-32")
end

return M
