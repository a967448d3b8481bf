"""Where PyTorch came from is found in an environment's files, and judged."""

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from lsp_server.doctor.finding import Level
from lsp_server.doctor.torch_installs import (
    TorchCopy,
    TorchInstalls,
    check_torch_installs,
    find_torch_installs,
)


def environment(
    prefix: Path,
    *,
    copies: Sequence[tuple[str, str, str]] = (),
    conda: Sequence[str] = (),
) -> TorchInstalls:
    """Make an environment's records, and read them.

    Args:
        prefix: Where.
        copies: Folder, version and installer of what Python's records shall say.
        conda: The names of conda's records.
    """
    folders = []
    for folder, version, installer in copies:
        record = prefix / folder / f"torch-{version}.dist-info"
        record.mkdir(parents=True)
        if installer:
            (record / "INSTALLER").write_text(f"{installer}\n", encoding="utf-8")
        folders.append(prefix / folder)
    (prefix / "conda-meta").mkdir(parents=True)
    for name in conda:
        (prefix / "conda-meta" / f"{name}.json").write_text("{}", encoding="utf-8")
    return find_torch_installs(prefix, folders)


@pytest.mark.parametrize(
    ("copies", "conda", "level", "told"),
    [
        ([("a", "2.13.0+cpu", "uv")], [], Level.OK, "one copy: torch 2.13.0+cpu by uv"),
        ([("a", "2.13.0", "")], [], Level.OK, "by an unknown installer"),
        ([("a", "2.13.0", "pip")], ["python-3.12.4-h1_0"], Level.OK, "by pip"),
        ([], [], Level.FAILURE, "no PyTorch"),
        (
            [("a", "2.13.0", "pip"), ("b", "2.9.1", "pip")],
            [],
            Level.FAILURE,
            "installed at once",
        ),
        (
            [("a", "2.13.0", "pip")],
            ["pytorch-2.9.1-cuda129_py312_0"],
            Level.FAILURE,
            "conda's pytorch 2.9.1 lie over each other",
        ),
        (
            [("a", "2.13.0", "pip")],
            ["libtorch-2.9.1-cpu_0"],
            Level.FAILURE,
            "conda's libtorch 2.9.1",
        ),
        (
            [("a", "2.13.0", "conda")],
            ["pytorch-2.13.0-cuda130_py312_0"],
            Level.WARNING,
            "compiled against PyPI's build",
        ),
        ([("a", "2.13.0", "conda")], [], Level.WARNING, "by conda"),
        (
            [("a", "2.13.0", "pip")],
            ["cuda-cudart-13.0.48-h1_0", "cudnn-9.8-h2_0"],
            Level.WARNING,
            "cuda-cudart 13.0.48, cudnn 9.8",
        ),
    ],
)
def test_judgement(
    tmp_path: Path,
    copies: Sequence[tuple[str, str, str]],
    conda: Sequence[str],
    level: Level,
    told: str,
) -> None:
    """One copy from one installer is ok; a mixture is told with who brought what."""
    finding = check_torch_installs(environment(tmp_path, copies=copies, conda=conda))
    assert level is finding.level
    assert told in finding.what
    assert bool(finding.remedy) == (level is not Level.OK)


def test_other_records_are_passed_over(tmp_path: Path) -> None:
    """A package whose name only begins like PyTorch's, and nonsense, do not count."""
    (tmp_path / "a" / "torchvision-0.28.0.dist-info").mkdir(parents=True)
    found = environment(
        tmp_path,
        copies=[("a", "2.13.0", "pip")],
        conda=["pytorch-mutex-1.0-cuda", "history", "cuda"],
    )
    assert ("2.13.0",) == tuple(copy.version for copy in found.copies)
    assert () == found.conda_torch
    assert () == found.conda_cuda


def test_a_folder_named_twice_is_one_place(tmp_path: Path) -> None:
    """Python's path may repeat a folder; its PyTorch is one copy."""
    environment(tmp_path, copies=[("a", "2.13.0", "pip")])
    found = find_torch_installs(tmp_path, [tmp_path / "a", tmp_path / "a"])
    copy = TorchCopy(version="2.13.0", folder=tmp_path / "a", installer="pip")
    assert (copy,) == found.copies


def test_this_environment_has_one_copy() -> None:
    """What the tests themselves run on was installed by one installer."""
    found = find_torch_installs(Path(sys.prefix), [Path(p) for p in sys.path if p])
    assert 1 == len(found.copies)
    assert "conda" != found.copies[0].installer
