"""What is asked of a model, what it answers, and how that is judged.

Nothing here knows a benchmark, a tokenizer or an engine.
"""

import enum
from dataclasses import dataclass

from lsp_server.values import Snapshot

__all__ = ["Answer", "Extent", "Score", "Task", "View"]


class Extent(enum.Enum):
    """How far the text that is missing at a cursor goes."""

    LINE = "line"
    BLOCK = "block"
    SPAN = "span"


class View(enum.Enum):
    """What of a model is looked at.

    ``WITH_SUFFIX`` is the model's own text for the server's prompt, ``NO_SUFFIX`` that
    of the same model from left to right, and ``SHOWN`` what the server's filters leave
    of the first.
    """

    WITH_SUFFIX = "with suffix"
    NO_SUFFIX = "no suffix"
    SHOWN = "as shown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A document with a gap.

    Attributes:
        task_id: The task's name, unique in its suite.
        category: Tasks of a category are counted together.
        group: Tasks of a group are variations of one thing, so they do not tell of
            each other independently.
        prefix: The document left of the cursor.
        middle: What is missing there.
        suffix: The document right of the cursor.
        extent: How far the missing text goes.
        max_tokens: The most tokens that a model may write.
        test: Python code that fails where prefix, middle and suffix before it are no
            solution; None where there is no such test.
        package: Canonical name of the package that the document is of; None where
            that is not known.
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

    @property
    def snapshot(self) -> Snapshot:
        """The document and the cursor, as an editor would send them."""
        return Snapshot(
            uri="file:///task.py",
            language_id="python",
            version=1,
            text=self.prefix + self.suffix,
            offset=len(self.prefix),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a model wrote.

    Attributes:
        text: All of it, up to where watching it ended.
        has_ended: Whether the model itself ended it, by an end token of its family
            within the limit.
        output_tokens: How many tokens it took, the end token aside.
    """

    text: str
    has_ended: bool
    output_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One answer, judged.

    Attributes:
        task_id: Of the task.
        category: Of the task.
        group: Of the task.
        view: What of the model was looked at.
        completion: The text that was judged.
        exact: Whether it is the missing text, blanks at both ends aside.
        similarity: Edit similarity to the missing text, from 0 to 1, as in
            `training.eval.similarity`.
        stops: Whether the model ended it by itself where the missing text's kind ends.
        kept_chars: The characters at its start that agree with the missing text.
        suggested_chars: All of its characters.
        passed: Whether the document that it makes passes the task's test; None where
            there is no test.
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
