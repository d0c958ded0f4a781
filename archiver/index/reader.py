"""Finds messages: the rows that hold every term, the newest first, and what is shown of each.

Terms that occur in no address and no file name are left to the full-text table in one question,
which is quickest. A term that does is the union of the messages with the word and those with the
substring. Both are intersected inside SQLite, so that memory does not grow with the mailbox here.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from archiver.index.entry import Location
from archiver.index.places import locations
from archiver.index.snippet import snippet
from archiver.index.terms import quoted, terms_of
from archiver.index.texts import read_text
from archiver.model import Address, Part
from archiver.query import Query

# The full-text table takes any number of terms; a compound SELECT takes 500 (SQLITE_MAX_COMPOUND).
_SUBSTRING_TERMS: Final = 64
_TRIGRAM: Final = 3
# Looking further than this for a snippet takes longer than it is worth.
_SNIPPET_OCTETS: Final = 1 << 20

_IN_WORDS: Final = "SELECT rowid AS id FROM words WHERE words MATCH ?"
_IN_WORDS_OR_SUBSTRING: Final = """
    SELECT id FROM (
        SELECT rowid AS id FROM words WHERE words MATCH ?
        UNION
        SELECT message FROM message_addresses WHERE address IN (
            SELECT rowid FROM address_grams WHERE address_grams MATCH ?
        )
        UNION
        SELECT message FROM parts WHERE name IN (
            SELECT rowid FROM name_grams WHERE name_grams MATCH ?
        )
    )
"""
_HAS_SUBSTRING: Final = """
    SELECT EXISTS (SELECT 1 FROM address_grams WHERE address_grams MATCH ?)
        OR EXISTS (SELECT 1 FROM name_grams WHERE name_grams MATCH ?)
"""
# An entry that was replaced has words but no row any more: the join leaves it out.
_NEWEST: Final = """
    ) AS found JOIN messages ON messages.id = found.id
    ORDER BY date IS NULL, date DESC, messages.id DESC LIMIT ? OFFSET ?
"""
_BY_DIGEST: Final = """
    SELECT id, digest, message_id, date, subject, size FROM messages WHERE digest = ?
"""
_FOUND: Final = "SELECT messages.id, digest, message_id, date, subject, size FROM ("
_EVERYTHING: Final = "SELECT id FROM messages"
_NOTHING: Final = "SELECT id FROM messages WHERE 0"
_COUNT: Final = "SELECT count(*) FROM ({}) AS found JOIN messages ON messages.id = found.id"
_BY_ROW: Final = """
    ) AS found JOIN messages ON messages.id = found.id
    WHERE messages.id > ? ORDER BY messages.id LIMIT ?
"""
_PAGE: Final = 500


class Sort(StrEnum):
    """In which order messages are found: the newest, the largest or the most relevant first."""

    DATE = "date"
    SIZE = "size"
    RELEVANCE = "relevance"


@dataclass(frozen=True, slots=True)
class Hit:
    """A message that was found, and one place where its raw octets lie.

    ``places`` are where each account that holds it has its raw octets, in alphabetical order of the
    accounts. ``attachments`` carry no disposition and no Content-ID.
    """

    digest: str
    message_id: str | None
    places: tuple[Location, ...]
    date: int | None
    author: Address | None
    to: tuple[Address, ...]
    subject: str
    size: int
    attachments: tuple[Part, ...]
    snippet: str

    @property
    def accounts(self) -> tuple[str, ...]:
        """All accounts that hold it."""
        return tuple(place.account for place in self.places)


def find(
    connection: sqlite3.Connection, query: Query, sort: Sort, limit: int, offset: int
) -> list[Hit]:
    """The messages that a query asks for: ``limit`` of them after the first ``offset``."""
    terms = terms_of(query)
    question, values = _question(connection, terms)
    rows = connection.execute(_FOUND + question + _NEWEST, (*values, limit, offset)).fetchall()
    return [_hit(connection, row, terms) for row in rows]


def count(connection: sqlite3.Connection, query: Query) -> int:
    """How many messages a query asks for."""
    question, values = _question(connection, terms_of(query))
    return int(connection.execute(_COUNT.format(question), values).fetchone()[0])


def each(connection: sqlite3.Connection, query: Query) -> Iterator[Hit]:
    """Every message that a query asks for, in the order in which they were indexed; no snippets."""
    question, values = _question(connection, terms_of(query))
    last = 0
    while rows := connection.execute(
        _FOUND + question + _BY_ROW, (*values, last, _PAGE)
    ).fetchall():
        for row in rows:
            yield _hit(connection, row, None)
        last = rows[-1][0]


def find_digest(connection: sqlite3.Connection, digest: str) -> Hit | None:
    """The message with these octets, None where the index does not hold it."""
    row = connection.execute(_BY_DIGEST, (bytes.fromhex(digest),)).fetchone()
    return None if row is None else _hit(connection, row, None)


def _question(connection: sqlite3.Connection, terms: Sequence[str]) -> tuple[str, list[str]]:
    if not terms:
        return _EVERYTHING, []
    if "" in terms:
        return _NOTHING, []
    inside = [term for term in terms[:_SUBSTRING_TERMS] if _has_substring(connection, term)]
    words = [term for term in terms if term not in set(inside)]
    selects, values = [], []
    if words:
        selects.append(_IN_WORDS)
        values.append(" ".join(map(quoted, words)))
    for term in inside:
        selects.append(_IN_WORDS_OR_SUBSTRING)
        values += [quoted(term)] * 3
    return " INTERSECT ".join(selects), values


def _has_substring(connection: sqlite3.Connection, term: str) -> bool:
    if len(term) < _TRIGRAM:
        return False
    (found,) = connection.execute(_HAS_SUBSTRING, [quoted(term)] * 2).fetchone()
    return bool(found)


def _hit(
    connection: sqlite3.Connection,
    row: tuple[int, bytes, str | None, int | None, str, int],
    terms: Sequence[str] | None,
) -> Hit:
    message, digest, message_id, date, subject, size = row
    shown = "" if terms is None else read_text(connection, message, _SNIPPET_OCTETS)
    authors, to = _people(connection, message, "from"), _people(connection, message, "to")
    return Hit(
        digest=digest.hex(),
        message_id=message_id,
        places=tuple(locations(connection, message, digest.hex())),
        date=date,
        author=authors[0] if authors else None,
        to=to,
        subject=subject,
        size=size,
        attachments=_attachments(connection, message),
        snippet=snippet(shown, terms or ()),
    )


def _people(connection: sqlite3.Connection, message: int, role: str) -> tuple[Address, ...]:
    rows = connection.execute(
        """
        SELECT name, addresses.address FROM message_addresses
        JOIN addresses ON addresses.id = message_addresses.address
        WHERE message = ? AND role = ? ORDER BY position
        """,
        (message, role),
    )
    return tuple(Address(name, address) for name, address in rows)


def _attachments(connection: sqlite3.Connection, message: int) -> tuple[Part, ...]:
    rows = connection.execute(
        """
        SELECT names.name, type, size, digest FROM parts
        LEFT JOIN names ON names.id = parts.name
        WHERE message = ? ORDER BY position
        """,
        (message,),
    )
    return tuple(Part(digest.hex(), size, type_, name) for name, type_, size, digest in rows)
