"""Finds messages: the rows that a query asks for, in the order that is wanted, and what is shown.

The newest first is the order of an index. Where much is found, that index is walked until enough
rows are among what was found; where little is, what was found is sorted. Nothing of it is held
here, so that memory does not grow with the mailbox.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from archiver.index.asking import Asked, ask, quoted
from archiver.index.digests import BY_DIGEST
from archiver.index.entry import Location
from archiver.index.people import Role
from archiver.index.places import locations
from archiver.index.snippet import snippet
from archiver.index.texts import read_text
from archiver.index.threads import THREAD
from archiver.model import Address, Part
from archiver.query import Query

# Looking further than this for a snippet takes longer than it is worth.
_SNIPPET_OCTETS: Final = 1 << 20
_PAGE: Final = 500
# Sorting so many takes as long as walking the index of dates past a hundred times as many.
_FEW: Final = 2_000
# How much a word counts in body, subject, file names and attachments.
_BEST: Final = "bm25(words, 1.0, 8.0, 3.0, 0.5)"

COLUMNS: Final = "messages.id, digest, message_id, date, messages.subject, size, list, " + THREAD
"""Of ``messages``, what ``hit_of`` needs."""


class Sort(StrEnum):
    """In which order messages are found: the newest, the largest or the most relevant first."""

    DATE = "date"
    SIZE = "size"
    RELEVANCE = "relevance"


@dataclass(frozen=True, slots=True)
class Hit:
    """A message that was found, and one place where its raw octets lie.

    ``places`` are where each account that holds it has its raw octets, in alphabetical order of the
    accounts. ``attachments`` carry no disposition and no Content-ID. ``thread`` is the same for all
    messages of a conversation, until it turns out to be part of another one.
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
    cc: tuple[Address, ...] = ()
    list_id: str | None = None
    thread: int = 0

    @property
    def accounts(self) -> tuple[str, ...]:
        """All accounts that hold it."""
        return tuple(place.account for place in self.places)


def find(
    connection: sqlite3.Connection, query: Query, sort: Sort, limit: int, offset: int
) -> list[Hit]:
    """The messages that a query asks for: ``limit`` of them after the first ``offset``."""
    asked = ask(connection, query)
    sql, values = _ordered(connection, asked, sort)
    rows = connection.execute(f"{sql} LIMIT ? OFFSET ?", (*values, limit, offset)).fetchall()
    return [hit_of(connection, row, asked.terms) for row in rows]


def _ordered(
    connection: sqlite3.Connection, asked: Asked, sort: Sort
) -> tuple[str, tuple[object, ...]]:
    newest = "date DESC, messages.id DESC"
    match sort:
        case Sort.RELEVANCE if asked.words:
            return f"SELECT {COLUMNS} {asked.rows} ORDER BY {_BEST}, {newest}", asked.values
        case Sort.RELEVANCE if asked.terms:
            # Some of it is found in addresses or file names alone, which have no rank.
            ranked = f"SELECT rowid AS found, {_BEST} AS best FROM words WHERE words MATCH ?"
            joined = f"messages LEFT JOIN ({ranked}) ON found = messages.id"
            sql = f"SELECT {COLUMNS} FROM {joined} WHERE {asked.condition}"
            words = " OR ".join(map(quoted, asked.terms))
            return f"{sql} ORDER BY best IS NULL, best, {newest}", (words, *asked.values)
        case Sort.SIZE:
            return f"SELECT {COLUMNS} {asked.rows} ORDER BY size DESC, {newest}", asked.values
    if not _is_much(connection, asked):
        return f"SELECT {COLUMNS} {asked.rows} ORDER BY {newest}", asked.values
    walked = f"messages INDEXED BY messages_by_date WHERE {asked.condition}"
    return f"SELECT {COLUMNS} FROM {walked} ORDER BY {newest}", asked.values


def _is_much(connection: sqlite3.Connection, asked: Asked) -> bool:
    # Where the words alone find much, the rest of it is looked at along the dates.
    rows = "FROM words WHERE words MATCH ?" if asked.words else asked.rows
    values = (asked.words,) if asked.words else asked.values
    found = connection.execute(f"SELECT count(*) FROM (SELECT 1 {rows} LIMIT ?)", (*values, _FEW))
    return int(found.fetchone()[0]) >= _FEW


def count(connection: sqlite3.Connection, query: Query) -> int:
    """How many messages a query asks for."""
    asked = ask(connection, query)
    found = connection.execute(f"SELECT count(*) {asked.rows}", asked.values)
    return int(found.fetchone()[0])


def each(connection: sqlite3.Connection, query: Query) -> Iterator[Hit]:
    """Every message that a query asks for, in the order in which they were indexed; no snippets."""
    asked = ask(connection, query)
    last = 0
    while rows := connection.execute(
        f"SELECT {COLUMNS} FROM messages WHERE ({asked.condition}) AND messages.id > ?"
        " ORDER BY messages.id LIMIT ?",
        (*asked.values, last, _PAGE),
    ).fetchall():
        for row in rows:
            yield hit_of(connection, row, None)
        last = rows[-1][0]


def find_digest(connection: sqlite3.Connection, digest: str) -> Hit | None:
    """The message with these octets, None where the index does not hold it."""
    row = connection.execute(
        f"SELECT {COLUMNS} FROM messages WHERE {BY_DIGEST}", (bytes.fromhex(digest),)
    ).fetchone()
    return None if row is None else hit_of(connection, row, None)


def hit_of(
    connection: sqlite3.Connection,
    row: tuple[int, bytes, str | None, int | None, str, int, int | None, int],
    terms: Sequence[str] | None,
) -> Hit:
    """A row of ``COLUMNS`` as a hit; without terms it has no snippet."""
    message, digest, message_id, date, subject, size, list_row, thread = row
    shown = "" if terms is None else read_text(connection, message, _SNIPPET_OCTETS)
    authors, to = _people(connection, message, Role.FROM), _people(connection, message, Role.TO)
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
        cc=_people(connection, message, Role.CC),
        list_id=_list(connection, list_row),
        thread=thread,
    )


def _people(connection: sqlite3.Connection, message: int, role: Role) -> tuple[Address, ...]:
    rows = connection.execute(
        """
        SELECT name, addresses.address FROM message_addresses
        JOIN addresses ON addresses.id = message_addresses.address
        WHERE message = ? AND role = ? ORDER BY position
        """,
        (message, role),
    )
    return tuple(Address(name, address) for name, address in rows)


def _list(connection: sqlite3.Connection, row: int | None) -> str | None:
    if row is None:
        return None
    found = connection.execute("SELECT name FROM lists WHERE id = ?", (row,)).fetchone()
    return str(found[0])


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
