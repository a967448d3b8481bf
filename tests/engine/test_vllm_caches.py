"""Where vLLM and PyTorch keep what they compile."""

import os
from pathlib import Path

import pytest

from lsp_server.engine.vllm_options import place_caches

VLLM, TORCH = "VLLM_CACHE_ROOT", "TORCHINDUCTOR_CACHE_DIR"


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Changes of the environment end with the test."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
    for name in (VLLM, TORCH, "XDG_CACHE_HOME"):
        os.environ.pop(name, None)


def test_compiled_code_is_kept_in_the_users_own_folder(tmp_path: Path) -> None:
    """Not in the temporary folder, which all users share; it need not be there yet."""
    os.environ["HOME"] = str(tmp_path / "home")
    place_caches(tmp_path / "engine")
    assert str(tmp_path / "home/.cache/vllm") == os.environ[VLLM]
    assert str(tmp_path / "home/.cache/midfill/torchinductor") == os.environ[TORCH]


@pytest.mark.parametrize("home", ["", "a-file"])
def test_a_home_that_cannot_be_written_does_not_matter(
    tmp_path: Path, home: str
) -> None:
    """Each engine then has them in its own folder, the next one in its own again."""
    file = tmp_path / "a-file"
    file.touch()
    os.environ["HOME"] = str(file) if home else ""
    for number in (1, 2):
        place_caches(tmp_path / f"engine-{number}")
        for name in (VLLM, TORCH):
            assert f"/engine-{number}/" in os.environ[name]


def test_the_users_choice_stands(tmp_path: Path) -> None:
    """What somebody has set is not overruled, wherever it is."""
    os.environ |= {VLLM: "/mine", TORCH: "/mine/too", "HOME": ""}
    place_caches(tmp_path)
    assert ("/mine", "/mine/too") == (os.environ[VLLM], os.environ[TORCH])
