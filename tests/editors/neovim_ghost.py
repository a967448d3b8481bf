"""The ghost text that a Neovim draws, read from its marks."""

from dataclasses import dataclass

__all__ = ["FIND_GHOSTS", "Ghost"]

FIND_GHOSTS = """
local found = {}
for name, namespace in pairs(vim.api.nvim_get_namespaces()) do
  if name == "midfill" or name == "nvim.lsp.inline_completion" then
    local marks = vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, { details = true })
    for _, mark in ipairs(marks) do
      local parts = { mark[4].virt_text[1][1] }
      for _, line in ipairs(mark[4].virt_lines or {}) do
        parts[#parts + 1] = line[1][1]
      end
      found[#found + 1] = { mark[2], mark[3], table.concat(parts, "\\n") }
    end
  end
end
return found
"""
"""Lua that returns the row, the byte column and the text of each ghost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ghost:
    """The ghost text that is drawn.

    Attributes:
        row: The row of its mark, from 0.
        column: The byte column of its mark.
        text: Its lines.
    """

    row: int
    column: int
    text: str
