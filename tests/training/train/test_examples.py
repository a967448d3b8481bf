"""A model is trained on what the editor's prompt will ask it."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server.config import SHIPPED_MODEL, PromptConfig
from lsp_server.context.window import LineWindows
from lsp_server.errors import ModelIntegrityError, TrainingError
from lsp_server.modelstore.locate import shipped_models
from lsp_server.prompt.builder import PromptBuilder
from lsp_server.prompt.families import find_family
from lsp_server.prompt.fim import Slot
from lsp_server.prompt.tokenizer import FastTokenizer
from lsp_server.values import Snapshot, Snippet
from training.train.config import Cuts, FormatName, Shares, Stage
from training.train.cuts import Cut
from training.train.documents import Document
from training.train.examples import FORMATS, ExampleMaker, Role

FOLDER = shipped_models()[SHIPPED_MODEL]
TOKENIZER = FastTokenizer(FOLDER)
CUTS = Cuts(
    format="midfill",
    fim_share=1.0,
    neighbours_share=0.0,
    even_lengths=False,
    shares=Shares(cursor=0.4, node=0.3, span=0.3),
)
MAKER = ExampleMaker(FOLDER, CUTS)
PROMPTS = {
    name: PromptBuilder(
        tokenizer=TOKENIZER,
        family=family,
        config=PromptConfig(healing=False),
        max_model_len=2048,
        windows=LineWindows(
            encode=TOKENIZER.encode, step_lines=1000, suffix_lines=1000
        ),
        path_of=lambda uri: uri.removeprefix("file:///"),
    )
    for name, family in FORMATS.items()
}
MAKERS = {name: ExampleMaker(FOLDER, replace(CUTS, format=name)) for name in FORMATS}
STAGE = Stage(
    until_share=1.0,
    row_tokens=128,
    shortest_window_tokens=16,
    longest_window_tokens=64,
)

words = st.lists(
    st.sampled_from(["def ", "x", " = ", "(", ")", "ä", "name", "<|fim_middle|>", " "]),
    max_size=20,
).map("".join)


@given(
    name=st.sampled_from(list(FORMATS)),
    prefix=words,
    middle=words,
    suffix=words,
    others=st.lists(words.filter(str.strip), max_size=2, unique=True),
)
def test_prompt_is_the_one_that_the_editor_sends(
    name: FormatName, prefix: str, middle: str, suffix: str, others: list[str]
) -> None:
    """Up to the middle, the tokens are those of the prompt builder, each one."""
    example = MAKERS[name].render(
        Cut(prefix=prefix, middle=middle, suffix=suffix),
        most_tokens=2048,
        path="src/a.py",
        snippets=[Document(text=text, path="b/c.py") for text in others],
    )
    assert example is not None
    asked = MAKERS[name].prompt(prefix, suffix, most_tokens=2048)
    prompt = PROMPTS[name].build(
        Snapshot(
            uri="file:///src/a.py",
            language_id="python",
            version=1,
            text=prefix + suffix,
            offset=len(prefix),
        ),
        snippets=[Snippet(path="b/c.py", text=text, score=1.0) for text in others],
        max_output_tokens=64,
    )
    after = (*TOKENIZER.encode(middle), *prompt.stop_token_ids)
    assert (*prompt.token_ids, *after) == tuple(example.tokens.tolist())
    assert len(after) == int((example.roles == Role.MIDDLE).sum())
    if not others:
        assert prompt.token_ids == asked


def test_formats_are_the_servers() -> None:
    """The recipe's format is a family of the server, and so is the first model's.

    The first model's has no place for pieces of other files there.
    """
    assert FORMATS["marked-cursor"] is find_family("midfill-marked-cursor")
    parts = [part for part in FORMATS["midfill"].order if part is not Slot.SNIPPETS]
    assert find_family("midfill").order == tuple(parts)


def test_neighbours_stand_in_front() -> None:
    """Pieces come before all else, each behind its path, and are read as context."""
    maker = ExampleMaker(
        FOLDER, replace(CUTS, format="marked-cursor", neighbours_share=1.0)
    )
    text = "value = compute(1, 2)\n" * 20
    other = Document(text="other = 7\n", package="p", path="p/other.py")
    document = Document(text=text, package="p", path="p/this.py")
    found = list(maker.examples(document, STAGE, lot(1), [other]))
    head = (
        "<|endoftext|><|repo_name|>project\n<|file_sep|>p/other.py\nother = 7\n"
        "<|file_sep|>p/this.py\n<|fim_suffix|>"
    )
    assert found
    for example in found:
        assert maker.decode(example.tokens.tolist()).startswith(head)
        piece = [int(role) for role in example.roles[:40]]
        assert Role.CONTEXT in piece
        assert max(len(each.tokens) for each in found) <= STAGE.row_tokens
    none = list(maker.examples(document, STAGE, lot(1)))
    assert not any("other" in maker.decode(each.tokens.tolist()) for each in none)


def test_roles() -> None:
    """Prompt sentinels have no role, code is context, and the end is of the middle."""
    example = MAKER.render(Cut(prefix="a", middle="b", suffix="c"), most_tokens=64)
    assert example is not None
    # <|endoftext|> <|fim_prefix|> <|fim_suffix|> c <|fim_middle|> a b <|endoftext|>
    assert [0, 0, 0, 1, 0, 1, 2, 2] == example.roles.tolist()
    tokens = example.tokens.tolist()
    assert [0, 1, 3, 2, 0] == [tokens[at] for at in (0, 1, 2, 4, 7)]


@given(
    prefix=st.text("ab \n", max_size=80),
    suffix=st.text("ab \n", max_size=80),
    most=st.integers(8, 40),
)
def test_clipping_takes_the_outer_ends(prefix: str, suffix: str, most: int) -> None:
    """What is kept touches the cursor, fits, and leaves no room that it could use."""
    example = MAKER.render(
        Cut(prefix=prefix, middle="x", suffix=suffix), most_tokens=most
    )
    assert example is not None
    tokens = example.tokens.tolist()
    before, behind = TOKENIZER.encode(prefix), TOKENIZER.encode(suffix)
    at = tokens.index(2)
    kept_suffix, kept_prefix = tokens[3:at], tokens[at + 1 : -2]
    assert list(behind[: len(kept_suffix)]) == kept_suffix
    assert list(before[len(before) - len(kept_prefix) :]) == kept_prefix
    assert min(most, len(before) + len(behind) + 6) == len(tokens)


def test_a_middle_without_room_is_left_out() -> None:
    """A middle that does not fit is no example, as its end would be missing."""
    cut = Cut(prefix="", middle="a b c d e f g h", suffix="")
    assert MAKER.render(cut, most_tokens=12) is None
    assert MAKER.render(cut, most_tokens=13) is not None


def lot(seed: int) -> random.Random:
    """Return what draws cuts."""
    return random.Random(seed)  # noqa: S311  # guards nothing


@pytest.mark.parametrize("fim_share", [0.0, 1.0])
def test_share_of_middles(fim_share: float) -> None:
    """All windows have a middle, or none; then the text is read as it stands."""
    text = "value = compute(1, 2)\n" * 40
    maker = ExampleMaker(FOLDER, replace(CUTS, fim_share=fim_share))
    examples = list(maker.examples(Document(text=text), STAGE, lot(1)))
    middles = [bool((each.roles == Role.MIDDLE).any()) for each in examples]
    assert len(examples) > 3
    assert {bool(fim_share)} == set(middles)
    if not fim_share:
        ids = [token for each in examples for token in each.tokens.tolist()[1:]]
        assert text == TOKENIZER.decode(ids)
        assert maker.end_id == ids[-1]
    assert max(len(each.tokens) for each in examples) <= STAGE.row_tokens


def test_refuses_a_tokenizer_without_sentinels(tmp_path: Path) -> None:
    """The missing sentinel is named; so is a missing file."""
    with pytest.raises(ModelIntegrityError):
        ExampleMaker(tmp_path, CUTS)
    content = (FOLDER / "tokenizer.json").read_text(encoding="utf-8")
    (tmp_path / "tokenizer.json").write_text(
        content.replace("<|fim_suffix|>", "<|other|>"), encoding="utf-8"
    )
    with pytest.raises(TrainingError, match=r"no token '<\|fim_suffix\|>'"):
        ExampleMaker(tmp_path, CUTS)
