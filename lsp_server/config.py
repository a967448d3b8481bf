"""Every setting, with its type, default and meaning.

The types are strict, as pydantic reads them in `settings`: ``"4"`` is not 4, and
``true`` is not 1. Nothing here touches a file, the environment or a device.
"""

import enum
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field, StrictBool, StrictStr

from lsp_server.completion_config import CompletionConfig, ContextConfig, Eagerness
from lsp_server.process_config import (
    MOST,
    PROCESS_SECTIONS,
    AccessConfig,
    AdmissionConfig,
    Bytes,
    Count,
    DaemonConfig,
    DaemonTransport,
    ListenConfig,
    MetricsConfig,
    ModelsConfig,
    Positive,
    RestConfig,
)

__all__ = [
    "PROCESS_SECTIONS",
    "SHIPPED_MODEL",
    "AccessConfig",
    "AdmissionConfig",
    "CompletionConfig",
    "Config",
    "ContextConfig",
    "DaemonConfig",
    "DaemonTransport",
    "Device",
    "Dtype",
    "Eagerness",
    "EngineConfig",
    "EngineKind",
    "ListenConfig",
    "LogConfig",
    "LogLevel",
    "MetricsConfig",
    "ModelConfig",
    "ModelsConfig",
    "PrivacyConfig",
    "PromptConfig",
    "RegistryConfig",
    "RestConfig",
    "ScriptConfig",
    "TelemetryConfig",
]

SHIPPED_MODEL = "midfill-starter-2-88m"
"""The name of the model that is part of the installation, and is loaded by default."""


class Device(enum.Enum):
    """Where the model runs; ``auto`` takes CUDA where a driver is present."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class Dtype(enum.Enum):
    """The activations' type; ``auto`` takes bfloat16, for GPTQ on CUDA float16.

    ``float32`` is for models that are not quantised, on a CPU without AVX-512, where
    PyTorch multiplies 16-bit matrices several times slower.
    """

    AUTO = "auto"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"
    FLOAT32 = "float32"


class EngineKind(enum.Enum):
    """The engine that answers: vLLM, or a scripted one for work on editors."""

    VLLM = "vllm"
    SCRIPTED = "scripted"


class LogLevel(enum.Enum):
    """How much the server writes on stderr."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """Which model is loaded.

    Attributes:
        path: The name of a shipped or pulled model, or a folder that holds a
            ``manifest.json``.
        sha256: The SHA-256 of its ``manifest.json``, which holds those of all its other
            files; a model with another one is refused. Empty accepts any.
    """

    path: StrictStr = SHIPPED_MODEL
    sha256: StrictStr = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """How vLLM runs the model.

    Attributes:
        kind: The engine behind the server.
        device: Where the model runs.
        dtype: The activations' type.
        max_model_len: Most tokens of prompt and output together; 0 takes the
            manifest's context length.
        tensor_parallel_size: GPUs that share one model.
        quantization: vLLM's name of the scheme; empty reads it from the checkpoint.
        kv_cache_memory_bytes: Memory for the KV cache; 0 leaves it to vLLM on CUDA
            and takes 1 GiB on a CPU.
        gpu_memory_utilization: Share of a GPU's memory that vLLM may take. Not read
            where ``kv_cache_memory_bytes`` is set.
        enforce_eager: Skip compilation and CUDA graphs: a faster start, a slower
            decode.
        max_num_seqs: Requests that are decoded side by side.
        max_num_batched_tokens: Tokens of one scheduler step; 0 leaves it to vLLM.
        seed: Seed of the sampler.
        start_timeout_s: After this many seconds a start counts as failed.
        max_restarts: Restarts in a row before the engine is given up.
        canary_interval_s: vLLM that nobody has asked for so many seconds generates one
            token, so that a hang is noticed before somebody waits; 0 turns that off.
    """

    kind: EngineKind = EngineKind.VLLM
    device: Device = Device.AUTO
    dtype: Dtype = Dtype.AUTO
    max_model_len: Count = 0
    tensor_parallel_size: Positive = 1
    quantization: StrictStr = ""
    kv_cache_memory_bytes: Bytes = 0
    gpu_memory_utilization: Annotated[float, Field(strict=True, ge=0.05, le=1)] = 0.9
    enforce_eager: StrictBool = False
    max_num_seqs: Positive = 16
    max_num_batched_tokens: Count = 0
    seed: Count = 0
    start_timeout_s: Positive = 600
    max_restarts: Count = 5
    canary_interval_s: Count = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptConfig:
    """How much of the document the model reads.

    Attributes:
        max_prompt_tokens: Most tokens of the prompt, sentinel tokens included; the
            engine's ``max_model_len`` less the output caps it.
        suffix_share: Share of the prompt that the suffix may take at most.
        step_lines: The left cut moves in steps of this many lines, so that the
            prompt, and with it the engine's prefix cache, holds from key to key.
        suffix_lines: Most lines of suffix below the cursor's line.
        anchor_lines: Where the format has a sentinel in front of the middle, the prefix
            ends at a line whose number is a multiple of this, and what stands between
            there and the cursor is given as the middle's beginning; 0 ends the prefix
            at the cursor.
        healing: Whether the model writes the token at the cursor anew, which need not
            end where the user has stopped typing.
    """

    max_prompt_tokens: Annotated[int, Field(strict=True, ge=64, le=MOST)] = 1024
    suffix_share: Annotated[float, Field(strict=True, ge=0, le=0.9)] = 0.25
    step_lines: Positive = 32
    suffix_lines: Positive = 12
    anchor_lines: Count = 0
    healing: StrictBool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyConfig:
    """What stays private, on this machine too.

    Attributes:
        ignore_rules: Whether ``.gitignore``, ``.midfillignore`` and the default rules
            (files of keys and credentials) count: the files that they name get no
            completions and are never context for other files.
        complete_git_ignored: Whether files that ``.gitignore`` alone excludes get
            completions; context for other files they are not.
        secrets: Whether keys and passwords in snippets of other files are replaced in
            the prompt, and suggestions that hold one are dropped.
        hidden_characters: Whether characters that are not seen, such as those that turn
            the reading order, are left out of snippets, and suggestions that hold one
            are dropped.
    """

    ignore_rules: StrictBool = True
    complete_git_ignored: StrictBool = False
    secrets: StrictBool = True
    hidden_characters: StrictBool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptConfig:
    """What the scripted engine plays.

    Attributes:
        text: The text that every request is answered with.
        candidates: What an explicit request is answered with besides, texts separated
            by the character U+001E.
        token_delay_ms: Pause before each token, in milliseconds.
        gpu_slices: In place of that pause, the speed of one of so many equal slices
            of an H200 that runs a 7B model: the slower the more requests it has; 0
            keeps the pause.
        start_delay_ms: How long the engine pretends to load, in milliseconds.
        die_after_requests: The engine dies in the middle of this request, counted
            from 1; 0 never.
    """

    text: StrictStr = "pass\n"
    candidates: StrictStr = ""
    token_delay_ms: Count = 0
    gpu_slices: Annotated[int, Field(strict=True, ge=0, le=1024)] = 0
    start_delay_ms: Count = 0
    die_after_requests: Count = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LogConfig:
    """What the server logs.

    Attributes:
        level: The least severe events that reach stderr.
    """

    level: LogLevel = LogLevel.INFO


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryConfig:
    """What is recorded of requests and suggestions, on this machine alone.

    Attributes:
        store: Whether ids, counts and times are kept for ``midfill stats`` and
            ``midfill trace``, in a folder that only the user may read.
        keep_text: Whether the text of prompts and suggestions is kept there, too.
    """

    store: StrictBool = True
    keep_text: StrictBool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryConfig:
    """Where models are fetched from, and where to.

    Attributes:
        sources: Who may be asked, separated by spaces: hosts (by https alone), ``*.``
            and a host for those below it, origins such as ``http://localhost:80``, or
            buckets such as ``s3://models``, whose host must be listed too.
        hub: The hub's address.
        folder: The folder of fetched models; empty for ``midfill/models`` in the
            user's XDG data folder.
    """

    sources: StrictStr = "huggingface.co *.huggingface.co *.hf.co"
    hub: StrictStr = "https://huggingface.co"
    folder: StrictStr = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Every setting of a server."""

    model: ModelConfig = field(default_factory=ModelConfig)
    engine: EngineConfig = field(default_factory=EngineConfig)
    admission: AdmissionConfig = field(default_factory=AdmissionConfig)
    prompt: PromptConfig = field(default_factory=PromptConfig)
    completion: CompletionConfig = field(default_factory=CompletionConfig)
    privacy: PrivacyConfig = field(default_factory=PrivacyConfig)
    context: ContextConfig = field(default_factory=ContextConfig)
    scripted: ScriptConfig = field(default_factory=ScriptConfig)
    log: LogConfig = field(default_factory=LogConfig)
    telemetry: TelemetryConfig = field(default_factory=TelemetryConfig)
    registry: RegistryConfig = field(default_factory=RegistryConfig)
    models: ModelsConfig = field(default_factory=ModelsConfig)
    access: AccessConfig = field(default_factory=AccessConfig)
    daemon: DaemonConfig = field(default_factory=DaemonConfig)
    rest: RestConfig = field(default_factory=RestConfig)
    metrics: MetricsConfig = field(default_factory=MetricsConfig)
    listen: ListenConfig = field(default_factory=ListenConfig)
