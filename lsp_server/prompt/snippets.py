"""Renders snippets of other files: in the family's format, or as comments."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lsp_server.language.languages import language_of
from lsp_server.prompt.fim import FimFamily, Part, Slot
from lsp_server.values import Snippet

__all__ = ["NO_SNIPPETS", "RenderedSnippets", "SnippetRenderer"]

TokenIds = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedSnippets:
    """Snippets as a prompt holds them.

    Attributes:
        ids: Their tokens, with those of the format.
        snippets: Which they are, in their order.
        is_code: Whether they are comments, which stand at the start of the prefix.
    """

    ids: TokenIds = ()
    snippets: tuple[Snippet, ...] = ()
    is_code: bool = False


NO_SNIPPETS = RenderedSnippets()


class SnippetRenderer:
    """Renders snippets for one model.

    Args:
        family: The model's format.
        encode: Returns the tokens of a text.
        render: Returns the tokens of parts of a format, with slots filled.
        as_comments: Whether snippets stand as comments in front of the code where the
            family has no place for them.
    """

    def __init__(
        self,
        family: FimFamily,
        encode: Callable[[str], TokenIds],
        render: Callable[[Sequence[Part], Mapping[Slot, TokenIds]], TokenIds],
        *,
        as_comments: bool,
    ) -> None:
        self._family = family
        self._encode = encode
        self._render = render
        self._as_comments = as_comments

    def best(
        self,
        snippets: Sequence[Snippet],
        *,
        language_id: str,
        path: TokenIds,
        max_tokens: int,
    ) -> RenderedSnippets:
        """Render the best snippets that fit, ordered by their paths.

        Scores may change from key to key, and an order by them would change the prompt.

        Args:
            snippets: The snippets.
            language_id: The language of the document.
            path: The document's path.
            max_tokens: The most tokens of all together.
        """
        family = self._family
        mark = "" if family.snippet else language_of(language_id).line_comment
        is_code = not family.snippet
        if not snippets or (is_code and not (self._as_comments and mark)):
            return NO_SNIPPETS
        head = self._render(family.snippets_head, {})
        tail = self._render(family.snippets_tail, {Slot.PATH: path})
        left = max_tokens - len(head) - len(tail)
        chosen: dict[tuple[str, str], tuple[Snippet, TokenIds]] = {}
        for snippet in sorted(snippets, key=lambda each: each.score, reverse=True):
            rendered = self._comment(snippet, mark) if is_code else self._file(snippet)
            if len(rendered) <= left:
                chosen[snippet.path, snippet.text] = snippet, rendered
                left -= len(rendered)
        if not chosen:
            return NO_SNIPPETS
        ordered = [chosen[key] for key in sorted(chosen)]
        body = (token_id for _, rendered in ordered for token_id in rendered)
        return RenderedSnippets(
            ids=(*head, *body, *tail),
            snippets=tuple(snippet for snippet, _ in ordered),
            is_code=is_code,
        )

    def _file(self, snippet: Snippet) -> TokenIds:
        """Return the tokens of a snippet in the family's format."""
        return self._render(
            self._family.snippet,
            {
                Slot.PATH: self._encode(snippet.path),
                Slot.TEXT: self._encode(snippet.text.rstrip("\n")),
            },
        )

    def _comment(self, snippet: Snippet, mark: str) -> TokenIds:
        """Return the tokens of a snippet as lines of comment, its path above it."""
        lines = [f"{snippet.path}:", *snippet.text.rstrip("\n").split("\n")]
        return self._encode("".join(f"{mark} {line}".rstrip() + "\n" for line in lines))
