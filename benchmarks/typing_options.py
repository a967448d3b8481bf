"""The options of the typing benchmark, and which settings its variants have."""

import argparse
import json
import os
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from benchmarks.random_model import SHAPES
from benchmarks.typing_packages import PACKAGES
from lsp_server.config import SHIPPED_MODEL

__all__ = [
    "BASE",
    "EXTRAS",
    "FEATURES",
    "FULL_KEYS",
    "PAGE",
    "QUICK_KEYS",
    "Settings",
    "parser",
    "settings_of",
    "variants_of",
]

_ROOT = Path(__file__).resolve().parents[1]
_RESULTS = _ROOT / "benchmarks" / "results"

FULL_KEYS, QUICK_KEYS = 100, 40
"""Of each language."""

PAGE = _ROOT / "docs" / "completion" / "typing.md"
"""Where tables and plot are shown."""

BASE = "midfill"
"""The variant with nothing switched off."""

Settings = Mapping[str, Mapping[str, object]]

FEATURES: Mapping[str, str] = MappingProxyType(
    {
        "completion-cache": "completion.cache:false",
        "blocks": "completion.continue_into_blocks:false",
        "debounce": "completion.max_debounce_ms:0",
        "gate": "completion.eagerness:always",
        "healing": "prompt.healing:false",
        "prewarm": "completion.prewarm:false",
        "quiet-after-accept": "completion.suggest_after_accept:true",
    }
)
"""What can be switched off, and the settings that do it."""

EXTRAS: Mapping[str, str] = MappingProxyType(
    {
        "context": "context.enabled:true",
        "speculation": "completion.speculation:true",
    }
)
"""What is off by default or by the shipped model's manifest, and what turns it on."""


def settings_of(text: str) -> dict[str, dict[str, object]]:
    """Read settings as ``prompt.healing:false,completion.max_line_tokens:32``.

    Raises:
        ValueError: There is no section or no value.
    """
    settings: defaultdict[str, dict[str, object]] = defaultdict(dict)
    for pair in filter(None, text.split(",")):
        name, _, value = pair.partition(":")
        section, _, key = name.partition(".")
        if not (section and key and value):
            raise ValueError(f"{pair!r} is not SECTION.KEY:VALUE")
        try:
            settings[section][_camel_case(key)] = json.loads(value)
        except ValueError:
            settings[section][_camel_case(key)] = value
    return dict(settings)


def _camel_case(key: str) -> str:
    first, *others = key.split("_")
    return first + "".join(map(str.capitalize, others))


def variants_of(arguments: argparse.Namespace) -> dict[str, Settings]:
    """Return the settings of each variant, by its name, Midfill as it comes first."""
    variants: dict[str, Settings] = {BASE: {}}
    chosen = (
        ("without", arguments.without, FEATURES),
        ("with", arguments.extras, EXTRAS),
    )
    for word, names, settings in chosen:
        all_of_them = [] if arguments.quick else sorted(settings)
        for name in all_of_them if names is None else names:
            variants[f"{word} {name}"] = settings_of(settings[name])
    for text in arguments.variant:
        name, _, values = text.partition("=")
        variants[name] = settings_of(values)
    return variants


def _absolute(path: str) -> Path:
    """Return a path that holds in every working folder: packages are fetched in one."""
    return Path(path).resolve()


def parser() -> argparse.ArgumentParser:
    """Return the parser of the benchmark's command line."""
    options = argparse.ArgumentParser(
        prog="python -m benchmarks.typing",
        description="Replay real edits key by key against the real engine.",
    )
    languages = [*dict.fromkeys(each.language_id for each in PACKAGES)]
    add = options.add_argument
    add("--model", default=SHIPPED_MODEL)
    add(
        "--random-weights",
        choices=sorted(SHAPES),
        metavar="SHAPE",
        help="a model of this shape instead, whose times alone say anything: what is "
        "shown are fixed words",
    )
    add("--languages", nargs="+", choices=languages, default=languages)
    add(
        "--quick",
        action="store_true",
        help="about 3 minutes: no feature is switched off, and few keys are typed",
    )
    keys = f"of each language (default: {FULL_KEYS}, quick {QUICK_KEYS})"
    add("--keys", type=int, help=keys)
    add("--seed", type=int, default=0)
    add(
        "--without",
        nargs="*",
        choices=sorted(FEATURES),
        metavar="FEATURE",
        help="also with each of these switched off (default: all; quick: none): "
        + ", ".join(sorted(FEATURES)),
    )
    add(
        "--with",
        dest="extras",
        nargs="*",
        choices=sorted(EXTRAS),
        metavar="FEATURE",
        help="also with each of these, which are off with the shipped model, switched "
        "on (default: all; quick: none): " + ", ".join(sorted(EXTRAS)),
    )
    add(
        "--variant",
        nargs="+",
        default=[],
        metavar="NAME=SETTINGS",
        help="also with other settings, as SECTION.KEY:VALUE,SECTION.KEY:VALUE",
    )
    add("--set", default="", metavar="SETTINGS", help="settings of all variants")
    add("--no-naive", action="store_true", help="do not ask plain vLLM as well")
    add(
        "--llama-python",
        type=Path,
        metavar="PYTHON",
        help="ask llama.cpp as well, with this Python, which has gguf and xllamacpp",
    )
    add("--llama-threads", type=int, default=os.cpu_count() or 1, metavar="N")
    add("--no-cancel", action="store_true", help="leave it to the server, as Neovim")
    add("--no-cursor", action="store_true", help="do not say where the cursor rests")
    add("--real-time", action="store_true", help="cut no pause short")
    add(
        "--patient",
        action="store_true",
        help="the user waits for every answer: what is shown then hangs on model and "
        "settings alone, not on how fast this machine is",
    )
    add("--note", default="", help="what to know of the machine")
    packages = _ROOT / ".packages"
    add("--packages", type=_absolute, default=packages, help="where they are kept")
    add("--out", type=Path, default=_RESULTS / "typing.json")
    add("--log", type=Path, default=Path(os.devnull), help="the server's log")
    page = "put tables and plot into docs/completion, where the page has marks for them"
    add("--write-docs", action="store_true", help=page)
    add("--draw", type=Path, metavar="JSON", help="only draw an earlier result")
    return options
