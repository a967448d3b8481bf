"""Tasks, answers and scores.

They know no benchmark, tokenizer or engine.
"""

import enum
from dataclasses import dataclass

from lsp_server.values import Snapshot

__all__ = ["Answer", "Extent", "Score", "Task", "View"]


class Extent(enum.Enum):
    """How much text is missing at a cursor."""

    LINE = "line"
    BLOCK = "block"
    SPAN = "span"


class View(enum.Enum):
    """What of a model is measured.

    - ``WITH_SUFFIX``: its text for the server's prompt
    - ``NO_SUFFIX``: its text when it only continues the prefix
    - ``SHOWN``: what the server's filters leave of the first
    """

    WITH_SUFFIX = "with suffix"
    NO_SUFFIX = "no suffix"
    SHOWN = "as shown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A document with a gap.

    Attributes:
        task_id: The task's name, unique in its suite.
        category: Tasks of a category are summarised together.
        group: Tasks of a group, such as lines of one function, are not statistically
            independent.
        prefix: The document before the cursor.
        middle: The missing text.
        suffix: The document after the cursor.
        extent: How much text is missing.
        max_tokens: Maximum tokens of an answer.
        test: Python code that fails after a document that is no solution; None if
            there is no such test.
        package: Canonical name of the package that the document belongs to; None if
            unknown.
        language_id: The document's language.
    """

    task_id: str
    category: str
    group: str
    prefix: str
    middle: str
    suffix: str
    extent: Extent
    max_tokens: int
    test: str | None = None
    package: str | None = None
    language_id: str = "python"

    @property
    def snapshot(self) -> Snapshot:
        """The document and cursor, as an editor would send them."""
        return Snapshot(
            uri="file:///task.py",
            language_id=self.language_id,
            version=1,
            text=self.prefix + self.suffix,
            offset=len(self.prefix),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A model's output for a task.

    Attributes:
        text: The text, up to where generation was stopped.
        has_ended: Whether the model ended it, by an end token of its family within
            the limit.
        output_tokens: Number of tokens, without the end token.
    """

    text: str
    has_ended: bool
    output_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The score of one answer.

    Attributes:
        task_id: The task's id.
        category: The task's category.
        group: The task's group.
        view: What of the model was measured.
        completion: The scored text.
        exact: Whether it equals the missing text, except for white space at both ends.
        similarity: Edit similarity to the missing text, from 0 to 1, as in
            `training.eval.scoring`.
        stops: Whether the model itself ended its output where the answer ends.
        kept_chars: Length of the prefix that it shares with the missing text.
        suggested_chars: Its length.
        passed: Whether the completed document passes the task's test; None if there is
            no test.
    """

    task_id: str
    category: str
    group: str
    view: View
    completion: str
    exact: bool
    similarity: float
    stops: bool
    kept_chars: int
    suggested_chars: int
    passed: bool | None = None
