"""The real engine and the shipped model in the real VS Code."""

import contextlib
from pathlib import Path

import psutil
import pytest
from editor_server import write_server
from vscode.windows import Windows

pytestmark = [pytest.mark.editor, pytest.mark.engine, pytest.mark.slow]

STOCK = """\
class Stock:
    def __init__(self, items: list[int]) -> None:
        self.items = items

    def __len__(self) -> int:
        """


def test_a_completion_and_the_end_of_the_engine(
    windows: Windows, tmp_path: Path
) -> None:
    """It loads, completes, is reported when it is killed, and goes with its window."""
    server = write_server(tmp_path / "server", {"ENGINE_KIND": "vllm"})
    where = {"midfill.server.path": str(server.program)}
    window = windows.open(where, {"stock.py": STOCK}, file="stock.py")
    window.wait_for_status(r"^\$\(loading\) Midfill \d+%$", 60_000)
    window.shot("real-loading")
    window.wait_until_ready(timeout_s=240)
    window.focus()
    window.type("re")
    window.page.wait_for_function("midfillDom.ghost() !== ''", timeout=60_000)
    ghost = window.ghost
    window.shot("real-ghost")
    window.press("Tab")
    window.wait_for_no_ghost()
    first = ghost.split("\n")[0]
    assert f"        re{first}" == window.lines[5]
    (process,) = (psutil.Process(pid) for pid in server.pids)
    for child in process.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    window.message("engine").first.wait_for()
    window.wait_for_status(r"^\$\(loading\) Midfill")
    window.shot("real-engine-killed")
    assert 1 == len(window.messages)
    window.close()
    server.assert_gone()
