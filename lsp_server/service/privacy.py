"""One connection's privacy: which documents, snippets and texts are used."""

import asyncio
import functools
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

from lsp_server.config import PrivacyConfig
from lsp_server.outcomes import Cut, Reason
from lsp_server.postprocess.pipeline import Outcome
from lsp_server.privacy.document_rules import DocumentRules
from lsp_server.privacy.hidden_characters import without_hidden
from lsp_server.privacy.output_check import OutputRules, StreamCheck
from lsp_server.privacy.path_rules import Exclusion, PathRules
from lsp_server.privacy.secret_finder import SecretFinder, redacted
from lsp_server.service import reasons
from lsp_server.values import Snapshot, Snippet

__all__ = ["Privacy", "load_rules_ahead"]

_Key = TypeVar("_Key")

_AT_ONCE_CHARS = 2_000
"""So much text is looked through without a thread, which takes longer to begin."""

_MOST_TEXTS = 256


class Privacy:
    """Applies the settings of privacy to one connection's requests.

    Args:
        config: The settings.
        is_remote: Whether the client is on another machine: no rule is read from this
            one's disk.
    """

    def __init__(self, config: PrivacyConfig, *, is_remote: bool = False) -> None:
        """Begin to load the rules for secrets, in a thread."""
        self._config = config
        self._documents = DocumentRules(PathRules(reads_disk=not is_remote))
        self._cleaned: dict[tuple[str, str], str] = {}
        self._finder = _finder() if config.secrets else None

    async def why_private(self, uri: str) -> Reason | None:
        """Return why a document gets no completions; None where it may have some."""
        exclusion = await self._exclusion(uri)
        if exclusion is Exclusion.GIT_FILE and self._config.complete_git_ignored:
            return None
        return None if exclusion is None else reasons.private(exclusion)

    async def cleaned(self, snippets: Sequence[Snippet]) -> tuple[Snippet, ...]:
        """Return the snippets of files that are not private, fit for a prompt.

        Secrets in them are redacted, and characters that are not seen are left out.
        What was cleaned once is remembered, so that a key costs nothing.
        """
        allowed = [
            each
            for each in snippets
            if await self._exclusion(each.uri or each.path) is None
        ]
        wanted = {(each.path, each.text) for each in allowed}
        # Others may clear what is remembered while this waits.
        texts = {key: self._cleaned[key] for key in wanted & self._cleaned.keys()}
        if new := wanted - texts.keys():
            finder = await self._loaded()
            made = await asyncio.to_thread(self._clean, new, finder)
            if len(self._cleaned) + len(made) > _MOST_TEXTS:
                self._cleaned.clear()
            self._cleaned.update(made)
            texts |= made
        return tuple(
            replace(each, text=texts[each.path, each.text]) for each in allowed
        )

    async def checked(
        self, outcomes: Mapping[_Key, Outcome], snapshot: Snapshot
    ) -> dict[_Key, Outcome]:
        """Return the outcomes, those dropped whose texts hold what must not be shown.

        That is a secret, or a character that is not seen, which the document does not
        hold already.
        """
        finder = await self._loaded()

        def check() -> dict[_Key, Outcome]:
            return {
                key: self._check(outcome, snapshot, finder)
                for key, outcome in outcomes.items()
            }

        chars = sum(len(outcome.text or "") for outcome in outcomes.values())
        return check() if chars <= _AT_ONCE_CHARS else await asyncio.to_thread(check)

    async def stream_check(self, *, before: str, after: str) -> StreamCheck:
        """Return what checks a text while it is generated, by the rules of ``checked``.

        Args:
            before: The client's text before it.
            after: The client's text behind it.
        """
        rules = self._rules(await self._loaded())
        return StreamCheck(rules, before=before, after=after)

    async def _exclusion(self, uri: str) -> Exclusion | None:
        if not self._config.ignore_rules:
            return None
        return await self._documents.exclusion(uri)

    async def _loaded(self) -> SecretFinder | None:
        """Return what finds secrets; None where nothing looks for them."""
        if self._finder is None:
            return None
        if self._finder.done():
            return self._finder.result()
        # Others wait for it too: one request's end is not theirs.
        return await asyncio.shield(asyncio.wrap_future(self._finder))

    def _clean(
        self, texts: set[tuple[str, str]], finder: SecretFinder | None
    ) -> dict[tuple[str, str], str]:
        """Clean texts of files, by path and text; runs in a thread."""
        cleaned = {}
        for path, text in texts:
            seen = without_hidden(text) if self._config.hidden_characters else text
            if finder is not None:
                seen = redacted(seen, finder, path=path)
            cleaned[path, text] = seen
        return cleaned

    def _rules(self, finder: SecretFinder | None) -> OutputRules:
        hidden = self._config.hidden_characters
        return OutputRules(finder=finder, hidden_characters=hidden)

    def _check(
        self, outcome: Outcome, snapshot: Snapshot, finder: SecretFinder | None
    ) -> Outcome:
        """Drop a text that must not be shown."""
        if outcome.text is None:
            return outcome
        fault = self._rules(finder).first_fault(
            outcome.text,
            before=snapshot.before,
            after=snapshot.line_after,
            known=snapshot.text,
            path=snapshot.uri,
        )
        if fault is None:
            return outcome
        by = fault.kind.value
        cut = Cut(filter_name=by, before=outcome.text, after="")
        return replace(outcome, text=None, dropped_by=by, cuts=(*outcome.cuts, cut))


def load_rules_ahead() -> None:
    """Begin to load the rules for secrets, in a thread, before a request needs them."""
    _finder()


@functools.cache
def _finder() -> Future[SecretFinder]:
    """Return what finds secrets, which a thread loads; all connections share it."""
    loader = ThreadPoolExecutor(1, thread_name_prefix="midfill-privacy")
    finder = loader.submit(SecretFinder)
    loader.shutdown(wait=False)
    return finder
