"""Puts entries into the index; the caller holds the transaction that makes a batch one step."""

import sqlite3
from collections.abc import Iterable
from typing import Final

from archiver.index.digests import BY_DIGEST
from archiver.index.distinct import ADDRESSES, LISTS, NAMES, Distinct
from archiver.index.entry import INDEX_VERSION, Entry, Location
from archiver.index.places import LocationWriter
from archiver.index.texts import TextWriter
from archiver.index.threads import remember, thread_of

_ADD_MESSAGE: Final = """
    INSERT INTO messages (digest, version, message_id, date, subject, size, list, thread)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_ADD_WORDS: Final = """
    INSERT INTO words (rowid, body, subject, names, attached) VALUES (?, ?, ?, ?, ?)
"""
_ADD_PERSON: Final = """
    INSERT INTO message_addresses (message, position, role, address) VALUES (?, ?, ?, ?)
"""
_ADD_PART: Final = """
    INSERT INTO parts (message, position, name, type, size, digest, unread)
    VALUES (?, ?, ?, ?, ?, ?, ?)
"""


class Writer:
    """One batch of insertions; it remembers the addresses and names that the batch has met."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Inserts through ``connection``, which is in a transaction."""
        self._connection = connection
        self._addresses = Distinct(connection, ADDRESSES)
        self._names = Distinct(connection, NAMES)
        self._lists = Distinct(connection, LISTS)
        self._texts = TextWriter(connection)
        self._locations = LocationWriter(connection)

    def add(self, entries: Iterable[tuple[Entry, Location]]) -> None:
        """Inserts what is new or was made at another version, and every location."""
        for entry, location in entries:
            self._locations.put(self._message(entry), entry.digest.hex(), location)
        self._texts.flush()

    def _message(self, entry: Entry) -> int:
        known = self._connection.execute(
            f"SELECT id, version FROM messages WHERE {BY_DIGEST}", (entry.digest,)
        ).fetchone()
        if known is None:
            return self._insert(entry)
        if known[1] == INDEX_VERSION:
            return int(known[0])
        return self._replace(int(known[0]), entry)

    def _replace(self, old: int, entry: Entry) -> int:
        """Makes ``entry`` take over the locations of the row ``old``, which goes."""
        execute = self._connection.execute
        execute("UPDATE messages SET digest = zeroblob(0) WHERE id = ?", (old,))
        new = self._insert(entry)
        execute("UPDATE locations SET message = ? WHERE message = ?", (new, old))
        execute("DELETE FROM messages WHERE id = ?", (old,))
        return new

    def _insert(self, entry: Entry) -> int:
        execute, words = self._connection.execute, entry.words
        thread = thread_of(self._connection, entry)
        row = execute(
            _ADD_MESSAGE,
            (
                entry.digest,
                INDEX_VERSION,
                entry.message_id,
                entry.date,
                entry.subject,
                entry.size,
                None if entry.list_id is None else self._lists.row(entry.list_id),
                0 if thread is None else thread,
            ),
        ).lastrowid
        assert row is not None
        if thread is None:
            # It begins a thread, which has its number.
            execute("UPDATE messages SET thread = id WHERE id = ?", (row,))
        remember(self._connection, entry, row if thread is None else thread)
        texts = (words.body, words.subject, words.names, words.attached)
        execute(_ADD_WORDS, (row, *texts))
        self._texts.add(row, entry.text)
        self._insert_people(row, entry)
        self._insert_parts(row, entry)
        return row

    def _insert_people(self, message: int, entry: Entry) -> None:
        self._connection.executemany(
            _ADD_PERSON,
            [
                (message, position, role, self._addresses.row(person.name, person.address))
                for position, (role, person) in enumerate(entry.people)
            ],
        )

    def _insert_parts(self, message: int, entry: Entry) -> None:
        self._connection.executemany(
            _ADD_PART,
            [
                (
                    message,
                    position,
                    None if part.name is None else self._names.row(part.name),
                    part.type,
                    part.size,
                    bytes.fromhex(part.digest),
                    entry.unread.get(part.digest),
                )
                for position, part in enumerate(entry.attachments)
            ],
        )
