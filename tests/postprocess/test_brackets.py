"""No bracket, block or string is closed twice."""

import pytest

from lsp_server.context.cursor import CursorContext
from lsp_server.postprocess.brackets import cut_surplus_closers
from lsp_server.values import CompletionScope, Snapshot

METHODS = """\
class Shop:
    def first(self):
        return self.broken(1, [2

    def second(self, name):
        total = 0
        """
IN_A_CALL = '''\
def report(cursor, day):
    cursor.execute("""
        with days as (select day from sales)
        return everything
    """,
        [day'''
DOCUMENTED = '''\
def total(items):
    """Add up (all of them.

    return what they cost
    """
    return sum(item.price for item in items'''
FAR_BELOW = "\n\nvoid g() {\n  h(b);\n}" * 500
FAR_CODE = '\n\ndef g():\n    """\n    Do.\n    """\n    return h(a)\n' * 500
"""More than is read."""


def near(before: str, after: str = "", language_id: str = "python") -> CursorContext:
    """Return the context of a cursor between two texts."""
    snapshot = Snapshot(
        uri="file:///a",
        language_id=language_id,
        version=1,
        text=before + after,
        offset=len(before),
    )
    return CursorContext.of(snapshot)


@pytest.mark.parametrize(
    ("cursor", "text", "expected"),
    [
        pytest.param(near("f(x"), ")", ")", id="open"),
        pytest.param(near("f(x"), "))", ")", id="one-too-many"),
        pytest.param(near("f(x)"), ") + 1", "", id="nothing-open"),
        pytest.param(near("f(x", ")"), ", y)", ", y", id="closed-behind"),
        pytest.param(near("f(\n    x"), "\n)", "\n)", id="lines-of-a-statement"),
        pytest.param(
            near(METHODS), "self.add(name)])", "self.add(name)", id="not-of-a-method"
        ),
        pytest.param(
            near("f(function () {\n    return x", language_id="javascript"),
            "})",
            "})",
            id="statement-within-a-call",
        ),
        pytest.param(near(IN_A_CALL), "])", "])", id="words-in-a-long-string"),
        pytest.param(near(DOCUMENTED), "))", ")", id="words-in-a-docstring"),
        pytest.param(
            near("void f() {\n  if (f(a", FAR_BELOW, "c"), "b)) {", "b)) {", id="far"
        ),
        pytest.param(
            near("const a = [[\n  f(a", FAR_BELOW, "c"), "b)]]", "b)", id="far-above"
        ),
        pytest.param(
            near('def f():\n    """Do.\n\n    a', ' b\n\n    """\n' + FAR_CODE),
            'c"""',
            "c",
            id="docstring-closed-below",
        ),
        pytest.param(
            near('def f():\n    """Do ', f"\n    return 1\n{FAR_CODE}"),
            'it."""',
            'it."""',
            id="docstring-of-another",
        ),
    ],
)
def test_surplus_closers_are_cut(
    cursor: CursorContext, text: str, expected: str
) -> None:
    """As many are closed as stand open in the statement, and no more."""
    assert expected == cut_surplus_closers(text, cursor, CompletionScope.LINE)
