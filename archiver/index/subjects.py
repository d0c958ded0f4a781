"""Subjects of replies: what a subject answers, in the languages of the programs that write them."""

import re
from typing import Final

from archiver.index.normalise import tokens

_REPLY: Final = re.compile(
    r"\s*(?:re|aw|antw|sv|vs|odp|r|rif|res|ynt|\u056a|\u7b54\u590d|\u56de\u590d|\u8fd4\u4fe1)"
    r"\s*(?:\[\d{1,4}\]|\(\d{1,4}\)|\^\d{1,4})?\s*[:\uff1a]",
    re.IGNORECASE,
)
_MOST: Final = 20


def base(subject: str) -> str:
    """A subject without the marks of a reply, as the index knows words."""
    for _ in range(_MOST):
        found = _REPLY.match(subject)
        if found is None:
            break
        subject = subject[found.end() :]
    return " ".join(tokens(subject))


def answered(subject: str) -> str:
    """The subject that this one answers, as the index knows words; empty where it is no reply."""
    return base(subject) if _REPLY.match(subject) else ""
