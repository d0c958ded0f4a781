"""Conversations: messages that name each other in References or In-Reply-To, in whatever order.

Every Message-ID that is met, a message's own or one that it names, belongs to one thread. A message
that names ids of several threads makes one of them. Where a reply names nobody, the newest message
with the subject that it answers, within three months before it, is taken for what it answers.
"""

import sqlite3
from hashlib import sha256
from typing import Final

from archiver.index.entry import Entry
from archiver.index.subjects import base

THREAD: Final = (
    "coalesce((SELECT now FROM merged WHERE merged.thread = messages.thread), messages.thread)"
)
"""The thread of a row of ``messages``, as it is by now."""

_KEY_OCTETS: Final = 6
_CANDIDATES: Final = 50
_WINDOW_SECONDS: Final = 90 * 86_400

_FIND: Final = (
    "SELECT coalesce(now, idents.thread) FROM idents LEFT JOIN merged"
    " ON merged.thread = idents.thread WHERE key = ?"
)
_SAME_WORDS: Final = (
    "SELECT subject, date, " + THREAD + " FROM messages WHERE id IN"
    " (SELECT rowid FROM words WHERE words MATCH ? ORDER BY rowid DESC LIMIT ?)"
)


def key_of(message_id: str) -> int:
    """A number for a Message-ID; two may share one, once in a thousand mailboxes of a million."""
    octets = message_id.encode(errors="replace")
    return int.from_bytes(sha256(octets).digest()[:_KEY_OCTETS], "big")


def thread_of(connection: sqlite3.Connection, entry: Entry) -> int | None:
    """The thread that a message belongs to, None where it begins one.

    Threads that it shows to be one are so from now on.
    """
    found = {
        int(row[0])
        for name in _names(entry)
        if (row := connection.execute(_FIND, (key_of(name),)).fetchone()) is not None
    }
    if not found and entry.answers:
        return _answered(connection, entry)
    if not found:
        return None
    kept = min(found)
    for other in found - {kept}:
        _merge(connection, other, kept)
    return kept


def remember(connection: sqlite3.Connection, entry: Entry, thread: int) -> None:
    """Notes that the ids that a message has and names belong to its thread."""
    connection.executemany(
        "INSERT OR IGNORE INTO idents (key, thread) VALUES (?, ?)",
        [(key_of(name), thread) for name in _names(entry)],
    )


def find_thread(connection: sqlite3.Connection, message_id: str) -> int | None:
    """The thread that a Message-ID belongs to, None where it was never met."""
    row = connection.execute(_FIND, (key_of(message_id),)).fetchone()
    return None if row is None else int(row[0])


def _names(entry: Entry) -> tuple[str, ...]:
    own = () if entry.message_id is None else (entry.message_id,)
    return tuple(dict.fromkeys((*own, *entry.references)))


def _merge(connection: sqlite3.Connection, old: int, kept: int) -> None:
    connection.execute("UPDATE merged SET now = ? WHERE now = ?", (kept, old))
    connection.execute("INSERT INTO merged (thread, now) VALUES (?, ?)", (old, kept))


def _answered(connection: sqlite3.Connection, entry: Entry) -> int | None:
    phrase = f'{{subject}} : "{entry.answers}"'
    best: tuple[int, int] | None = None
    for subject, date, thread in connection.execute(_SAME_WORDS, (phrase, _CANDIDATES)):
        if date is None or entry.date is None or base(subject) != entry.answers:
            continue
        apart = entry.date - date
        if 0 <= apart <= _WINDOW_SECONDS and (best is None or apart < best[0]):
            best = (apart, int(thread))
    return None if best is None else best[1]
