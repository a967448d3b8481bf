"""What was wrong with the settings is a warning."""

from lsp_server.doctor.configuration import check_settings
from lsp_server.doctor.finding import Level
from lsp_server.settings import environment_layer, resolve


def test_settings_without_a_problem_are_ok() -> None:
    """Nothing to say, nothing to do."""
    finding = check_settings([])
    assert Level.OK is finding.level
    assert "" == finding.remedy


def test_problems_are_all_told() -> None:
    """Each setting that was not understood is named; the server runs without it."""
    layer = environment_layer(
        {"MIDFILL_ENGINE_SEED": "many", "MIDFILL_LOG_LEVEL": "loud"}
    )
    finding = check_settings(resolve([layer]).problems)
    assert Level.WARNING is finding.level
    assert "many" in finding.what
    assert "loud" in finding.what
    assert finding.remedy
