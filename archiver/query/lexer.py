"""What a person typed, cut into tokens; each knows where it stood.

    -from:"Ann Lee"  ->  NOT, WORD of the field from, quoted
    (a OR b)         ->  OPEN, WORD, OR, WORD, CLOSE

A minus counts only where a term begins, and a colon only behind the name of a field, so that
``e-mail``, ``10:30`` and ``http://example.com`` are words.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from archiver.errors import UsageError
from archiver.query.names import NAMES, meant

_SPACE = re.compile(r"\s+")
_NAME = re.compile(r"([A-Za-z0-9]+):")
_QUOTED = re.compile(r'"([^"]*)"')
_BARE = re.compile(r'[^\s()"]+')
# What Python makes of octets of a command line that are no text.
_NO_TEXT = re.compile("[\ud800-\udfff]")
_SHOWN = 60


class QueryError(UsageError):
    """A query has a mistake; the message says where, and what was expected."""


class Kind(Enum):
    """What a token is."""

    WORD = auto()
    GROUP = auto()
    AND = auto()
    OR = auto()
    NOT = auto()
    OPEN = auto()
    CLOSE = auto()


_OPERATORS = {"AND": Kind.AND, "OR": Kind.OR, "NOT": Kind.NOT}


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a query.

    Args:
        kind: what it is; ``GROUP`` is the name of a field with a parenthesis behind it.
        at: where it begins, counted from 0.
        name: the name of a field, in lower case; empty for none.
        text: the word, or what stood in the quotes.
        quoted: whether it stood in quotes.
    """

    kind: Kind
    at: int
    name: str = ""
    text: str = ""
    quoted: bool = False


def mistake(typed: str, at: int, what: str) -> QueryError:
    """A mistake at a place in a query, which is shown below the message."""
    begin = max(0, at - _SHOWN // 2)
    shown = "".join(c if c.isprintable() else " " for c in typed[begin : begin + _SHOWN])
    pointer = " " * (at - begin) + "^"
    return QueryError(f"query, character {at + 1}: {what}", hint=f"{shown}\n  {pointer}")


def tokens(typed: str) -> Iterator[Token]:
    """The tokens of a query, in order.

    Raises:
        QueryError: quotes are not closed, a field has no value, there is no such field, or
            something is not text.
    """
    if wrong := _NO_TEXT.search(typed):
        raise mistake(typed, wrong.start(), "this is no text; expected UTF-8")
    at = 0
    while at < len(typed):
        if space := _SPACE.match(typed, at):
            at = space.end()
            continue
        token, at = _token(typed, at)
        yield token


def _token(typed: str, at: int) -> tuple[Token, int]:
    first = typed[at]
    if first in "()":
        return Token(Kind.OPEN if first == "(" else Kind.CLOSE, at), at + 1
    if first == "-" and typed[at + 1 : at + 2].strip():
        return Token(Kind.NOT, at), at + 1
    if first == '"':
        text, end = _quoted(typed, at)
        return Token(Kind.WORD, at, text=text, quoted=True), end
    if named := _NAME.match(typed, at):
        name = named[1].lower()
        if name in NAMES:
            return _valued(typed, at, name, named.end())
        if typed[named.end() : named.end() + 1].strip() and (advice := meant(name)):
            hint = "in quotes it is looked for as it stands"
            raise mistake(typed, at, f"there is no field {name}:, {advice} ({hint})")
    found = _BARE.match(typed, at)
    assert found is not None, "what is neither space nor sign is a word"
    return Token(_OPERATORS.get(found[0], Kind.WORD), at, text=found[0]), found.end()


def _valued(typed: str, at: int, name: str, value: int) -> tuple[Token, int]:
    first = typed[value : value + 1]
    if first == "(":
        return Token(Kind.GROUP, at, name), value
    if first == '"':
        text, end = _quoted(typed, value)
        return Token(Kind.WORD, at, name, text, quoted=True), end
    found = _BARE.match(typed, value)
    if found is None:
        raise mistake(typed, value, f"expected what {name}: is to be, as in {name}:word")
    return Token(Kind.WORD, at, name, found[0]), found.end()


def _quoted(typed: str, at: int) -> tuple[str, int]:
    found = _QUOTED.match(typed, at)
    if found is None:
        raise mistake(typed, at, "these quotes are never closed")
    return found[1], found.end()
