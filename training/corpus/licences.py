"""Decides whether a package's text may be used, and under which licence.

Used are permissive licences, and MPL-2.0, whose conditions apply to its files alone.
Of a choice (``OR``) it is enough that one is permissive; of a combination (``AND``)
all must be. Licences that are not recognised, and all of the GPL family, are refused.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from packaging.licenses import (
    InvalidLicenseExpression,
    canonicalize_license_expression,
)

from training.corpus.licence_names import (
    CLASSIFIERS,
    NAMES,
    PERMISSIVE,
    SILENT_CLASSIFIERS,
    TEXTS,
)

__all__ = [
    "LicenceRefusedError",
    "LicenceStatements",
    "choose_licence",
    "is_gpl_text",
    "permitted_expression",
]

_GPL = re.compile(
    r"\b[AL]?GPL|GNU\s+(\w+\s+){0,3}General\s+Public|Affero", re.IGNORECASE
)
_GPL_TITLE = re.compile(
    r"^\W*GNU (LESSER |LIBRARY |AFFERO )?GENERAL PUBLIC LICENSE\W*$",
    re.IGNORECASE | re.MULTILINE,
)
_LONGEST_NAME_CHARACTERS = 100
"""A licence field that is longer holds the licence's text."""

_OPENING_CHARACTERS = 1_000
"""A text names its own licence within these; further down are licences of libraries
compiled into the wheel, which do not apply to its Python source.
"""

UNKNOWN = "licence unknown"
GPL_FAMILY = "licence of the GPL family"
NOT_PERMISSIVE = "licence not permissive"


class LicenceRefusedError(Exception):
    """The package may not be used; the message is the reason in the manifest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenceStatements:
    """What a package states about its licence.

    Attributes:
        expression: The ``License-Expression``; empty if there is none.
        field: The older ``License`` field, a name or a whole text.
        classifiers: The classifiers about a licence.
        texts: Contents of the licence files.
    """

    expression: str = ""
    field: str = ""
    classifiers: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()


def choose_licence(stated: LicenceStatements) -> str:
    """Return the SPDX expression under which the package is used.

    The first of these that names a licence decides: the ``License-Expression``; the
    classifiers together with the ``License`` field, all of which must be permissive;
    the licence files.

    Raises:
        LicenceRefusedError: It is not permissive, or not known.
    """
    if stated.expression:
        return permitted_expression(stated.expression)
    field = _field(stated.field)
    # The classifiers of such a package list all licences of the choice.
    if field is not None and " OR " in field:
        return permitted_expression(field)
    found = list(_classified(stated.classifiers))
    if field is not None:
        found.append(permitted_expression(field))
    elif _GPL.search(stated.field[:_OPENING_CHARACTERS]):
        raise LicenceRefusedError(GPL_FAMILY)
    if not found:
        texts = (*stated.texts, stated.field)
        found = [_recognise(text) for text in texts if text.strip()]
    if not found:
        raise LicenceRefusedError(UNKNOWN)
    return _joined(found)


def permitted_expression(expression: str) -> str:
    """Reduce an SPDX expression to its permissive part.

    ``MIT OR GPL-2.0-only`` becomes ``MIT``.

    Raises:
        LicenceRefusedError: Nothing that the expression allows is permissive.
    """
    try:
        canonical = canonicalize_license_expression(expression)
    except InvalidLicenseExpression as exc:
        raise LicenceRefusedError(
            GPL_FAMILY if _GPL.search(expression) else UNKNOWN
        ) from exc
    words = re.findall(r"[()]|[^\s()]+", canonical)
    permitted = _Expression(words).choice()
    if permitted is None:
        raise LicenceRefusedError(
            GPL_FAMILY if _GPL.search(canonical) else NOT_PERMISSIVE
        )
    return permitted


def is_gpl_text(text: str) -> bool:
    """Return whether a text names a licence of the GPL family."""
    return _GPL.search(text) is not None


class _Expression:
    """Evaluates a valid expression by descent; ``AND`` binds tighter than ``OR``.

    Source: SPDX 2.3, annex D.
    """

    def __init__(self, words: list[str]) -> None:
        self._words = words
        self._next = 0

    def choice(self) -> str | None:
        """Return the permissive alternatives, or None if there are none."""
        alternatives = [self._combination()]
        while self._take("OR"):
            alternatives.append(self._combination())
        permitted = list(dict.fromkeys(each for each in alternatives if each))
        return " OR ".join(permitted) or None

    def _combination(self) -> str | None:
        parts = [self._part()]
        while self._take("AND"):
            parts.append(self._part())
        permitted = [part for part in parts if part is not None]
        if len(permitted) < len(parts):
            return None
        if len(parts) > 1:
            permitted = [f"({p})" if " OR " in p else p for p in permitted]
        return " AND ".join(dict.fromkeys(permitted))

    def _part(self) -> str | None:
        if self._take("("):
            inner = self.choice()
            self._take(")")
            return inner
        name = self._words[self._next]
        self._next += 1
        # An exception gives more rights, never fewer.
        if self._take("WITH"):
            full = f"{name} WITH {self._words[self._next]}"
            self._next += 1
        else:
            full = name
        return full if name.removesuffix("+") in PERMISSIVE else None

    def _take(self, word: str) -> bool:
        found = self._next < len(self._words) and self._words[self._next] == word
        self._next += found
        return found


def _field(licence: str) -> str | None:
    """Return a ``License`` field as an expression; None if it is none."""
    if len(licence) > _LONGEST_NAME_CHARACTERS:
        return None
    plain = re.sub(r"[^a-z0-9.]+", " ", licence.lower()).strip()
    if plain in NAMES:
        return NAMES[plain]
    try:
        return canonicalize_license_expression(licence.strip())
    except InvalidLicenseExpression:
        return None


def _classified(classifiers: tuple[str, ...]) -> Iterator[str]:
    """Yield the licences that classifiers name; all must be permissive.

    Classifiers do not say whether several are a choice or a combination.
    """
    for classifier in classifiers:
        if classifier in SILENT_CLASSIFIERS:
            continue
        if classifier not in CLASSIFIERS:
            raise LicenceRefusedError(
                GPL_FAMILY if _GPL.search(classifier) else NOT_PERMISSIVE
            )
        yield CLASSIFIERS[classifier]


def _recognise(text: str) -> str:
    """Return the licence of a text."""
    if _GPL_TITLE.search(text) or _GPL.search(text[:_OPENING_CHARACTERS]):
        raise LicenceRefusedError(GPL_FAMILY)
    plain = " ".join(re.sub(r"[^a-z0-9.]+", " ", text.lower()).split())
    for phrase, identifier in TEXTS:
        if phrase in plain:
            return identifier
    raise LicenceRefusedError(UNKNOWN)


def _joined(expressions: list[str]) -> str:
    parts = list(dict.fromkeys(expressions))
    if len(parts) == 1:
        return parts[0]
    return " AND ".join(f"({p})" if " OR " in p else p for p in parts)
