"""Measures key-to-ghost latency in the real Neovim, with the real engine.

    python -m benchmarks.neovim_latency [RESULTS.json]

It needs what ``make install-editors`` obtains. The time runs, by Neovim's own clock,
from the moment the key is handed to Neovim to the moment its ghost text is drawn. Then
it types into a file of 5 MB, and notes what of each key's time is the plugin's own.
"""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "editors"))

from editor_server import write_server
from neovim_driver import Neovim
from neovim_home import home_in
from obtain.record import ROOT, program

from benchmarks.editor_latency import CASES, Place, prepare_files, write_results

FILES = 24
WARM_UP_FILES = 2
LIMIT_MS = 10_000
LOAD_MS = 300_000
LARGE_BYTES = 5_000_000
KEYS = 40
LINE = "    value = compute(value, other) + 1\n"

# Notes how long the plugin holds Neovim: what runs at a key, and what asks.
TIME_THE_PLUGIN = """
local session = require("midfill.session")
_G.spent_ms = {}
session.timed = function(name, handler, ...)
  local began = (vim.uv or vim.loop).hrtime()
  handler(...)
  table.insert(_G.spent_ms, ((vim.uv or vim.loop).hrtime() - began) / 1e6)
end
"""

# Hands a key to Neovim and tells how long its ghost text took; false if the server has
# nothing to show, or after the limit.
LISTEN = """
local key, limit_ms, channel = ...
local uv = vim.uv or vim.loop
local began = uv.hrtime()
local told = false
local function tell(took)
  if not told then
    told = true
    vim.rpcnotify(channel, "midfill", "Took", { ms = took })
  end
end
vim.api.nvim_create_autocmd("User", {
  pattern = "MidfillShown",
  once = true,
  callback = function() tell((uv.hrtime() - began) / 1e6) end,
})
vim.api.nvim_create_autocmd("User", {
  pattern = "MidfillNothing",
  once = true,
  callback = function() tell(false) end,
})
vim.defer_fn(function() tell(false) end, limit_ms)
vim.api.nvim_input(key)
"""


def go_to(neovim: Neovim, place: Place) -> None:
    """Put the cursor at a place, with no ghost text there."""
    neovim.type_out(f"<Esc>{place.line}GA")
    neovim.call("dismiss")


def measure(neovim: Neovim, key: str) -> float | None:
    """Press a key, and return how long its ghost text took; then take it away."""
    neovim.lua(LISTEN, "<CR>" if key == "\n" else key, LIMIT_MS, neovim.channel)
    took = neovim.wait("Took").data["ms"]
    neovim.call("dismiss")
    return float(took) if isinstance(took, float | int) and took else None


def time_the_plugin(neovim: Neovim, folder: Path) -> list[float]:
    """Type into a large file, and return how long each step held Neovim, in ms."""
    neovim.edit(folder / "large.py", LINE * (LARGE_BYTES // len(LINE)))
    neovim.wait("Attached")
    neovim.lua(TIME_THE_PLUGIN)
    neovim.type_out("Go")
    for _ in range(KEYS):
        neovim.type("z")
        neovim.wait("Asked")
    neovim.type_out("<Esc>")
    spent_ms = neovim.lua("return _G.spent_ms")
    return [float(each) for each in spent_ms] if isinstance(spent_ms, list) else []


def main() -> None:
    """Measure, print the figures and write them."""
    into = ROOT / "benchmarks" / "results" / "editor_latency_neovim.json"
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else into
    samples: dict[str, list[float | None]] = {case: [] for case in CASES}
    with tempfile.TemporaryDirectory(prefix="midfill-latency-") as name:
        folder = Path(name)
        server = write_server(folder / "server", {"ENGINE_KIND": "vllm"})
        neovim = Neovim(program("nvim-0.12"), home_in(folder))
        try:
            neovim.setup(server={"command": server.command})
            neovim.edit(folder / "empty.py")
            neovim.wait("Status", within_ms=LOAD_MS, state="ready")
            for number, file in enumerate(prepare_files(ROOT, FILES + WARM_UP_FILES)):
                neovim.edit(folder / file.name, file.text)
                neovim.command("set autoindent")
                for place in file.places:
                    go_to(neovim, place)
                    took = measure(neovim, place.key)
                    if number < WARM_UP_FILES:
                        continue
                    samples[place.case].append(took)
                    if place.next_key:
                        samples["next"].append(measure(neovim, place.next_key))
            in_plugin_ms = time_the_plugin(neovim, folder)
            neovim.quit()
        finally:
            neovim.end()
            server.end()
    write_results(target, "Neovim 0.12.4", samples, handler_ms=in_plugin_ms)
    print(target.read_text())


if __name__ == "__main__":
    main()
