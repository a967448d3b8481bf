"""The whole way with the real engine and the shipped model, on tasks of our own."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from lsp_server.__main__ import main

pytestmark = [
    pytest.mark.engine,
    # vLLM's import warns of PyTorch's plans.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def test_shipped_model(
    write_lines: Callable[[str, Sequence[object]], Path],
    rows: Sequence[Mapping[str, str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is asked with and without suffix, tested, and the results are written."""
    monkeypatch.setenv("MIDFILL_ENGINE_KV_CACHE_MEMORY_BYTES", str(96 << 20))
    data = write_lines("a.jsonl.gz", rows)
    order = ["eval", "--suite", "human-eval-infilling", "--data", str(data), "--json"]
    assert 0 == main([*order, "--out", str(tmp_path / "out")])
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "out" / "results.json").read_text())
    [model] = printed["models"]
    assert "vllm" == model["engine"]["name"]
    assert {(row["task_id"], view) for row in rows for view in _VIEWS} == {
        (task["task_id"], task["view"]) for task in model["tasks"]
    }
    assert all(isinstance(task["passed"], bool) for task in model["tasks"])
    assert any(task["completion"].strip() for task in model["tasks"])


_VIEWS = ("with suffix", "no suffix")
