"""The reasons for showing nothing, each with a sentence for the user."""

from collections.abc import Mapping
from types import MappingProxyType

from lsp_server.outcomes import Ending, Reason
from lsp_server.privacy.output_check import FaultKind
from lsp_server.privacy.path_rules import Exclusion

__all__ = [
    "BINARY",
    "BUSY",
    "CANCELLED",
    "CRASHED",
    "DEADLINE",
    "DISABLED",
    "EMPTY_DOCUMENT",
    "ENDED_AT_ONCE",
    "HIDDEN_CHARACTERS",
    "INSIDE_WORD",
    "JUST_ACCEPTED",
    "LANGUAGE_OFF",
    "LINE_TOO_LONG",
    "NOT_EXTENDING",
    "NOT_READY",
    "NOT_SURE",
    "OUT_OF_STEP",
    "SECRET",
    "SELECTION_UNUSABLE",
    "STATEMENT_ENDED",
    "SUPERSEDED",
    "TOO_LARGE",
    "WORD_NOT_CONTINUED",
    "dropped_by",
    "failed",
    "private",
]

DISABLED = Reason(
    word="disabled",
    sentence="Completions are switched off (setting completion.enabled).",
    of_document=True,
)
LANGUAGE_OFF = Reason(
    word="language-off",
    sentence="Completions are switched off for this language "
    "(setting completion.disabled_languages).",
    of_document=True,
)
TOO_LARGE = Reason(
    word="too-large",
    sentence="The document is larger than completions are offered in "
    "(setting completion.max_document_chars).",
    of_document=True,
)
BINARY = Reason(
    word="binary",
    sentence="The document holds a zero byte, so it is taken for a binary file.",
    of_document=True,
)
LINE_TOO_LONG = Reason(
    word="line-too-long",
    sentence="The cursor's line is longer than completions are offered in "
    "(setting completion.max_line_chars).",
)
INSIDE_WORD = Reason(
    word="inside-word",
    sentence="A word stands right of the cursor, where a suggestion that nobody asked "
    "for would be in the way. Ask for one by hand to get it.",
)
STATEMENT_ENDED = Reason(
    word="statement-ended",
    sentence="The statement left of the cursor has just ended, where a suggestion that "
    "nobody asked for would be in the way. Ask for one by hand to get it.",
)
EMPTY_DOCUMENT = Reason(
    word="empty-document",
    sentence="The document is empty. Ask for a suggestion by hand to get one.",
)
JUST_ACCEPTED = Reason(
    word="just-accepted",
    sentence="A suggestion was accepted here a moment ago; the next one comes with the "
    "next key, or at once if it is asked for by hand "
    "(setting completion.suggest_after_accept).",
)
NOT_READY = Reason(
    word="not-ready", sentence="The engine is not ready: it is loading, or has failed."
)
BUSY = Reason(
    word="busy",
    sentence="The server has more to do than it can: it had no time for this request. "
    "It will have for later ones.",
)
OUT_OF_STEP = Reason(
    word="out-of-step",
    sentence="The server does not have the document as the editor has it. Close and "
    "open the document again.",
    of_document=True,
)
CANCELLED = Reason(
    word="cancelled",
    sentence="The editor took the request back.",
    ending=Ending.CANCELLED,
)
CRASHED = Reason(
    word="crashed",
    sentence="The completion failed, see the server's log.",
    ending=Ending.FAILED,
)
SUPERSEDED = Reason(
    word="superseded",
    sentence="The text changed in another way than the suggestion would have changed "
    "it, or a newer request took this one's place.",
    ending=Ending.SUPERSEDED,
)
DEADLINE = Reason(
    word="deadline",
    sentence="Nothing was ready in time (setting completion.deadline_ms).",
)
ENDED_AT_ONCE = Reason(
    word="ended-at-once",
    sentence="The model ended at once: it had nothing to add here.",
)
NOT_EXTENDING = Reason(
    word="not-extending",
    sentence="The suggestion does not go on from the item that is selected in the "
    "editor's list.",
)
SELECTION_UNUSABLE = Reason(
    word="selection-unusable",
    sentence="The editor sent a selected item whose range is reversed, or is not "
    "within one line.",
)
NOT_SURE = Reason(
    word="not-sure",
    sentence="The model was not sure enough of anything it wrote here (setting "
    "completion.eagerness). Ask for a suggestion by hand to get it.",
)
WORD_NOT_CONTINUED = Reason(
    word="word-not-continued",
    sentence="The model did not go on from the word that is being typed.",
)

SECRET = FaultKind.SECRET.value
HIDDEN_CHARACTERS = FaultKind.HIDDEN_CHARACTERS.value
"""What drops a text after the filters."""

_BY_FILTER: Mapping[str, str] = MappingProxyType(
    {
        SECRET: "The model wrote what looks like a key or a password "
        "(setting privacy.secrets).",
        HIDDEN_CHARACTERS: "The model wrote characters that are not seen "
        "(setting privacy.hidden_characters).",
        "blank": "The model wrote nothing but blanks.",
        "prefix-echo": "The model only said the cursor's line once more.",
        "doubled-blank": "The model wrote nothing but blanks.",
        "indentation": "The model indented its lines in a way that does not parse.",
        "unfinished": "The model was broken off before it had finished a line.",
        "fence": "The model wrote Markdown around code, as models made for chat do.",
        "notice": "The model wrote a copyright or licence notice, which is not yours. "
        "One that you begin goes on.",
        "operator": "The model wrote an operator or a comment's mark, and not what "
        "stands behind it.",
        "repetition": "The model went round in circles, or said the line above again.",
        "scope": "The model wrote nothing that belongs to the cursor's line or block.",
        "comment": "The model began a comment, which would hide the code that follows.",
        "suffix-overlap": "The model only said what already stands behind the cursor.",
        "closers": "The model only closed what is closed already.",
        "trailing-blanks": "The model wrote nothing but blanks.",
    }
)

_BY_EXCLUSION: Mapping[Exclusion, Reason] = MappingProxyType(
    {
        Exclusion.DEFAULT: Reason(
            word="private-by-default",
            sentence="Files of this name hold keys or credentials, so there are no "
            "completions in them. A line such as !NAME in .midfillignore allows them.",
            of_document=True,
        ),
        Exclusion.OWN_FILE: Reason(
            word="midfill-ignored",
            sentence="A .midfillignore excludes this file.",
            of_document=True,
        ),
        Exclusion.GIT_FILE: Reason(
            word="git-ignored",
            sentence="Git ignores this file, so there are no completions in it "
            "(setting privacy.complete_git_ignored).",
            of_document=True,
        ),
    }
)


def dropped_by(filter_name: str) -> Reason:
    """Return the reason of a text of which a filter left nothing."""
    return Reason(word=f"filter-{filter_name}", sentence=_BY_FILTER[filter_name])


def private(exclusion: Exclusion) -> Reason:
    """Return the reason of a document that privacy keeps from the model."""
    return _BY_EXCLUSION[exclusion]


def failed(what: str) -> Reason:
    """Return the reason of a request whose engine failed.

    Args:
        what: What happened, as a clause without a full stop.
    """
    return Reason(
        word="failed", sentence=f"The engine failed: {what}.", ending=Ending.FAILED
    )
