"""Makes tasks, data files and scripted engines."""

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from lsp_server.config import SHIPPED_MODEL, Device, EngineConfig
from lsp_server.engine.base import Engine
from lsp_server.engine.scripted import Script, ScriptedEngine
from lsp_server.modelstore.locate import shipped_models
from training.eval.evaluation import StartEngine
from training.eval.model import (
    EvaluatedModel,
    ModelArgument,
    load_evaluated_model,
)
from training.eval.values import Extent, Score, Task, View


@pytest.fixture(scope="session")
def model() -> EvaluatedModel:
    """Return the shipped model."""
    return load_evaluated_model(
        ModelArgument(name="", place=str(shipped_models()[SHIPPED_MODEL])), Device.CPU
    )


@pytest.fixture
def make_task() -> Callable[..., Task]:
    """Return what makes a task; what is not said is small and sound."""

    def make(
        *,
        middle: str = "    return a + b\n",
        extent: Extent = Extent.LINE,
        **others: object,
    ) -> Task:
        values: dict[str, object] = {
            "task_id": "SingleLineInfilling/HumanEval/0/L0",
            "category": "single-line",
            "group": "HumanEval/0",
            "prefix": "def add(a, b):\n",
            "middle": middle,
            "suffix": "\n\ndef other():\n    pass\n",
            "extent": extent,
            "max_tokens": 48,
            "test": None,
        }
        return Task(**{**values, **others})  # type: ignore[arg-type]  # a test's own

    return make


@pytest.fixture
def make_score() -> Callable[..., Score]:
    """Return what makes a score."""

    def make(task_id: str, **others: object) -> Score:
        values: dict[str, object] = {
            "task_id": task_id,
            "category": "single-line",
            "group": task_id,
            "view": View.WITH_SUFFIX,
            "completion": "x = 1",
            "exact": True,
            "similarity": 1.0,
            "stops": True,
            "kept_chars": 5,
            "suggested_chars": 5,
        }
        return Score(**{**values, **others})  # type: ignore[arg-type]  # a test's own

    return make


@pytest.fixture
def write_lines(tmp_path: Path) -> Callable[[str, Sequence[object]], Path]:
    """Return what writes gzipped JSON lines."""

    def write(name: str, rows: Sequence[object]) -> Path:
        path = tmp_path / name
        with gzip.open(path, "wt", encoding="utf-8") as file:
            file.writelines(f"{json.dumps(row)}\n" for row in rows)
        return path

    return write


@pytest.fixture
def rows() -> list[Mapping[str, str]]:
    """Return tasks of both sets in the benchmark's form, written for this test."""
    single = {
        "task_id": "SingleLineInfilling/HumanEval/0/L0",
        "entry_point": "double",
        "prompt": "def double(x):\n    y = 2\n",
        "suffix": "",
        "canonical_solution": "    return x * y\n",
        "test": "def check(candidate):\n    assert candidate(4) == 8\n",
    }
    other = {
        **single,
        "task_id": "SingleLineInfilling/HumanEval/2/L0",
        "prompt": "def double(x):\n",
        "canonical_solution": "    y = 2\n",
        "suffix": "    return x * y\n",
    }
    span = {
        **single,
        "task_id": "RandomSpanInfillingLight/HumanEval/0/1",
        "prompt": "def double(x):\n    y = 2\n    ret",
        "suffix": " y\n",
        "canonical_solution": "urn x *",
    }
    return [single, other, span]


@pytest.fixture
def answer_with() -> Callable[[str], StartEngine]:
    """Return what starts an engine that answers everything with one text, and ends."""

    def make(text: str) -> StartEngine:
        async def start(model: EvaluatedModel, _config: EngineConfig) -> Engine:
            ids = model.tokenizer.encode(text)
            return await ScriptedEngine.start(Script(answer_ids=ids))

        return start

    return make
