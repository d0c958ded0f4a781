"""From what a person typed to a query.

either = all { "OR" all }
all    = [ "AND" ] term { [ "AND" ] term }
term   = ( "-" | "NOT" ) term | "(" either ")" | word | field ":" ( word | "(" either ")" )
"""

from collections.abc import Callable, Mapping
from typing import Final

from archiver.query.lexer import Kind, Token, mistake, tokens
from archiver.query.names import AFTER, BEFORE, HAS, LARGER, ON, SMALLER, TEXTS
from archiver.query.terms import (
    All,
    Dated,
    Either,
    Field,
    HasAttachment,
    Not,
    Query,
    Sized,
    Text,
)
from archiver.query.values import DATES, SIZES, Span, read_date, read_size

MOST_TERMS: Final = 500
"""How many words, phrases and fields a query may have."""

_DEEPEST: Final = 50
_SHOWN: Final = 30
_DIGITS: Final = frozenset("0123456789abcdef")

_SPANS: Final[Mapping[str, Callable[[Span], Dated]]] = {
    AFTER: lambda span: Dated(since=span.begin),
    BEFORE: lambda span: Dated(before=span.begin),
    ON: lambda span: Dated(since=span.begin, before=span.end),
}


def parse(typed: str, *, now: float) -> Query:
    """Reads a query.

    Args:
        typed: as README.md describes it; nothing asks for everything.
        now: the time that ``3d`` is counted from, in seconds since the epoch.

    Raises:
        QueryError: there is a mistake in it.
    """
    return _Parser(typed, now).whole()


class _Parser:
    """One pass over the tokens, a function for each rule of the grammar."""

    def __init__(self, typed: str, now: float) -> None:
        self._typed = typed
        self._now = now
        self._tokens = tokens(typed)
        self._next: Token | None = next(self._tokens, None)
        self._terms = 0

    def whole(self) -> Query:
        if not self._is(*Kind):
            return All(())
        query = self._either("", 0)
        if self._is(*Kind):
            raise self._mistake("nothing is open that this parenthesis could close")
        return query

    def _advance(self) -> Token:
        token = self._next
        assert token is not None
        self._next = next(self._tokens, None)
        return token

    def _is(self, *kinds: Kind) -> bool:
        return self._next is not None and self._next.kind in kinds

    def _mistake(self, what: str) -> Exception:
        at = len(self._typed) if self._next is None else self._next.at
        return mistake(self._typed, at, what)

    def _either(self, field: str, depth: int) -> Query:
        found = [self._all(field, depth)]
        while self._is(Kind.OR):
            self._advance()
            found.append(self._all(field, depth))
        return found[0] if len(found) == 1 else Either(tuple(found))

    def _all(self, field: str, depth: int) -> Query:
        found: list[Query] = []
        while self._is(Kind.WORD, Kind.GROUP, Kind.NOT, Kind.OPEN) or (
            found and self._is(Kind.AND)
        ):
            if self._is(Kind.AND):
                self._advance()
            found.append(self._term(field, depth))
        if not found:
            raise self._mistake("expected a word here")
        return found[0] if len(found) == 1 else All(tuple(found))

    def _term(self, field: str, depth: int) -> Query:
        if depth >= _DEEPEST:
            raise self._mistake(
                f"more than {_DEEPEST} parentheses and minus signs inside each other"
            )
        if self._is(Kind.NOT):
            self._advance()
            return Not(self._term(field, depth + 1))
        if self._is(Kind.OPEN):
            return self._group(field, depth)
        if self._is(Kind.GROUP):
            token = self._advance()
            if field:
                raise mistake(self._typed, token.at, f"{token.name}: inside {field}:( )")
            return self._group(token.name, depth)
        if not self._is(Kind.WORD):
            raise self._mistake("expected a word here")
        return self._leaf(field)

    def _group(self, field: str, depth: int) -> Query:
        opening = self._advance()
        query = self._either(field, depth + 1)
        if not self._is(Kind.CLOSE):
            raise mistake(self._typed, opening.at, "this parenthesis is never closed")
        self._advance()
        return query

    def _leaf(self, field: str) -> Query:
        token = self._advance()
        self._terms += 1
        if self._terms > MOST_TERMS:
            raise mistake(self._typed, token.at, f"a query has at most {MOST_TERMS} terms")
        if token.name and field:
            raise mistake(self._typed, token.at, f"{token.name}: inside {field}:( )")
        return self._read(token, token.name or field)

    def _read(self, token: Token, name: str) -> Query:
        if name in _SPANS:
            return self._dated(token, name)
        if name in (LARGER, SMALLER):
            return self._sized(token, name)
        if name == HAS:
            return self._has(token)
        field = TEXTS.get(name, Field.ANY)
        text, prefix = token.text, False
        if text.endswith("*") and not token.quoted:
            text, prefix = text.rstrip("*"), True
        if field is Field.ID:
            text = text.removeprefix("<").removesuffix(">")
        if field is Field.DIGEST and not set(text.lower()) <= _DIGITS:
            raise mistake(self._typed, token.at, "digest: expected hex digits")
        return Text(field, text, prefix)

    def _dated(self, token: Token, name: str) -> Query:
        span = read_date(token.text, self._now)
        if span is None:
            raise mistake(
                self._typed, token.at, f"{name}: expected {DATES}, not {token.text[:_SHOWN]!r}"
            )
        if span.ago and name == ON:
            raise mistake(self._typed, token.at, "on: expected a year, a month or a day")
        return _SPANS[name](span)

    def _sized(self, token: Token, name: str) -> Query:
        size = read_size(token.text)
        if size is None:
            raise mistake(
                self._typed, token.at, f"{name}: expected {SIZES}, not {token.text[:_SHOWN]!r}"
            )
        return Sized(larger=size) if name == LARGER else Sized(smaller=size)

    def _has(self, token: Token) -> Query:
        if token.text.lower() not in ("attachment", "attachments"):
            raise mistake(self._typed, token.at, "has: expected has:attachment")
        return HasAttachment()
