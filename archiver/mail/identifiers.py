"""Identifiers: Message-ID, References, List-Id, Content-ID (RFC 5322 section 3.6.4, RFC 2919).

An identifier is what stands between ``<`` and ``>``, unfolded and otherwise kept as it is, without
the brackets and white space beside them. Nothing is made equal to anything else.
"""

import re

from archiver.mail.charsets import unlabelled
from archiver.mail.words import one_line

_BRACKETED = re.compile(r"<([^<>]*+)>")
_LENGTH_LIMIT = 2000


def _clean(identifier: str) -> str:
    return one_line(identifier)[:_LENGTH_LIMIT]


def bracketed(octets: bytes | None) -> str | None:
    """The first identifier of a field; without brackets all that the field says, if anything."""
    if not octets:
        return None
    text = unlabelled(octets)
    match = _BRACKETED.search(text)
    return _clean(match[1] if match else text) or None


def every_bracketed(octets: bytes | None) -> tuple[str, ...]:
    """All identifiers of a field, each once, in its order.

    Words outside brackets are what people wrote before RFC 2822 and name no message, unless the
    field is one word that can only be an identifier.
    """
    if not octets:
        return ()
    text = unlabelled(octets)
    found = [_clean(identifier) for identifier in _BRACKETED.findall(text)]
    if not found and "@" in text and len(text.split()) == 1:
        found = [_clean(text)]
    return tuple(dict.fromkeys(filter(None, found)))
