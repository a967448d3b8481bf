"""The model's folder is loaded as the server would, and judged."""

import shutil
from pathlib import Path

import pytest

from lsp_server.config import Device
from lsp_server.doctor.finding import Level
from lsp_server.doctor.model_files import check_model, try_model
from lsp_server.modelstore.locate import locate


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped model, to be damaged."""
    return Path(shutil.copytree(locate("midfill-starter-88m"), tmp_path / "model"))


def test_shipped_model_is_described() -> None:
    """Name, quantisation, family, context and number of files."""
    finding = check_model(try_model("midfill-starter-88m", Device.CPU))
    assert Level.OK is finding.level
    for told in ("midfill-starter-88m", "4-bit gptq", "family midfill", "5 files"):
        assert told in finding.what


def test_changed_file_is_a_failure(folder: Path) -> None:
    """The file is named, and what to do."""
    with (folder / "config.json").open("a", encoding="utf-8") as file:
        file.write("\n")
    finding = check_model(try_model(str(folder), Device.CPU))
    assert Level.FAILURE is finding.level
    assert "config.json" in finding.what
    assert finding.remedy


def test_missing_model_is_a_failure(tmp_path: Path) -> None:
    """The place is named."""
    finding = check_model(try_model(str(tmp_path / "nothing"), Device.CPU))
    assert Level.FAILURE is finding.level
    assert "nothing" in finding.what
    assert finding.remedy
