"""What was typed last is held, and spelt in tokens that the model knows there."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server.config import PromptConfig
from lsp_server.context.window import LineWindows
from lsp_server.prompt.builder import PromptBuilder
from lsp_server.prompt.families import FAMILIES
from lsp_server.prompt.fim import FimFamily
from lsp_server.prompt.healing import held_at
from lsp_server.prompt.tokenizer import FastTokenizer
from lsp_server.values import Hold, Snapshot

MakeTokenizer = Callable[..., FastTokenizer]

_SENTENCEPIECE = {"codellama", "codestral"}
PIECES = (
    'return| |    |tot|al|_|.|(|==|=|12|345|"|é|変数|🚄|x|def|\t|İ|[|#|e\u0301|\u2028'
)
LINES = st.lists(
    st.sampled_from(PIECES.split("|")),
    min_size=1,
    max_size=8,
).map("".join)
CONTINUATIONS = st.sampled_from(["", "a", "s", "_", "1", " ", "=", "(", ".", '"', "\n"])


def at_end(text: str, after: str = "\n") -> Snapshot:
    """Put the cursor behind ``text``."""
    return Snapshot(
        uri="file:///a.py",
        language_id="python",
        version=1,
        text=text + after,
        offset=len(text),
    )


def builder(
    tokenizer: FastTokenizer, family: FimFamily, *, healing: bool = True
) -> PromptBuilder:
    """Return what builds a family's prompts."""
    return PromptBuilder(
        tokenizer=tokenizer,
        family=family,
        config=PromptConfig(healing=healing),
        max_model_len=2048,
        windows=LineWindows(encode=tokenizer.encode, step_lines=32, suffix_lines=1000),
    )


def allows(mask: bytes, token_id: int) -> bool:
    """Return whether a mask has a token."""
    return token_id < len(mask) * 8 and bool(mask[token_id >> 3] >> (token_id & 7) & 1)


def spells(hold: Hold, token_ids: tuple[int, ...]) -> int | None:
    """Walk the steps with these tokens; tell how many it took, None if barred."""
    step = 0
    for taken, token_id in enumerate(token_ids, 1):
        if allows(hold.steps[step].finishing, token_id):
            return taken
        following = dict(hold.steps[step].going_on).get(token_id)
        if following is None:
            return None
        step = following
    return None


@pytest.fixture(scope="session", params=["starter", "byte-level", "metaspace"])
def any_tokenizer(
    request: pytest.FixtureRequest,
    starter_tokenizer: FastTokenizer,
    byte_level_tokenizer: MakeTokenizer,
    metaspace_tokenizer: MakeTokenizer,
) -> FastTokenizer:
    """The shipped tokenizer, one of bytes alone, and one as SentencePiece's."""
    if request.param == "starter":
        return starter_tokenizer
    make = {"byte-level": byte_level_tokenizer, "metaspace": metaspace_tokenizer}
    return make[request.param](["<|endoftext|>"])


@pytest.mark.parametrize(
    ("typed", "held"),
    [
        ("return tot", " tot"),
        ("return", "return"),
        ("x = compute_tot", "_tot"),
        ("self.", "."),
        ("self.app", ".app"),
        ("x = ", " "),
        ("    ", "    "),
        ("print(", "("),
        ("if x =", " ="),
        ("x = 12345", "5"),
        ('x = "', ' "'),
        ("größe = läng", " läng"),
        ("x = 変", " 変"),
    ],
)
def test_what_can_change_is_held(
    starter_tokenizer: FastTokenizer, typed: str, held: str
) -> None:
    """A word with its blank, a dot, a bracket, an operator, a digit, an indentation."""
    hold = held_at(at_end(typed), starter_tokenizer, is_marked=False)
    assert hold is not None
    assert held == hold.text


@pytest.mark.parametrize(
    ("typed", "after"), [("", "\n"), ("x = 1\n", "\n"), ("return to", "tal\n")]
)
def test_nothing_is_held(
    starter_tokenizer: FastTokenizer, typed: str, after: str
) -> None:
    """Not at the start of a line, and not inside of a word."""
    assert held_at(at_end(typed, after), starter_tokenizer, is_marked=False) is None


@pytest.mark.parametrize(
    ("typed", "held", "held_with_mark"),
    [
        ("print(", "(", ""),
        ("x = [", " [", ""),
        ("f({", "({", ""),
        ("f(x", "(x", "x"),
        ("x = ", " ", " "),
    ],
)
def test_a_mark_keeps_an_opening_bracket_in_the_prompt(
    starter_tokenizer: FastTokenizer, typed: str, held: str, held_with_mark: str
) -> None:
    """Where the model sees the cursor, what it writes ends before the closing one."""
    holds = {}
    for family in ("midfill", "midfill-marked-cursor"):
        prompts = builder(starter_tokenizer, FAMILIES[family])
        prompt = prompts.build(at_end(typed, ")\n"), max_output_tokens=16)
        holds[family] = prompt.hold.text if prompt.hold else ""
    assert {"midfill": held, "midfill-marked-cursor": held_with_mark} == holds


@settings(deadline=None)
@given(line=LINES, after=CONTINUATIONS)
def test_the_tokens_of_more_text_are_allowed(
    any_tokenizer: FastTokenizer, line: str, after: str
) -> None:
    """Whatever comes next, its tokens may be generated as the tokenizer makes them."""
    hold = held_at(at_end(line), any_tokenizer, is_marked=False)
    if hold is None:
        return
    assert line.endswith(hold.text)
    assert spells(hold, any_tokenizer.encode(hold.text + after)) is not None


@settings(deadline=None)
@given(line=LINES, data=st.data())
def test_every_way_spells_what_is_held(
    any_tokenizer: FastTokenizer, line: str, data: st.DataObject
) -> None:
    """Each choice of allowed tokens ends, and begins with the held text's bytes."""
    hold = held_at(at_end(line), any_tokenizer, is_marked=False)
    if hold is None:
        return
    written, step = b"", 0
    for _ in hold.steps:
        now = hold.steps[step]
        finishing = [
            each
            for each in range(len(now.finishing) * 8)
            if allows(now.finishing, each)
        ]
        following = dict(now.going_on)
        assert finishing or following
        token_id = data.draw(st.sampled_from(finishing + list(following)))
        written += any_tokenizer.token_bytes(token_id)
        if token_id not in following or token_id in finishing:
            break
        step = following[token_id]
    assert written.startswith(hold.text.encode())


def test_a_long_run_is_held_by_its_end(starter_tokenizer: FastTokenizer) -> None:
    """A sentence without a blank costs no more than a word, and no character is cut."""
    hold = held_at(at_end("x = " + "変数名" * 40), starter_tokenizer, is_marked=False)
    assert hold is not None
    assert len(hold.typed_ids) <= 8
    assert "変数名" * 40 != hold.text
    assert ("変数名" * 40).endswith(hold.text)
    assert hold.text


@pytest.mark.parametrize("family", FAMILIES.values(), ids=list(FAMILIES))
@pytest.mark.parametrize("typed", ["x = 1\nreturn tot", "x = 1\nself.", "größe = läng"])
def test_prompt_and_held_text_are_the_typed_text(
    byte_level_tokenizer: MakeTokenizer,
    metaspace_tokenizer: MakeTokenizer,
    family: FimFamily,
    typed: str,
) -> None:
    """In every family, the prefix in the prompt ends where the held text begins."""
    make = (
        metaspace_tokenizer if family.name in _SENTENCEPIECE else byte_level_tokenizer
    )
    tokenizer = make(family.sentinels)
    after = "\nprint(1)\n"
    prompts = builder(tokenizer, family)
    prompt = prompts.build(at_end(typed, after), max_output_tokens=16)
    assert prompt.hold is not None
    spelt = tokenizer.spell(prompt.token_ids)
    kept = typed.removesuffix(prompt.hold.text)
    assert kept + prompt.hold.text == typed
    assert kept in spelt
    assert typed not in spelt
    assert after in spelt


def test_healing_can_be_switched_off(starter_tokenizer: FastTokenizer) -> None:
    """Without it the prompt ends at the cursor, and nothing is held."""
    prompts = builder(starter_tokenizer, FAMILIES["midfill"], healing=False)
    prompt = prompts.build(at_end("return tot"), max_output_tokens=16)
    assert prompt.hold is None
    assert starter_tokenizer.spell(prompt.token_ids).endswith("return tot")


@pytest.mark.parametrize(
    ("family", "most"), [("midfill", 2), ("midfill-marked-cursor", 3)]
)
def test_the_prompt_holds_from_key_to_key(
    starter_tokenizer: FastTokenizer, family: str, most: int
) -> None:
    """While a line is typed, each prompt is the one before it and a few tokens more.

    A mark at the cursor is one token more that does not stay.
    """
    prompts = builder(starter_tokenizer, FAMILIES[family])
    above = "".join(f"value_{at} = compute({at})\n" for at in range(60))
    line = "    return self.compute_total(values, 12) == other"
    earlier: tuple[int, ...] = ()
    for length in range(1, len(line) + 1):
        prompt = prompts.build(at_end(above + line[:length]), max_output_tokens=16)
        shared = len(prompt.token_ids)
        while prompt.token_ids[:shared] != earlier[:shared]:
            shared -= 1
        assert not earlier or len(earlier) - shared <= most
        earlier = prompt.token_ids
