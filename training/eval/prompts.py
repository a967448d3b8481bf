"""Asks a model for what a task lacks, with the server's own prompt builder."""

from dataclasses import replace

from lsp_server.config import PromptConfig
from lsp_server.context.window import LineWindows
from lsp_server.prompt.builder import PromptBuilder
from lsp_server.prompt.fim import FimFamily, Part, Sentinel, Slot
from lsp_server.prompt.tokenizer import Tokenizer
from lsp_server.values import Prompt
from training.eval.values import Task

__all__ = ["TaskPrompts", "left_to_right"]

_DOCUMENT_STARTS = frozenset(
    {"<|endoftext|>", "<s>", "<bos>", "<\uff5cbegin\u2581of\u2581sentence\uff5c>"}
)
"""What a family's prompt may begin with before anything that is about the middle."""


def left_to_right(family: FimFamily) -> FimFamily:
    """Give the format in which the same model just goes on after the prefix.

    It begins as the family's prompts do, with the token that starts a document if there
    is one, and nothing in it tells of a middle or a suffix.
    """
    start: list[Part] = []
    for part in family.order:
        if not isinstance(part, Sentinel) or part.token not in _DOCUMENT_STARTS:
            break
        start.append(part)
    return replace(
        family,
        order=(*start, Slot.PREFIX),
        snippets_head=(),
        snippet=(),
        snippets_tail=(),
    )


class TaskPrompts:
    """Builds the prompts of one model."""

    def __init__(
        self,
        *,
        tokenizer: Tokenizer,
        family: FimFamily,
        config: PromptConfig,
        max_model_len: int,
    ) -> None:
        """Check that family and tokenizer fit.

        Args:
            tokenizer: The model's tokenizer.
            family: The model's family.
            config: How much of a document may be read, as in the server.
            max_model_len: Most tokens of prompt and output together.

        Raises:
            UnsupportedModelError: They do not fit.
        """
        windows = LineWindows(encode=tokenizer.encode, step_lines=config.step_lines)

        def builder(form: FimFamily) -> PromptBuilder:
            return PromptBuilder(
                tokenizer=tokenizer,
                family=form,
                config=config,
                max_model_len=max_model_len,
                windows=windows,
            )

        self._with_suffix = builder(family)
        self._no_suffix = builder(left_to_right(family))

    def with_suffix(self, task: Task) -> Prompt:
        """Ask as the server does.

        Raises:
            ConfigError: The limits leave no room for code.
        """
        return self._with_suffix.build(task.snapshot, max_output_tokens=task.max_tokens)

    def no_suffix(self, task: Task) -> Prompt:
        """Let the model go on after the prefix.

        Raises:
            ConfigError: The limits leave no room for code.
        """
        only_prefix = replace(task.snapshot, text=task.prefix)
        return self._no_suffix.build(only_prefix, max_output_tokens=task.max_tokens)
