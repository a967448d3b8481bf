"""Two front ends share one real engine."""

import sys
from pathlib import Path

import psutil
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))

from team_server import SETTINGS, team_server
from two_front_ends import NAMES, connected, front_ends, ready, suggestion

pytestmark = pytest.mark.engine

REAL = {
    name: value for name, value in SETTINGS.items() if not name.startswith("MIDFILL_SC")
} | {"MIDFILL_ENGINE_KIND": "vllm", "MIDFILL_LISTEN_FRONT_ENDS": "2"}


async def test_editors_of_both_get_what_the_engine_writes(tmp_path: Path) -> None:
    """The same for the same text; neither of the two loads PyTorch or a model."""
    with team_server(tmp_path, REAL) as server:
        await ready(server, limit_s=300)
        editors = [await connected(server, name) for name in NAMES]
        text = "def add(first, second):\n    return first "
        found = [await suggestion(editor, text) for editor in editors]
        assert ["+ second", "+ second"] == found
        for process_id in front_ends(server).values():
            process = psutil.Process(process_id)
            loaded = {Path(each.path).name for each in process.memory_maps()}
            assert not any(name.startswith("libtorch") for name in loaded)
            assert process.memory_info().rss < 200 << 20
        engines = [
            each
            for each in psutil.Process(server.process.pid).children(recursive=True)
            if "EngineCore" in each.name() + str(each.cmdline())
        ]
        assert 1 == len(engines)
        for editor in editors:
            editor.hang_up()
