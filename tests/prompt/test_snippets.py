"""Snippets of other files stand in front of the code, in the order of their paths."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest
from prompt_builder import builder, snapshot

from lsp_server.prompt.families import find_family
from lsp_server.prompt.tokenizer import FastTokenizer
from lsp_server.values import Snippet

MakeTokenizer = Callable[[Iterable[str]], FastTokenizer]


def test_snippets_stand_in_front_by_path(
    byte_level_tokenizer: MakeTokenizer,
) -> None:
    """The best snippets that fit are kept, in an order that scores do not change."""
    tokenizer = byte_level_tokenizer(find_family("qwen2.5-coder").sentinels)
    prompts = builder(tokenizer, family="qwen2.5-coder")

    def build(scores: tuple[float, float, float]) -> tuple[int, ...]:
        texts = [("b.py", "b = 1\n"), ("a.py", "a = 1\n"), ("c.py", "c" * 1000)]
        snippets = [
            Snippet(path=path, text=text, score=score)
            for (path, text), score in zip(texts, scores, strict=True)
        ]
        return prompts.build(
            snapshot("x = \n", 4), max_output_tokens=48, snippets=snippets
        ).token_ids

    text = tokenizer.decode(build((0.1, 0.2, 0.9)))
    assert text.index("a = 1") < text.index("b = 1") < text.index("x = ")
    assert "ccc" not in text
    assert build((0.9, 0.2, 0.1)) == build((0.1, 0.2, 0.9))


def test_families_without_a_place_for_snippets_leave_them_out(
    starter_tokenizer: FastTokenizer,
) -> None:
    """Snippets are dropped, not put where the model never saw any."""
    prompts = builder(starter_tokenizer)
    snippet = Snippet(path="b.py", text="b = 1\n", score=1)
    shot = snapshot("x = \n", 4)
    expected = prompts.build(shot, max_output_tokens=48)
    assert expected == prompts.build(shot, max_output_tokens=48, snippets=[snippet])


def test_the_document_has_the_path_of_its_project(
    byte_level_tokenizer: MakeTokenizer,
) -> None:
    """As snippets have: a model sees which of them is near."""
    tokenizer = byte_level_tokenizer(find_family("qwen2.5-coder").sentinels)
    snippet = Snippet(path="src/b.py", text="b = 1\n", score=1)
    shot = snapshot("x = \n", 4)
    for path_of, expected in ((None, "a b.py\n"), (lambda _: "src/a.py", "src/a.py\n")):
        prompts = builder(tokenizer, family="qwen2.5-coder", path_of=path_of)
        prompt = prompts.build(shot, max_output_tokens=48, snippets=[snippet])
        text = tokenizer.spell(prompt.token_ids)
        assert f"<|file_sep|>{expected}<|fim_prefix|>" in text


@pytest.mark.parametrize(
    ("language_id", "expected"),
    [
        ("python", "<|fim_middle|># src/b.py:\n# def b():\n#\n#     return 1\nx ="),
        (
            "typescript",
            "<|fim_middle|>// src/b.py:\n// def b():\n//\n//     return 1\nx =",
        ),
        ("json", "<|fim_middle|>x ="),
        ("an unknown one", "<|fim_middle|>x ="),
    ],
)
def test_snippets_may_stand_as_comments_above_the_code(
    starter_tokenizer: FastTokenizer, language_id: str, expected: str
) -> None:
    """With the marks of the document's language; without any there are no snippets."""
    prompts = builder(starter_tokenizer, comment_snippets=True)
    snippet = Snippet(path="src/b.py", text="def b():\n\n    return 1\n", score=1)
    shot = replace(snapshot("x = \n", 4), language_id=language_id)
    prompt = prompts.build(shot, max_output_tokens=48, snippets=[snippet])
    assert expected in starter_tokenizer.spell(prompt.token_ids)
    assert bool(prompt.snippets) is ("src" in expected)
    long = replace(snippet, text="b = 1\n" * 400)
    assert () == prompts.build(shot, max_output_tokens=48, snippets=[long]).snippets
