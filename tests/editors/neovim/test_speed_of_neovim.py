"""What the plugin costs per key, in a small file and in one of 5 MB."""

from pathlib import Path

import pytest
from editor_server import ScriptedServer
from neovim_driver import TEXT
from neovim_fixtures import Started

pytestmark = pytest.mark.editor

KEYS = 40
LIMIT_MS = 5.0

_MEASURE = """
local session = require("midfill.session")
_G.spent_ms = {}
session.timed = function(name, handler, ...)
  local started = (vim.uv or vim.loop).hrtime()
  handler(...)
  table.insert(_G.spent_ms, { name, ((vim.uv or vim.loop).hrtime() - started) / 1e6 })
end
"""


@pytest.mark.parametrize("size_bytes", [1_000, 5_000_000])
def test_a_key_costs_less_than_5_ms(
    start: Started, scripted_server: ScriptedServer, tmp_path: Path, size_bytes: int
) -> None:
    """Half of all keys, and of all requests that follow, take far less than a frame."""
    server = scripted_server(TEXT)
    neovim = start()
    neovim.setup(server={"command": server.command})
    line = "    value = compute(value, other) + 1\n"
    neovim.edit(tmp_path / "a.py", line * (size_bytes // len(line)))
    neovim.wait("Status", state="ready")
    neovim.lua(_MEASURE)
    neovim.type_out("Go")
    for _ in range(KEYS):
        neovim.type("z")
        neovim.wait("Asked")
    neovim.type_out("<Esc>")
    spent = neovim.lua("return _G.spent_ms")
    assert isinstance(spent, list)
    for name in ["key", "ask"]:
        times_ms = sorted(ms for kind, ms in spent if kind == name)
        assert len(times_ms) >= KEYS
        median_ms = times_ms[len(times_ms) // 2]
        assert median_ms < LIMIT_MS, f"{name}: {median_ms} ms"
    neovim.quit()
