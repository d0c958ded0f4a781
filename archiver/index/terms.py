"""What a person types into the search, as terms that can never be a syntax error.

There is no query language: whatever is typed is words to look for, except that double quotes keep
a phrase together. What normalises to several words (an address, a word in Chinese) is a phrase.
"""

import re
from typing import Final

from archiver.index.normalise import tokens

_TYPED: Final = re.compile(r'"([^"]*)"?|([^\s"]+)')


def terms(typed: str) -> list[str]:
    """The distinct terms of a query in their order, each of one or more words between spaces."""
    found = (" ".join(tokens(match[1] or match[2] or "")) for match in _TYPED.finditer(typed))
    return list(dict.fromkeys(term for term in found if term))


def quoted(term: str) -> str:
    """``term`` as an FTS5 string; a normalised term holds no quotes that would end it."""
    return f'"{term}"'
