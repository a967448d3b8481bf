"""What is found as a secret, and what is left of it in a prompt."""

import random
import string
from collections.abc import Mapping

import pytest
from detect_secrets.plugins import keyword
from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server.privacy.secret_finder import SecretFinder, redacted

ALNUM = string.ascii_letters + string.digits
UPPER = string.ascii_uppercase + string.digits
HEX = "0123456789abcdef"
URL_SAFE = ALNUM + "-_"

SHAPES: Mapping[str, tuple[tuple[str, str, int], ...]] = {
    'key = "%s"': (
        ("AKIA", UPPER, 16),
        ("ghp_", ALNUM, 36),
        ("glpat-", ALNUM, 20),
        ("sk_live_", ALNUM, 24),
        ("SK", HEX, 32),
        ("pypi-AgEIcHlwaS5vcmc", URL_SAFE, 80),
        ("xoxb-123456789012-", ALNUM, 24),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.", URL_SAFE, 43),
    ),
    'aws_secret_access_key = "%s"': (("", ALNUM + "/+", 40),),
    "git clone https://%s@example.org/a": (("ghp_", ALNUM, 36),),
    "//registry.example/:_authToken=%s": (("npm_", ALNUM, 36),),
    'url = "postgres://app:%s@db/x"': (("x9", ALNUM, 10),),
    'password = "%s"': (("x9", ALNUM, 10),),
    '"apiKey": "%s",': (("x9", ALNUM, 22),),
    "-----BEGIN RSA PRIVATE KEY-----\n%s\n-----END RSA PRIVATE KEY-----": (
        ("MIIE", ALNUM + "+/", 60),
    ),
    "%s\n-----END PRIVATE KEY-----": (("", ALNUM + "+/", 64),),
    '"-----BEGIN PRIVATE KEY-----\\n%s\\n"': (("MIIE", ALNUM + "+/", 60),),
}


@st.composite
def secrets(draw: st.DrawFn) -> tuple[str, str]:
    """Draw a line with a secret, and the secret."""
    line = draw(st.sampled_from(sorted(SHAPES)))
    prefix, alphabet, length = draw(st.sampled_from(SHAPES[line]))
    seed = draw(st.integers(0, 2**32))
    rest = "".join(random.Random(seed).choices(alphabet, k=length))  # noqa: S311  # no real secret
    return line.replace("%s", prefix + rest), prefix + rest


CODE = st.sampled_from(
    ["import os", "", "    return x", "\tif a:", "y = 1\r", "# naïve é🚄", "}"]
)


@pytest.fixture(scope="module")
def finder() -> SecretFinder:
    """The rules, loaded once."""
    return SecretFinder()


@settings(max_examples=150, deadline=None)
@given(
    around=st.lists(CODE, max_size=6), found=st.lists(secrets(), min_size=1, max_size=3)
)
def test_no_secret_is_left_and_no_line_moves(
    finder: SecretFinder, around: list[str], found: list[tuple[str, str]]
) -> None:
    """Lines and line ends stay as they are, and so does what was redacted already."""
    text = "\n".join([*around, *(line for line, _ in found), *around])

    result = redacted(text, finder)

    assert not [secret for _, secret in found if secret in result]
    assert result.count("\n") == text.count("\n")
    assert result.count("\r") == text.count("\r")
    assert redacted(result, finder) == result


def test_names_above_a_cut_off_key_are_no_part_of_it(finder: SecretFinder) -> None:
    """What was redacted already stays as it is."""
    key = "2WAqGzYtEL6GsWNq6" * 4
    text = f"aws_secret_access_key = load()\n{key}\n-----END PRIVATE KEY-----"
    result = redacted(text, finder)
    assert result == text.replace(key, "<PRIVATE_KEY>")
    assert redacted(result, finder) == result


@settings(max_examples=100, deadline=None)
@given(text=st.text(st.sampled_from("ab1=:\"' \n\r/@-_KEY"), max_size=200))
def test_any_text_keeps_its_line_ends(finder: SecretFinder, text: str) -> None:
    """Also where quotes and marks stand in no order."""
    result = redacted(text, finder)

    ends = [char for char in text if char in "\r\n"]
    assert [char for char in result if char in "\r\n"] == ends


def test_a_secret_has_one_placeholder_wherever_it_stands(finder: SecretFinder) -> None:
    """It says what kind of secret it was, and is the same each time."""
    key = "AKIA" + "Q7" * 8
    text = f'key = "{key}"\nprint("{key}")  # not {key}\n'

    assert redacted(text, finder) == text.replace(key, "<AWS_ACCESS_KEY>")


def test_nothing_is_left_of_a_secret(finder: SecretFinder) -> None:
    """Neither a token's signature, nor what would not be found where it stands."""
    random_text = "Zq7/kP2mX9vB4nT1sL8wR5yC3hJ6dF0gAeUiOo+K"
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0."
    text = f'x = "{random_text}"  # {random_text}\ny = {token}dGhlLXNpZ25hdHVyZQ\n'

    assert redacted(text, finder) == (
        'x = "<BASE64_HIGH_ENTROPY_STRING>"  # <BASE64_HIGH_ENTROPY_STRING>\n'
        "y = <JSON_WEB_TOKEN>\n"
    )


@pytest.mark.parametrize("at", [0, 2_900, 3_990, 100_000])
def test_a_secret_in_a_long_line_is_found(finder: SecretFinder, at: int) -> None:
    """Wherever it is in the line; nothing takes time by the square of its length."""
    key = "ghp_" + "aB3x" * 9
    line = "eyJ" * (at // 3) + f' "{key}" ' + "eyJ" * 30_000

    assert key not in redacted(line, finder)


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("a.yaml", "password: a1b2c3\n", "password: <SECRET_KEYWORD>\n"),
        ("a.py", "password: a1b2c3\n", "password: a1b2c3\n"),
        ("a.py", 'password = "a1b2c3"\n', 'password = "<SECRET_KEYWORD>"\n'),
    ],
)
def test_the_kind_of_file_says_whether_values_stand_in_quotes(
    finder: SecretFinder, path: str, text: str, expected: str
) -> None:
    """In a file of settings they need none."""
    assert redacted(text, finder, path=path) == expected


@given(
    lines=st.lists(
        st.one_of(
            st.sampled_from(sorted(SHAPES)).map(
                lambda line: line.replace("%s", "x9" + "aB3/" * 12)
            ),
            st.text(st.sampled_from("ab1=:\"' \r/@-_KEY"), max_size=30),
        ),
        max_size=8,
    ),
    above=st.integers(0, 8),
)
def test_lines_can_be_looked_at_without_those_above(
    finder: SecretFinder, lines: list[str], above: int
) -> None:
    """What is found in them is the same; a private key can begin above."""
    text = "\n".join(lines)
    start = sum(len(line) + 1 for line in lines[:above])
    found = [each for each in finder.find(text) if each.start >= start]
    assert found == list(finder.find(text, start=start))


@pytest.mark.parametrize("name", keyword.DENYLIST)
def test_each_name_of_a_secret_makes_a_line_suspect(
    finder: SecretFinder, name: str
) -> None:
    """In upper and lower case, within a longer name and with or without its line."""
    for written in (name.replace("_?", "_"), name.replace("_?", "")):
        value = 'my%s = "x9Kq-7!tZ"'
        assert finder.may_hold(value % written)
        assert finder.may_hold(value % written.upper())
        assert finder.find(value % written)


@pytest.mark.parametrize(
    "text",
    [
        "password = get_password(user)",
        'password = os.environ["PASSWORD"]',
        'token = "${TOKEN}"',
        'alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"',
        'commit = "3f786850e387550fdab836ed7e6dc881de23001b"',
        'id = "123e4567-e89b-12d3-a456-426614174000"',
        "a_very_long_name_of_a_function_in_python(argument)",
        'if "BEGIN PRIVATE KEY" in text:',
        "10.0.0.1 8.8.8.8",
        "https://example.org/a?b=c@d",
    ],
)
def test_ordinary_code_is_left_alone(finder: SecretFinder, text: str) -> None:
    """Names, references, hashes, identifiers and addresses are no secrets."""
    assert redacted(text, finder) == text
