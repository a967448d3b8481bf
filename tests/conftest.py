"""What holds for every test, and fixtures that make small real model folders."""

import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).with_name("servers")))

from own_models import OWN_FILLS, OwnModel, like_the_shipped

from lsp_server.modelstore.manifest import (
    Manifest,
    Provenance,
    Quantisation,
    write_manifest,
)
from lsp_server.modelstore.verify import describe_files

# No test has a setting of the shell that runs it. What a test wants, it sets itself.
for name in [name for name in os.environ if name.startswith("MIDFILL_")]:
    del os.environ[name]

# Every test has the servers that it starts: none attaches to a daemon of the user's,
# or leaves one behind. What is about the daemon says so itself.
os.environ["MIDFILL_DAEMON_MODE"] = "never"
# Nor has one the settings of whoever runs the tests. Pip's settings, which tests need,
# are found by XDG_CONFIG_HOME as well, so that stays as it is.
os.environ["MIDFILL_CONFIG"] = str(Path(__file__).with_name("no_settings.toml"))
# Nor do they write into the record of whoever runs them.
os.environ["MIDFILL_TELEMETRY_STORE"] = "false"

# Nor does a server index a folder of a test's into the user's cache.
os.environ["MIDFILL_CONTEXT_INDEX"] = "false"

# PyTorch makes this folder as it is imported, else in that of temporary files.
os.environ.setdefault(
    "TORCHINDUCTOR_CACHE_DIR",
    str(Path(__file__).parents[1] / ".pytest_cache" / "torchinductor"),
)

# A shell without job control has what it runs in the background ignore Ctrl-C, and what
# the tests start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is slow now and then, and that is no failure of what is tested. The
# examples are the same in each run; `--hypothesis-profile=explore` has new ones.
settings.register_profile(
    "explore", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("midfill", settings.get_profile("explore"), derandomize=True)
settings.load_profile("midfill")

Tensors: TypeAlias = Mapping[str, tuple[str, tuple[int, ...]]]
WriteWeights: TypeAlias = Callable[[Path, Tensors], None]
EditJson: TypeAlias = Callable[[Path, Callable[[dict[str, object]], object]], None]
DescribeAgain: TypeAlias = Callable[[Path], Manifest]

ITEM_BYTES = {"F16": 2, "BF16": 2, "I32": 4, "F32": 4}


@pytest.fixture
def write_weights() -> WriteWeights:
    """Return a writer of safetensors files whose tensors are all ones."""

    def write(path: Path, tensors: Tensors) -> None:
        header: dict[str, object] = {"__metadata__": {"format": "pt"}}
        data = b""
        for name, (dtype, shape) in tensors.items():
            items = 1
            for size in shape:
                items *= size
            first = len(data)
            data += b"\1" * (items * ITEM_BYTES[dtype])
            header[name] = {
                "dtype": dtype,
                "shape": list(shape),
                "data_offsets": [first, len(data)],
            }
        encoded = json.dumps(header).encode()
        path.write_bytes(len(encoded).to_bytes(8, "little") + encoded + data)

    return write


@pytest.fixture
def edit_json() -> EditJson:
    """Return an editor of JSON files: the change gets the decoded object."""

    def edit(path: Path, change: Callable[[dict[str, object]], object]) -> None:
        content = json.loads(path.read_text(encoding="utf-8"))
        change(content)
        path.write_text(json.dumps(content), encoding="utf-8")

    return edit


def manifest_of(folder: Path) -> Manifest:
    """Describe the folder as it is."""
    return Manifest(
        name="tiny",
        family="midfill",
        architecture="LlamaForCausalLM",
        tokenizer="tokenizer.json",
        context_length=128,
        parameters=1234,
        dtype="bfloat16",
        licence="Apache-2.0",
        quantisation=Quantisation(
            method="gptq",
            bits=4,
            group_size=64,
            sym=True,
            desc_act=False,
            tool="auto-gptq 0.7.1",
        ),
        provenance=Provenance(
            source="tiny-bf16",
            source_sha256="0" * 64,
            calibration="none",
            date="2026-01-31",
            training="none",
        ),
        files=describe_files(folder),
    )


@pytest.fixture
def describe_again() -> DescribeAgain:
    """Return what rewrites a folder's manifest, as an attacker would."""

    def describe(folder: Path) -> Manifest:
        manifest = manifest_of(folder)
        write_manifest(folder, manifest)
        return manifest

    return describe


@pytest.fixture(scope="session", params=sorted(OWN_FILLS))
def own_model(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> OwnModel:
    """Return the shipped model as one of each family of Midfill's own."""
    folder = tmp_path_factory.mktemp("own")
    return OwnModel(
        family=request.param,
        folder=like_the_shipped(folder, family=request.param),
    )


@pytest.fixture
def model_folder(
    tmp_path: Path, write_weights: WriteWeights, describe_again: DescribeAgain
) -> Path:
    """Return a whole model folder with its manifest."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    config = {
        "architectures": ["LlamaForCausalLM"],
        "max_position_embeddings": 128,
        "quantization_config": {
            "quant_method": "gptq",
            "bits": 4,
            "group_size": 64,
            "sym": True,
            "desc_act": False,
        },
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "tokenizer.json").write_text(
        json.dumps({"model": {"vocab": {"auto_map": 0}}}), encoding="utf-8"
    )
    write_weights(
        folder / "model.safetensors",
        {"a.weight": ("BF16", (4, 8)), "b.weight": ("F16", (3,))},
    )
    describe_again(folder)
    return folder
