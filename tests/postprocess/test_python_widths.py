"""Code of Python written with other widths is shown in the document's, and parses."""

import ast
from itertools import product

import pytest

from lsp_server.context.cursor import CursorContext
from lsp_server.postprocess.pipeline import postprocess
from lsp_server.service.trigger import choose_scope
from lsp_server.values import Snapshot, Trigger

CODE = '''\
class A(B):
    x = 1

    def f(self, a):
        """Doc."""
        if a and (
            self.x
            or a[0]
        ):
            for each in a:
                try:
                    self.g(each)
                except KeyError:
                    continue
                else:
                    print(
                        each,
                        end="",
                    )
            return None
        elif not a:
            a = {
                "b": [1, 2],
            }
        with open(a) as c:
            while c:
                c = c[1:]
        return a

    def g(self, b): ...


async def h():
    async for y in z():
        await y
    return [A(k).f(y) for k in y]
'''
UNITS = (" " * 4, " " * 2, "\t", " " * 8, " " * 3)


def indented(unit: str) -> list[str]:
    """Return the lines of the code with that indentation."""
    lines = []
    for line in CODE.splitlines():
        rest = line.lstrip()
        lines.append(unit * ((len(line) - len(rest)) // 4) + rest)
    return lines


def meaning(text: str) -> str:
    """Return the syntax tree, which knows no blanks."""
    return ast.dump(ast.parse(text))


STATEMENTS = sorted(
    (each.lineno - 1, each.end_lineno or 0)
    for each in ast.walk(ast.parse(CODE))
    if isinstance(each, ast.stmt) and each.lineno > 1
)


@pytest.mark.parametrize(("own", "model"), list(product(UNITS, UNITS)))
def test_a_statement_that_is_missing(own: str, model: str) -> None:
    """What is shown whole parses where it comes, wherever the cursor stands.

    That is behind the line above, at the margin and at its line's indentation. Where
    the document says how deep it is, the file is what it was.
    """
    ours, theirs = indented(own), indented(model)
    whole = 0
    for (at, end), place, trigger in product(STATEMENTS, range(3), Trigger):
        before, blanks = "\n".join(ours[:at]), ours[at][: -len(ours[at].lstrip())]
        text = "\n".join(["", *theirs[at : end + 1], ""])
        if place > 0:
            before, text = f"{before}\n", text[1:]
        if place > 1:
            before, text = before + blanks, text.lstrip()
        after = "\n".join(["", *ours[end:], ""])
        snapshot = Snapshot(
            uri="file:///a.py",
            language_id="python",
            version=1,
            text=before + after,
            offset=len(before),
        )
        cursor = CursorContext.of(snapshot)
        scope = choose_scope(cursor, trigger, into_blocks=True)
        found = postprocess(text, cursor, scope).text or ""
        if found.split() == " ".join(ours[at:end]).split():
            whole += 1
            made = meaning(before + found + after)
            # How deep a line is meant is not always to be seen in another width.
            if own == model or place > 1:
                assert meaning(CODE) == made, (before, found)
    assert whole > len(STATEMENTS)
