"""Generated text is let through up to what nobody is sent, however it is cut up."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server.privacy.output_check import FaultKind, OutputRules, StreamCheck
from lsp_server.privacy.secret_finder import SecretFinder

KEY = "AKIA" + "Q7X3" * 4
TOKEN = "ghp_" + "aB3x" * 9
RULES = OutputRules(finder=SecretFinder(), hidden_characters=True)
PIECES = st.sampled_from(
    [
        *(
            "x = 1\n",
            "a_name_of_more_than_sixteen_letters = f(x)\n",
            "password = ",
            '"',
        ),
        *("hunter-2!x", "\n", f"key = '{KEY}'\n", TOKEN, "https://me:s3cr3t@host/\n"),
        *(
            "-----BEGIN PRIVATE KEY-----\n",
            "MIIEvQIBADANBgkq\n",
            "👩\u200d💻",
            "\u200b",
        ),
        *("é", "\u202e", "# a comment\n", " ", "\ufe0f", "secret"),
    ]
)


def let_through(parts: list[str], *, before: str = "", after: str = "") -> str:
    """Return what comes out of a stream of parts."""
    check = StreamCheck(RULES, before=before, after=after)
    return "".join([*map(check.feed, parts), check.finish()])


@given(st.lists(PIECES, max_size=8), st.data())
def test_the_parts_of_a_text_do_not_matter(
    pieces: list[str], data: st.DataObject
) -> None:
    """A stream of tokens has the text of the whole answer."""
    text = "".join(pieces)
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=12))
    parts = [text[a:b] for a, b in pairwise([0, *sorted(cuts), len(text)])]
    whole = let_through([text])
    assert whole == let_through(parts) == let_through(list(text))
    assert text.startswith(whole)


@pytest.mark.parametrize(
    ("text", "sent", "fault"),
    [
        (f"a = 1\nkey = '{KEY}'\nb = 2\n", "a = 1\nkey = '", FaultKind.SECRET),
        ('password = "hunter-2!x"\n', 'password = "', FaultKind.SECRET),
        (
            "git clone https://me:s3cr3t@host/\n",
            "git clone https://me:",
            FaultKind.SECRET,
        ),
        ("if a:\u202e # b\n", "if a:", FaultKind.HIDDEN_CHARACTERS),
        ("s = '👩\u200d💻'\n", "s = '👩\u200d💻'\n", None),
        ('password = "password"\n', 'password = "password"\n', None),
        (
            "a_name_of_more_than_sixteen = 1\n",
            "a_name_of_more_than_sixteen = 1\n",
            None,
        ),
    ],
)
def test_a_text_ends_before_its_fault(
    text: str, sent: str, fault: FaultKind | None
) -> None:
    """Nothing of the secret is sent, also where it comes letter by letter."""
    check = StreamCheck(RULES, before="", after="")
    assert sent == "".join([*map(check.feed, text), check.finish()])
    assert fault is check.fault


def test_what_the_user_has_written_is_no_fault() -> None:
    """Wherever it stands; what it makes of the user's line is looked at as well."""
    assert f"'{KEY}'\n" == let_through([f"'{KEY}'\n"], after=f"\nkey = '{KEY}'\n")
    assert "" == let_through(["hunter-2!x"], before="x\npassword = '", after="'\n")
    key = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n"
    assert key == let_through([key])
    assert "" == let_through([key], before="-----BEGIN PRIVATE KEY-----\n")


def test_other_lines_are_sent_as_they_come() -> None:
    """But for the word that is being written."""
    check = StreamCheck(RULES, before="", after="")
    sent = [check.feed(part) for part in ("def ", "area(", "side", "): ", "return")]
    assert ["def ", "area(", "", "side): ", ""] == sent
