"""Makes a small real checkpoint: a Llama of two layers with a byte tokenizer."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from training.quantize.backend import Comparison
from training.quantize.calibration import Sample
from training.quantize.pipeline import Options

sys.path.insert(0, str(Path(__file__).parents[2] / "servers"))


SENTINELS = (
    "<|endoftext|>",
    "<|fim_prefix|>",
    "<|fim_middle|>",
    "<|fim_suffix|>",
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
    "<|im_end|>",
)
VOCABULARY = len(SENTINELS) + 256
HIDDEN = 64
FEED_FORWARD = 128
KEY_VALUE = 32
LAYERS = 2
CONTEXT = 256

GOOD_COMPARISON = Comparison(
    source_perplexity=10,
    perplexity=10.1,
    source_middle_perplexity=9,
    middle_perplexity=9.1,
    divergence_nats=0.01,
    same_choice=0.95,
    tokens=100,
    middle_tokens=10,
)


def byte_tokenizer() -> Tokenizer:
    """Make a tokenizer of one token per byte, and the sentinels that Qwen has too."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: at for at, token in enumerate((*SENTINELS, *alphabet))}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SENTINELS))
    return tokenizer


def tiny_weights() -> dict[str, np.ndarray]:
    """Draw the weights, in float16, with a tied output layer."""
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (VOCABULARY, HIDDEN),
        "model.norm.weight": (HIDDEN,),
    }
    for layer in range(LAYERS):
        at = f"model.layers.{layer}"
        shapes |= {
            f"{at}.input_layernorm.weight": (HIDDEN,),
            f"{at}.post_attention_layernorm.weight": (HIDDEN,),
            f"{at}.self_attn.q_proj.weight": (HIDDEN, HIDDEN),
            f"{at}.self_attn.k_proj.weight": (KEY_VALUE, HIDDEN),
            f"{at}.self_attn.v_proj.weight": (KEY_VALUE, HIDDEN),
            f"{at}.self_attn.o_proj.weight": (HIDDEN, HIDDEN),
            f"{at}.mlp.gate_proj.weight": (FEED_FORWARD, HIDDEN),
            f"{at}.mlp.up_proj.weight": (FEED_FORWARD, HIDDEN),
            f"{at}.mlp.down_proj.weight": (HIDDEN, FEED_FORWARD),
        }
    rng = np.random.default_rng(0)
    return {
        name: np.ones(shape, np.float16)
        if "norm" in name
        else rng.normal(0, 0.1, shape).astype(np.float16)
        for name, shape in shapes.items()
    }


@pytest.fixture
def tiny_source(tmp_path: Path) -> Path:
    """Return the folder of the checkpoint."""
    folder = tmp_path / "tiny-f16"
    folder.mkdir()
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": HIDDEN,
        "intermediate_size": FEED_FORWARD,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "vocab_size": VOCABULARY,
        "max_position_embeddings": CONTEXT,
        "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0,
        "hidden_act": "silu",
        "tie_word_embeddings": True,
        "bos_token_id": 0,
        "eos_token_id": 0,
        "torch_dtype": "float16",
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    settings = {"eos_token": "<|endoftext|>", "chat_template": "{{ messages }}"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    byte_tokenizer().save(str(folder / "tokenizer.json"))
    save_file(tiny_weights(), folder / "model.safetensors", {"format": "pt"})
    return folder


@pytest.fixture
def python_files(tmp_path: Path) -> Path:
    """Return a folder of eight Python files that are long enough to be used."""
    folder = tmp_path / "code"
    folder.mkdir()
    for number in range(8):
        lines = [
            f"def f{number}_{line}(value: int) -> int:\n    return value * {line}\n\n"
            for line in range(60)
        ]
        (folder / f"module_{number}.py").write_text("".join(lines), encoding="utf-8")
    return folder


class RoundToNearest:
    """The simplest quantiser that there is, on numpy alone."""

    tool = "round to nearest"

    def __init__(self, comparison: Comparison = GOOD_COMPARISON) -> None:
        self.comparison = comparison
        self.seen: tuple[Sample, ...] = ()
        self.held_out: tuple[Sample, ...] = ()

    def quantise(
        self,
        source: Path,
        weights: Path,
        *,
        group_size: int,
        samples: Sequence[Sample],
        work: Path,
    ) -> None:
        """Round every matrix of every layer."""
        assert work.is_dir()
        self.seen = tuple(samples)
        tensors: dict[str, np.ndarray] = {}
        for name, value in load_file(source / "model.safetensors").items():
            if ".layers." in name and value.ndim == 2:
                layer = name.removesuffix(".weight")
                tensors |= {
                    f"{layer}.{part}": packed
                    for part, packed in pack(value, group_size).items()
                }
            else:
                tensors[name] = value
        save_file(tensors, weights, {"format": "pt"})

    def compare(
        self,
        source: Path,
        weights: Path,
        *,
        group_size: int,
        samples: Sequence[Sample],
        work: Path,
    ) -> Comparison:
        """Return the comparison that was asked for."""
        assert (source / "config.json").is_file()
        assert weights.is_file()
        assert work.is_dir()
        assert group_size > 0
        self.held_out = tuple(samples)
        return self.comparison


@pytest.fixture
def quantizer() -> RoundToNearest:
    """Return a quantiser that needs no environment of its own."""
    return RoundToNearest()


def pack(matrix: np.ndarray, group_size: int) -> dict[str, np.ndarray]:
    """Round a matrix of (out, in) to 4 bits, symmetric, and pack it as GPTQ does."""
    columns = matrix.T.astype(np.float32)  # (in, out)
    inputs, outputs = columns.shape
    grouped = columns.reshape(inputs // group_size, group_size, outputs)
    scales = (np.abs(grouped).max(1) / 7).astype(np.float16)  # (in/G, out)
    groups = np.arange(inputs) // group_size
    codes = np.clip(
        np.round(columns / scales[groups].astype(np.float32)) + 8, 0, 15
    ).astype(np.uint32)
    shifts = np.arange(0, 32, 4, dtype=np.uint32)
    qweight = (codes.reshape(-1, 8, outputs) << shifts[None, :, None]).sum(
        1, dtype=np.uint32
    )
    packed = {
        "qweight": qweight.view(np.int32),
        "qzeros": np.full((len(scales), outputs // 8), 0x77777777, np.int32),
        "scales": scales,
        "g_idx": groups.astype(np.int32),
    }
    # The library writes an array's memory, in whatever order it lies.
    return {part: np.ascontiguousarray(value) for part, value in packed.items()}


@pytest.fixture
def options(tiny_source: Path, python_files: Path, tmp_path: Path) -> Options:
    """Return options that can be carried out."""
    home = tmp_path / "home"
    home.mkdir()
    return Options(
        source=tiny_source,
        output=home / "tiny-gptq",
        family="midfill",
        group_size=32,
        calibration=python_files,
        samples=6,
        sample_tokens=200,
        held_out_samples=3,
        licence="Apache-2.0",
        training="none",
    )
