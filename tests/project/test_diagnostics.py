"""Errors near the cursor are context, for as long as they are there."""

from collections.abc import Callable
from dataclasses import replace

from project_editor import ROOT, ProjectEditor

from lsp_server.project.diagnostics import Diagnostics
from lsp_server.project.provider import Diagnostic, DiagnosticsChanged

Open = Callable[..., ProjectEditor]

HERE = f"{ROOT}/src/a.py"
LINE = "x = 1\n"


async def shown(editor: ProjectEditor, *diagnostics: Diagnostic) -> list[str]:
    """Return what the model would read with these diagnostics."""
    changed = DiagnosticsChanged(uri=HERE, diagnostics=diagnostics)
    editor.project.take(changed)
    here = replace(editor.texts[HERE], offset=100 * len(LINE))
    return [each.text for each in await editor.gathered(here)]


def problem(line: int, message: str, *, is_error: bool = True) -> Diagnostic:
    """Return a diagnostic."""
    return Diagnostic(line=line, is_error=is_error, message=message)


async def test_the_diagnostics_near_the_cursor_are_shown(open_project: Open) -> None:
    """In the order of their lines, each once, and not those of the line itself."""
    editor = open_project(Diagnostics())
    editor.open(HERE, LINE * 300)
    far, own = problem(290, "far away"), problem(100, "being typed")
    near = [
        problem(101, "unused  name\n'y'", is_error=False),
        problem(95, "no name 'cart'"),
        problem(96, "no name 'cart'"),
    ]
    expected = "a.py: error: no name 'cart'\na.py: warning: unused name 'y'"
    assert [expected] == await shown(editor, far, own, *near)


async def test_a_diagnostic_that_is_gone_is_not_kept(open_project: Open) -> None:
    """It would be wrong, where other snippets are only less fitting."""
    editor = open_project(Diagnostics())
    editor.open(HERE, LINE * 300)
    first = await shown(editor, problem(95, "no name 'cart'"))
    assert ["a.py: error: no name 'cart'"] == first
    assert [] == await shown(editor)


async def test_they_are_few_and_short(open_project: Open) -> None:
    """Whatever the editor sends; the errors come before the warnings."""
    editor = open_project(Diagnostics())
    editor.open(HERE, LINE * 300)
    many = [problem(101, f"{n} {'x' * 9999}", is_error=False) for n in range(99)]
    (text,) = await shown(editor, *many, problem(120, "the error"))
    assert 5 == len(text.splitlines())
    assert "a.py: error: the error" in text
    assert len(text) < 1500
