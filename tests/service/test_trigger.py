"""Where a completion is worth it, and how far it may run."""

import pytest

from lsp_server.config import CompletionConfig
from lsp_server.context.cursor import CursorContext
from lsp_server.outcomes import Reason
from lsp_server.service import reasons
from lsp_server.service.trigger import choose_scope, why_unsuitable, why_unwelcome
from lsp_server.values import CompletionScope, Snapshot, Trigger

CURSOR = "▮"
BLOCK, LINE = CompletionScope.BLOCK, CompletionScope.LINE
STATEMENT = CompletionScope.STATEMENT
INVOKED, AUTOMATIC = Trigger.INVOKED, Trigger.AUTOMATIC


def cursor_of(document: str, language: str = "python") -> CursorContext:
    """Return the marked cursor."""
    return CursorContext.of(
        Snapshot(
            uri="file:///a",
            language_id=language,
            version=1,
            text=document.replace(CURSOR, ""),
            offset=document.index(CURSOR),
        )
    )


def check(
    document: str,
    expected: CompletionScope,
    *,
    language: str = "python",
    trigger: Trigger = AUTOMATIC,
) -> None:
    """Hold the scope at the marked cursor against the expected one."""
    cursor = cursor_of(document, language)
    assert why_unwelcome(cursor, trigger) is None
    assert expected is choose_scope(cursor, trigger, into_blocks=True)


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
    ("document", "expected"),
    [
        ("x = ▮\n", STATEMENT),
        ("def f():\n    ▮\n    return 1\n", STATEMENT),
        ("def f():\n    x = 1\n    ▮\n", STATEMENT),
        ("x = {\n    'a':▮\n}\n", STATEMENT),
        ("f = lambda:▮\n", STATEMENT),
        ("x:▮\n", STATEMENT),
        ("x = foo() ▮\n", STATEMENT),
        ("def f(x)▮\n", STATEMENT),
        ("foo(bar()▮\n", STATEMENT),
        ("▮\nimport os\n", STATEMENT),
        ("# é wörter\nx = ▮", STATEMENT),
        ("def f(▮):\n    pass\n", LINE),
        ("print(▮)\n", LINE),
        ("if x:▮  # why\n    pass\n", LINE),
        ('"""\n▮', LINE),
        ("f'''a\n▮\n'''", LINE),
    ],
)
def test_elsewhere_it_is_the_line(document: str, expected: CompletionScope) -> None:
    """Where no body is missing, the rest of the line, and the block that it opens.

    With code behind the cursor, and in a string over lines, it is the line alone.
    """
    check(document, expected)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ("pri▮nt(x)\n", reasons.INSIDE_WORD),
        ("▮print(x)\n", reasons.INSIDE_WORD),
        ("x = ▮y\n", reasons.INSIDE_WORD),
        ("x = foo()▮\n", reasons.STATEMENT_ENDED),
        ("x = [1, 2]▮\n", reasons.STATEMENT_ENDED),
        ("    return foo(bar)▮\n", reasons.STATEMENT_ENDED),
        ("▮", reasons.EMPTY_DOCUMENT),
        ("\n\n▮\n", reasons.EMPTY_DOCUMENT),
    ],
)
def test_nobody_asked_and_nothing_is_said(document: str, reason: Reason) -> None:
    """Inside of a word and behind a finished statement, only a hand gets an answer."""
    cursor = cursor_of(document)
    assert why_unwelcome(cursor, AUTOMATIC) is reason
    assert why_unwelcome(cursor, INVOKED) is None


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ("x = 1▮\n", BLOCK),
        ("x = f()  # why▮\n", BLOCK),
        ("    ▮\nx = 1\n", STATEMENT),
        ("x = ▮ + 1\n", LINE),
    ],
)
def test_by_hand_it_may_begin_on_the_next_line(
    document: str, expected: CompletionScope
) -> None:
    """Whoever asks at the end of a line that is complete gets the next lines."""
    check(document, expected, trigger=INVOKED)


@pytest.mark.parametrize(
    ("language", "document", "expected"),
    [
        ("javascript", "function f(x) {\n  ▮\n}\n", BLOCK),
        ("javascript", "function f(x) {▮\n}\n", BLOCK),
        ("javascript", "function f(x) {  // why\n  ▮\n", BLOCK),
        ("javascript", "function f(x) {\n  ▮\n  return x;\n}\n", STATEMENT),
        ("javascript", "function f(x) {▮}\n", LINE),
        ("javascript", "▮{\n", LINE),
        ("javascript", "let x = ▮;\n", LINE),
        ("javascript", "let x = f()▮\n", STATEMENT),
        ("javascript", "switch (x) {\n  case 1:\n    ▮\n", STATEMENT),
        ("typescript", "const q = `{▮\n`;\n", LINE),
        ("go", "func f() {\n\t▮\n}\n", BLOCK),
        ("rust", "match x {▮\n}\n", BLOCK),
        ("lua", "if x then▮\nend\n", BLOCK),
        ("lua", "if x▮\nend\n", STATEMENT),
        ("shellscript", "for f in *; do\n  ▮\ndone\n", BLOCK),
        ("shellscript", "for f in *; do\n  ▮\n  echo\ndone\n", STATEMENT),
        ("yaml", "steps:▮\n", BLOCK),
        ("yaml", "steps:\n▮\n", BLOCK),
        ("yaml", "steps:▮\n  - a\n", STATEMENT),
        ("markdown", "Note:▮\n", STATEMENT),
    ],
)
def test_other_languages(
    language: str, document: str, expected: CompletionScope
) -> None:
    """What opens a block is the language's own."""
    check(document, expected, language=language)


@pytest.mark.parametrize(
    ("language", "document", "is_finished"),
    [
        ("javascript", "let x = f();▮\n", True),
        ("javascript", "// see f();▮\n", False),
        ("go", "x := f()▮\n", False),
        ("markdown", "(see above)▮\n", False),
    ],
)
def test_what_ends_a_statement(
    language: str, document: str, *, is_finished: bool
) -> None:
    """A semicolon does where the language has them, and nothing does in prose."""
    reason = why_unwelcome(cursor_of(document, language), AUTOMATIC)
    assert reason is (reasons.STATEMENT_ENDED if is_finished else None)


def test_blocks_can_be_switched_off() -> None:
    """A completion of a line then never goes on below it."""
    scope = choose_scope(cursor_of("if x▮\n"), AUTOMATIC, into_blocks=False)
    assert scope is LINE


def test_only_the_surroundings_are_read() -> None:
    """A block's head that is very far above does not matter."""
    check("def f():\n" + "\n" * 30_000 + "x▮\n", STATEMENT)


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
