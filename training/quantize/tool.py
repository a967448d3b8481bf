"""The two quantisers that there are, and what each of them can do."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["AUTO_GPTQ", "BITS", "GPTQMODEL", "TOOLS", "Tool"]

BITS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A quantiser, as ``--backend`` names it.

    Attributes:
        name: Its name, which is its distribution's too.
        version: The version that was tried.
        worker: The module of this package that runs it.
        model_types: The model types that it knows and vLLM runs; what else it knows
            was not tried.
        install: Command that installs it.
        variables: Environment variables that its worker needs.
        legacy: What to say to who uses it still; empty where it is kept up.
    """

    name: str
    version: str
    worker: str
    model_types: frozenset[str]
    install: str
    variables: Mapping[str, str] = field(default_factory=dict)
    legacy: str = ""


AUTO_GPTQ = Tool(
    name="auto-gptq",
    version="0.7.1",
    worker="autogptq_worker",
    model_types=frozenset({"gemma", "gpt_bigcode", "llama", "mistral", "qwen2"}),
    install="make install-quantize",
    # Source: huggingface/peft, pull request 3190, by its last maintainer.
    legacy="auto-gptq is legacy: archived in March 2025, it knows no newer model type; "
    "its successor is --backend gptqmodel (make install-gptqmodel)",
)
GPTQMODEL = Tool(
    name="gptqmodel",
    version="7.6.0",
    worker="gptqmodel_worker",
    model_types=frozenset(
        {"gemma", "granite", "llama", "mistral", "qwen2", "qwen3", "starcoder2"}
    ),
    install="make install-gptqmodel",
    variables={
        # It asks for two loaders, and stops where it finds fewer CPUs.
        "GPTQMODEL_CPU_WORKERS": str(max(2, os.cpu_count() or 1)),
        "GPTQMODEL_DISABLE_GIL_WARNING": "1",
    },
)
TOOLS: Mapping[str, Tool] = {tool.name: tool for tool in (AUTO_GPTQ, GPTQMODEL)}
