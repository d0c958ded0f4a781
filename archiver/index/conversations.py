"""Conversations that a query finds, the one with the newest match first."""

import sqlite3
from dataclasses import dataclass
from typing import Final

from archiver.index.asking import ask
from archiver.index.people import Role
from archiver.index.reader import COLUMNS, Hit, hit_of
from archiver.index.threads import THREAD
from archiver.query import Query

_MATCHES_SHOWN: Final = 20
_PEOPLE_SHOWN: Final = 20

_OF_THREAD: Final = "thread IN (SELECT ? UNION ALL SELECT thread FROM merged WHERE now = ?)"


@dataclass(frozen=True, slots=True)
class Conversation:
    """Messages that answer each other.

    Attributes:
        thread: its number, as in ``Hit.thread``.
        messages: how many of it the index holds.
        matched: how many the query asks for.
        hits: the newest of those, the oldest of them first.
        authors: who wrote in it, by first appearance, names where they have any.
    """

    thread: int
    messages: int
    matched: int
    hits: tuple[Hit, ...]
    authors: tuple[str, ...]


def conversations(
    connection: sqlite3.Connection, query: Query, limit: int, offset: int
) -> list[Conversation]:
    """The conversations that a query finds: ``limit`` of them after the first ``offset``."""
    asked = ask(connection, query)
    rows = connection.execute(
        f"SELECT {THREAD} AS one, count(*), group_concat(messages.id) {asked.rows}"
        " GROUP BY one ORDER BY max(date) DESC, one DESC LIMIT ? OFFSET ?",
        (*asked.values, limit, offset),
    ).fetchall()
    found = []
    for thread, matched, numbers in rows:
        hits = connection.execute(
            f"SELECT {COLUMNS} FROM messages WHERE id IN (SELECT value FROM json_each(?))"
            " ORDER BY date DESC, messages.id DESC LIMIT ?",
            (f"[{numbers}]", _MATCHES_SHOWN),
        ).fetchall()
        messages = connection.execute(
            f"SELECT count(*) FROM messages WHERE {_OF_THREAD}", (thread, thread)
        ).fetchone()[0]
        found.append(
            Conversation(
                thread=thread,
                messages=messages,
                matched=matched,
                hits=tuple(hit_of(connection, row, asked.terms) for row in reversed(hits)),
                authors=_authors(connection, thread),
            )
        )
    return found


def _authors(connection: sqlite3.Connection, thread: int) -> tuple[str, ...]:
    rows = connection.execute(
        "SELECT iif(name <> '', name, addresses.address) AS who FROM messages"
        " JOIN message_addresses ON message = messages.id AND role = ?"
        " JOIN addresses ON addresses.id = message_addresses.address"
        f" WHERE {_OF_THREAD} GROUP BY who ORDER BY min(date), who LIMIT ?",
        (Role.FROM, thread, thread, _PEOPLE_SHOWN),
    )
    return tuple(row[0] for row in rows)
