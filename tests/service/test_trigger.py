"""Where a completion is worth it, and how far it may run."""

import pytest

from lsp_server.config import CompletionConfig
from lsp_server.context.cursor import CursorContext
from lsp_server.service.trigger import choose_scope, why_unsuitable
from lsp_server.values import CompletionScope, Snapshot, Trigger

CURSOR = "▮"
BLOCK, LINE = CompletionScope.BLOCK, CompletionScope.LINE
INVOKED, AUTOMATIC = Trigger.INVOKED, Trigger.AUTOMATIC


def check(
    document: str,
    expected: CompletionScope | None,
    *,
    language: str = "python",
    trigger: Trigger = AUTOMATIC,
) -> None:
    """Hold the scope at the marked cursor against the expected one."""
    snapshot = Snapshot(
        uri="file:///a",
        language_id=language,
        version=1,
        text=document.replace(CURSOR, ""),
        offset=document.index(CURSOR),
    )
    assert expected is choose_scope(CursorContext.of(snapshot), trigger)


@pytest.mark.parametrize(
    "document",
    [
        "def f():\n    ▮",
        "def f():\n    ▮\n\n\ndef g():\n    pass\n",
        "def f():\n▮\n",
        "def f():\n\n    ▮\n",
        "def f():▮\n",
        "def f():▮\r\n",
        "def f():\r\n    ▮\r\n",
        "def f():  # comment\n    ▮\n",
        "async def f():\n    ▮\n",
        "class A:\n    ▮\n",
        "class A:\n    def f(self):\n        ▮\n\n    def g(self):\n        pass\n",
        "if x:\n    ▮\nelse:\n    pass\n",
        "if x:\n    pass\nelse:\n    ▮\n",
        "for x in y:\n\t▮\n",
        "match x:\n    case 1:\n        ▮\n",
        "def f(\n    a,\n) -> int:\n    ▮\n",
        'def f():\n    """Doc."""\n    ▮\n',
        'def f():\n    """Doc.\n\n    More: text\n    """\n    ▮\n',
        "def f():\n    '''Doc.\n    more'''\n    ▮\n",
        "with open(a) as b:\n    ▮",
    ],
)
def test_an_empty_body_in_python_is_a_block(document: str) -> None:
    """Behind a block's head, and its docstring, the whole body is suggested."""
    check(document, BLOCK)


@pytest.mark.parametrize(
    "document",
    [
        "x = ▮\n",
        "def f(▮):\n    pass\n",
        "def f():\n    ▮\n    return 1\n",
        "def f():\n    x = 1\n    ▮\n",
        "def f():\n    return ▮\n",
        "x = {\n    'a':▮\n}\n",
        "f = lambda:▮\n",
        "x:▮\n",
        "print(▮)\n",
        "foo(a, ▮)\n",
        "x = foo() ▮\n",
        "def f(x)▮\n",
        "foo(bar()▮\n",
        "▮\nimport os\n",
        'x = """\n"""\n▮',
        '"""Doc."""\n▮\nimport os\n',
        "# é wörter\nx = ▮",
        "if x:▮  # why\n    pass\n",
        '"""\n▮',
        'x = 1"""\n▮',
    ],
)
def test_elsewhere_it_is_the_line(document: str) -> None:
    """Where no body is missing, the rest of the line is suggested."""
    check(document, LINE)


@pytest.mark.parametrize(
    "document",
    [
        "pri▮nt(x)\n",
        "▮print(x)\n",
        "x = ▮y\n",
        "x = foo()▮\n",
        "x = [1, 2]▮\n",
        "    return foo(bar)▮\n",
        "▮",
        "\n\n▮\n",
    ],
)
def test_nobody_asked_and_nothing_is_said(document: str) -> None:
    """Inside of a word and behind a finished statement, only a hand gets an answer."""
    check(document, None)
    check(document, LINE, trigger=INVOKED)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ("function f(x) {\n  ▮\n}\n", BLOCK),
        ("function f(x) {▮\n}\n", BLOCK),
        ("function f(x) {  // why\n  ▮\n", BLOCK),
        ("function f(x) {\n  ▮\n  return x;\n}\n", LINE),
        ("function f(x) {▮}\n", LINE),
        ("▮{\n", LINE),
        ("let x = ▮;\n", LINE),
        ("let x = f()▮\n", LINE),
        ("let x = f();▮\n", None),
        ("switch (x) {\n  case 1:\n    ▮\n", LINE),
    ],
)
def test_languages_with_braces(document: str, expected: CompletionScope | None) -> None:
    """Braces open blocks where the language has them, colons do not."""
    check(document, expected, language="javascript")


def test_only_the_surroundings_are_read() -> None:
    """A block's head that is very far above does not matter."""
    check("def f():\n" + "\n" * 30_000 + "    ▮\n", LINE, trigger=INVOKED)


LIMITS = CompletionConfig(max_document_chars=20, max_line_chars=8)


@pytest.mark.parametrize(
    ("text", "offset", "expected"),
    [
        ("", 0, None),
        ("x = 1\n" * 3, 0, None),
        ("x" * 21, 0, "too-large"),
        ("x" * 9, 4, "line-too-long"),
        ("x" * 9 + "\ny", 11, None),
        ("a\0b", 1, "binary"),
    ],
)
def test_the_reason_is_named(text: str, offset: int, expected: str | None) -> None:
    """The document's size, the cursor's line and zero bytes decide."""
    snapshot = Snapshot(
        uri="file:///a.py", language_id="python", version=1, text=text, offset=offset
    )
    reason = why_unsuitable(snapshot, LIMITS)
    assert expected == (reason and reason.word)
