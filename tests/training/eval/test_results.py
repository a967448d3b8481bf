"""Results are written whole, and hold no more text than the completions."""

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lsp_server.config import SHIPPED_MODEL, Dtype
from lsp_server.engine_values import EngineInfo
from lsp_server.errors import EvaluationError
from training.eval.evaluation import Outcome
from training.eval.machine import Machine
from training.eval.model import EvaluatedModel
from training.eval.report import Report, make_report
from training.eval.results import prepare_folder, write_results
from training.eval.values import Score, View


@pytest.fixture
def report(model: EvaluatedModel, make_score: Callable[..., Score]) -> Report:
    """Return a report of a model and a baseline."""
    engine = EngineInfo(name="scripted", version="1", device="cpu", max_model_len=9)
    scores = [make_score("a", passed=True), make_score("b", passed=True)]
    scores += [
        make_score(each, view=View.NO_SUFFIX, exact=False, passed=False)
        for each in "ab"
    ]
    worse = [replace(score, exact=False) for score in scores]
    return Report(
        suite="human-eval-infilling",
        date="2026-01-31",
        seed=0,
        data={"a.jsonl.gz": "0" * 64},
        packages=(None, None),
        machine=Machine(
            cpu="some CPU",
            cores=2,
            gpus=("some GPU",),
            versions={"python": "3"},
            commit=None,
        ),
        outcomes=(
            Outcome(
                model=model,
                engine=engine,
                dtype=Dtype.AUTO,
                scores=tuple(scores),
            ),
            Outcome(
                model=replace(model, name="pilot $1$"),
                engine=engine,
                dtype=Dtype.FLOAT32,
                scores=tuple(worse),
            ),
        ),
    )


def test_table(report: Report) -> None:
    """The table has a row for each model and view, and the differences."""
    _, table = make_report(report)
    assert (
        f"| single-line (2) | {SHIPPED_MODEL} | with suffix "
        "| 100.0 % (100.0 to 100.0) | 100.0 % (100.0 to 100.0) "
        "| 100.0 % | 100.0 % | 100.0 % |"
    ) in table
    assert "| single-line (2) | pilot $1$ | no suffix | 0.0 % (0.0 to 0.0) |" in table
    assert "suffix gain | exact match | +100.0 (+100.0 to +100.0) |" in table
    assert f"{SHIPPED_MODEL} less pilot $1$ | exact match | +100.0" in table
    assert "dtype float32" in table
    assert "2 cores of some CPU, some GPU" in table


def test_values(report: Report) -> None:
    """The values hold every task, the sums, and what it was measured with."""
    values, _ = make_report(report)
    decoded = json.loads(json.dumps(values))
    model, pilot = decoded["models"]
    assert 4 == len(model["tasks"])
    assert "with suffix" == model["tasks"][0]["view"]
    assert 100.0 == model["summary"][0]["exact"]["value"]
    assert [100.0, 100.0] == [each["points"]["value"] for each in model["suffix_gain"]]
    assert [] == model["first_model_leads_by"]
    assert 100.0 == pilot["first_model_leads_by"][0]["points"]["value"]
    assert {"model.safetensors"} == model["sha256"].keys()


def test_written(report: Report, tmp_path: Path) -> None:
    """Three files, over older ones, and nothing half-written beside them."""
    folder = tmp_path / "new" / "folder"
    prepare_folder(folder)
    (folder / "results.json").write_text("old")
    write_results(folder, report)
    names = {path.name for path in folder.iterdir()}
    assert {"results.json", "results.md", "results.svg"} == names
    assert (
        "human-eval-infilling"
        == json.loads((folder / "results.json").read_text())["suite"]
    )
    assert "(results.svg)" in (folder / "results.md").read_text()


def test_plot(report: Report, tmp_path: Path) -> None:
    """A well-formed picture with every name and share, equal for equal results."""
    pictures = []
    for name in ("one", "two"):
        prepare_folder(tmp_path / name)
        write_results(tmp_path / name, report)
        pictures.append((tmp_path / name / "results.svg").read_text())
    assert pictures[0] == pictures[1]
    root = ET.fromstring(pictures[0])  # noqa: S314 - written by the lines above
    texts = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    expected = {"human-eval-infilling", "single-line", "pilot $1$, no suffix", "100"}
    assert expected <= set(texts)
    assert (1, 3) == (texts.count("100.0"), texts.count("0.0"))


def test_no_folder(report: Report, tmp_path: Path) -> None:
    """A place that cannot be written to is reported, before and after."""
    (tmp_path / "file").touch()
    for attempt in (prepare_folder, lambda folder: write_results(folder, report)):
        with pytest.raises(EvaluationError, match="--out"):
            attempt(tmp_path / "file")
