"""Golden prompts: one document with a cursor, and the prompt that comes of it."""

import tomllib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lsp_server.config import PromptConfig
from lsp_server.context.window import LineWindows
from lsp_server.prompt.builder import PromptBuilder
from lsp_server.prompt.families import FAMILIES, find_family
from lsp_server.prompt.tokenizer import FastTokenizer
from lsp_server.values import Snapshot, Snippet

MakeTokenizer = Callable[[Iterable[str]], FastTokenizer]

CURSOR = "▮"
FOLDER = Path(__file__).parents[1] / "golden" / "prompt"


def read_cases() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each case with its name: a file has one for each family it expects of."""
    for path in sorted(FOLDER.glob("*.toml")):
        case = tomllib.loads(path.read_text(encoding="utf-8"))
        if "family" in case:
            yield path.stem, case
            continue
        for family, expected in case["expected"].items():
            yield (
                f"{path.stem}-{family}",
                case | {"family": family, "expected": expected},
            )


CASES = dict(read_cases())


def spell(tokenizer: FastTokenizer, names: dict[int, str], ids: Iterable[int]) -> str:
    """Write a prompt with its sentinels by name, each on a line of its own."""
    lines: list[str] = []
    run: list[int] = []
    for token_id in (*ids, -1):
        if token_id in names or token_id == -1:
            if run:
                lines.append(repr(tokenizer.decode(run)))
                run = []
            lines.append(names.get(token_id, ""))
        else:
            run.append(token_id)
    return "\n".join(lines)


@pytest.mark.parametrize("name", CASES)
def test_golden_prompt(
    name: str,
    starter_tokenizer: FastTokenizer,
    byte_level_tokenizer: MakeTokenizer,
    metaspace_tokenizer: MakeTokenizer,
) -> None:
    """The document of the case gives the prompt of the case."""
    case = CASES[name]
    family = find_family(case["family"])
    make = {
        "starter": lambda _: starter_tokenizer,
        "byte-level": byte_level_tokenizer,
        "metaspace": metaspace_tokenizer,
    }[case["tokenizer"]]
    tokenizer = make(family.sentinels)
    config = PromptConfig(healing=False, **case.get("config", {}))
    builder = PromptBuilder(
        tokenizer=tokenizer,
        family=family,
        config=config,
        max_model_len=2048,
        windows=LineWindows(
            encode=tokenizer.encode,
            step_lines=config.step_lines,
            suffix_lines=config.suffix_lines,
        ),
    )
    document = case["document"]
    snapshot = Snapshot(
        uri="file:///project/src/main.py",
        language_id="python",
        version=1,
        text=document.replace(CURSOR, ""),
        offset=document.index(CURSOR),
    )
    snippets = [Snippet(**each) for each in case.get("snippets", [])]
    prompt = builder.build(snapshot, max_output_tokens=48, snippets=snippets)
    names = {tokenizer.token_id(each) or 0: each for each in family.sentinels}
    assert case["expected"] == spell(tokenizer, names, prompt.token_ids)


def test_every_family_has_a_golden_prompt() -> None:
    """No format goes without an example to look at."""
    assert set(FAMILIES) == {case["family"] for case in CASES.values()}
