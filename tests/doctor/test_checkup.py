"""The checks run in their order, and the engine only if it can start."""

from pathlib import Path

import pytest

from lsp_server.config import (
    CompletionConfig,
    Config,
    Device,
    EngineConfig,
    EngineKind,
    ModelConfig,
    RegistryConfig,
)
from lsp_server.doctor.checkup import check_offered, check_settings, examine
from lsp_server.doctor.findings import Finding, Level
from lsp_server.engine.vllm_build import build_device, installed_vllm
from lsp_server.errors import ConfigError
from lsp_server.setting_layers import environment_layer
from lsp_server.settings import resolve

SCRIPTED = EngineConfig(kind=EngineKind.SCRIPTED)
PROBLEM = ConfigError("a problem", subject="file", remedy="Mend it")
SETTINGS = ["python", "settings", "completions"]
MACHINE = ["cpu", "torch origin", "torch", "driver", "gpu", "vllm", "kernels"]


def names(findings: list[Finding]) -> list[str]:
    """Return the checks that were made."""
    return [finding.name for finding in findings]


def test_scripted_engine_needs_no_machine() -> None:
    """Where no model computes, PyTorch and GPU are left alone; a token comes out."""
    findings = list(examine(Config(engine=SCRIPTED), []))
    assert [*SETTINGS, "engine", "model", "generation"] == names(findings)
    assert {Level.OK, Level.WARNING} == {finding.level for finding in findings}


def test_missing_model_keeps_the_engine_from_starting(tmp_path: Path) -> None:
    """Everything else is checked, for real; the generation is not tried."""
    config = Config(model=ModelConfig(path=str(tmp_path)))
    findings = list(examine(config, [PROBLEM]))
    assert [*SETTINGS, *MACHINE, "model", "generation"] == names(findings)
    failed = [finding for finding in findings if finding.level is Level.FAILURE]
    assert ["model", "generation"] == names(failed)
    assert "not tried" in failed[1].what


def test_pulled_model_is_looked_at(tmp_path: Path) -> None:
    """A model's name leads to the folder of pulled models, as in the server."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "manifest.json").write_text("no manifest")
    config = Config(
        engine=SCRIPTED,
        model=ModelConfig(path="mine"),
        registry=RegistryConfig(folder=str(tmp_path)),
    )
    (model,) = (f for f in examine(config, []) if f.name == "model")
    assert str(tmp_path / "mine" / "manifest.json") in model.what


def test_failure_of_the_machine_keeps_the_engine_from_starting() -> None:
    """A device that the installed build cannot drive fails, and nothing starts."""
    build = build_device(installed_vllm())
    other = Device.CUDA if build is Device.CPU else Device.CPU
    config = Config(engine=EngineConfig(device=other))
    findings = {finding.name: finding for finding in examine(config, [])}
    assert Level.FAILURE is findings["vllm"].level
    assert "not tried" in findings["generation"].what


def test_findings_come_one_by_one() -> None:
    """The first one is there before anything slow has begun."""
    assert "python" == next(examine(Config(), [])).name


def test_completions_that_are_switched_off_still_show_the_engine_to_work() -> None:
    """Two findings for two questions: are they offered, and would they come?"""
    config = Config(
        engine=SCRIPTED,
        completion=CompletionConfig(enabled=False, disabled_languages="python"),
    )
    findings = {finding.name: finding for finding in examine(config, [])}
    assert Level.FAILURE is findings["completions"].level
    assert Level.OK is findings["generation"].level


def test_each_problem_is_a_finding() -> None:
    """Each setting that was not understood is named, with what to do about it."""
    (finding,) = check_settings([])
    assert (Level.OK, "") == (finding.level, finding.remedy)
    layer = environment_layer(
        {"MIDFILL_ENGINE_SEED": "many", "MIDFILL_LOG_LEVEL": "loud"}
    )
    seed, level = check_settings(resolve([layer]).problems)
    assert {Level.WARNING} == {seed.level, level.level}
    assert 'MIDFILL_ENGINE_SEED = "many" is not accepted' in seed.what
    assert "loud" in level.what
    assert seed.remedy.startswith("use a whole number")


@pytest.mark.parametrize(
    ("config", "level", "expected_text"),
    [
        (CompletionConfig(), Level.OK, "offered in every language"),
        (CompletionConfig(enabled=False), Level.FAILURE, "switched off"),
        (
            CompletionConfig(disabled_languages="go  rust"),
            Level.WARNING,
            "switched off for go, rust",
        ),
    ],
)
def test_switched_off_is_reported(
    config: CompletionConfig, level: Level, expected_text: str
) -> None:
    """A user who wonders why there is nothing finds the setting."""
    finding = check_offered(config)
    assert (level, expected_text) == (finding.level, finding.what)
    assert bool(finding.remedy) == (level is not Level.OK)
