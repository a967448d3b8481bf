"""What was wrong with the settings is a warning, and switched off is a failure."""

import pytest

from lsp_server.config import CompletionConfig
from lsp_server.doctor.configuration import check_offered, check_settings
from lsp_server.doctor.finding import Level
from lsp_server.settings import environment_layer, resolve


def test_settings_without_a_problem_are_ok() -> None:
    """Nothing to say, nothing to do."""
    (finding,) = check_settings([])
    assert Level.OK is finding.level
    assert "" == finding.remedy


def test_each_problem_is_a_finding() -> None:
    """Each setting that was not understood is named, with what to do about it."""
    layer = environment_layer(
        {"MIDFILL_ENGINE_SEED": "many", "MIDFILL_LOG_LEVEL": "loud"}
    )
    seed, level = check_settings(resolve([layer]).problems)
    assert {Level.WARNING} == {seed.level, level.level}
    assert 'MIDFILL_ENGINE_SEED = "many" is not accepted' in seed.what
    assert "loud" in level.what
    assert seed.remedy.startswith("use a whole number")


@pytest.mark.parametrize(
    ("config", "level", "told"),
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
def test_switched_off_is_told(
    config: CompletionConfig, level: Level, told: str
) -> None:
    """A user who wonders why there is nothing finds the setting."""
    finding = check_offered(config)
    assert (level, told) == (finding.level, finding.what)
    assert bool(finding.remedy) == (level is not Level.OK)
