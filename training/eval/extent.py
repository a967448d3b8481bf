"""Where an answer to a task ends, and whether the model ended it there by itself."""

from lsp_server.context.cursor import CursorContext
from lsp_server.postprocess.scope import scope_end
from lsp_server.values import CompletionScope
from training.eval.values import Answer, Extent, Task

__all__ = ["Boundary"]


class Boundary:
    """Finds where what a task lacks ends in what a model wrote.

    A line ends at the first line end, a block where the server's own rule says so, and
    a span only with the text.
    """

    def __init__(self, task: Task) -> None:
        """Look at the cursor of ``task``."""
        self._extent = task.extent
        self._cursor = CursorContext.of(task.snapshot)

    def find(self, text: str) -> int | None:
        """Give where in ``text`` the answer ends; None while it goes on."""
        match self._extent:
            case Extent.LINE:
                end = text.find("\n")
                return None if end < 0 else end
            case Extent.BLOCK:
                return scope_end(text, self._cursor, CompletionScope.BLOCK)
            case Extent.SPAN:
                return None

    def is_passed(self, text: str) -> bool:
        """Tell whether there is no need to watch the model any longer."""
        return self.find(text) is not None

    def cut(self, text: str) -> str:
        """Give the part of ``text`` that is the answer."""
        return text[: self.find(text)]

    def stops(self, answer: Answer) -> bool:
        """Tell whether the model ended the answer by itself where it should end.

        Behind a line there may be its line end, behind a block blanks, and no more.
        """
        if not answer.has_ended:
            return False
        rest = answer.text[len(self.cut(answer.text)) :]
        if self._extent is Extent.LINE:
            return rest in {"", "\n"}
        return not rest.strip()
